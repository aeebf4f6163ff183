import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders } from 'node:http'
import { text } from 'node:stream/consumers'
import { Agent, request } from 'undici'

type Teardown = { teardown (run: () => unknown): void }

export type Passed = {
  path: string
  headers: IncomingHttpHeaders
  body: Record<string, unknown>
  /** The status of the provider's response; null before it arrived. */
  status: number | null
}

/**
 * A proxy between the gateway and a provider that records the requests and can drop responses: the provider acted, but
 * the gateway does not learn of it.
 */
export type Proxy = {
  url: string
  passed: Passed[]
  /** Drops the responses to the next `times` requests whose path starts with `path`. */
  lose (path: string, times: number): void
  /** Delays every response. */
  delayMs: number
  /** Holds every response until it resolves. */
  gate: Promise<void> | null
}

export async function startProxy (t: Teardown, target: string): Promise<Proxy> {
  const losses: { path: string, times: number }[] = []
  const passed: Passed[] = []
  const agent = new Agent()
  const server = createServer((incoming, outgoing) => {
    const { url: path = '/', method = 'GET' } = incoming
    const { host: _host, connection: _connection, 'content-length': _length, ...headers } = incoming.headers
    const pass = async (): Promise<void> => {
      const sent = await text(incoming)
      const entry: Passed = { path, headers: incoming.headers, body: sent === '' ? {} : JSON.parse(sent), status: null }
      passed.push(entry)
      const answer = await request(
        target + path, { dispatcher: agent, method: method as 'GET', headers, ...(sent === '' ? {} : { body: sent }) },
      )
      // As bytes: the answer may be compressed.
      const body = Buffer.from(await answer.body.arrayBuffer())
      entry.status = answer.statusCode
      const loss = losses.find(one => one.times > 0 && path.startsWith(one.path))
      if (loss !== undefined) {
        loss.times -= 1
        return
      }
      await proxy.gate
      const { 'content-type': type = 'text/plain', 'content-encoding': encoding } = answer.headers
      const described = {
        'content-type': String(type), ...encoding === undefined ? {} : { 'content-encoding': String(encoding) },
      }
      setTimeout(() => outgoing.writeHead(answer.statusCode, described).end(body), proxy.delayMs)
    }
    pass().catch(() => outgoing.destroy())
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.close()
    server.closeAllConnections()
    return agent.destroy()
  })
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  const proxy: Proxy = {
    url: `http://127.0.0.1:${address.port}`, passed, delayMs: 0, gate: null,
    lose: (path, times) => { losses.push({ path, times }) },
  }
  return proxy
}
