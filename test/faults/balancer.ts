import { once } from 'node:events'
import { createServer } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import { buffer } from 'node:stream/consumers'
import { Agent, request } from 'undici'

type Teardown = { teardown (run: () => unknown): void }

/**
 * A load balancer before several gateways: round robin among those whose last readiness probe succeeded, without
 * retries.
 */
export type Balancer = {
  /** Adds a gateway; resolves once it is ready. */
  add (address: string): Promise<void>
  /** The requests that got no response, or a 5xx. */
  failures: string[]
  /** The number of requests that each gateway answered. */
  answered: Map<string, number>
}

/** A balancer notices a change with this delay. */
const probeEveryMs = 400

export async function startBalancer (t: Teardown, port: number): Promise<Balancer> {
  const ready = new Set<string>()
  const failures: string[] = []
  const answered = new Map<string, number>()
  const agent = new Agent({ connections: 200, pipelining: 1 })
  let isOver = false
  let turn = 0

  async function probe (address: string): Promise<boolean> {
    const answer = await request(`${address}/readyz`, { dispatcher: agent, headersTimeout: 10_000 })
    await answer.body.dump()
    return answer.statusCode === 200
  }
  async function watch (address: string, isFirst: () => void): Promise<void> {
    while (!isOver) {
      if (await probe(address).catch(() => false)) {
        ready.add(address)
        isFirst()
      } else ready.delete(address)
      await delay(probeEveryMs)
    }
  }

  const server = createServer(async (incoming, outgoing) => {
    const { method = 'GET', url = '/' } = incoming
    const address = [...ready][turn++ % Math.max(1, ready.size)]
    try {
      if (address === undefined) throw new Error('no gateway is ready')
      const {
        host: _host, connection: _connection, 'transfer-encoding': _encoding, 'content-length': _length, ...headers
      } = incoming.headers
      const body = await buffer(incoming)
      const answer = await request(
        address + url, { dispatcher: agent, method: method as 'GET', headers, ...(body.length === 0 ? {} : { body }) },
      )
      const text = await buffer(answer.body)
      if (answer.statusCode >= 500) failures.push(`${method} ${url}: ${answer.statusCode} ${text.toString()}`)
      answered.set(address, (answered.get(address) ?? 0) + 1)
      outgoing.writeHead(
        answer.statusCode, { 'content-type': String(answer.headers['content-type'] ?? 'text/plain') },
      ).end(text)
    } catch (error) {
      failures.push(`${method} ${url} at ${address}: ${error instanceof Error ? error.message : 'unknown'}`)
      outgoing.destroy()
    }
  }).listen(port, '127.0.0.1')
  await once(server, 'listening')
  const watches: Promise<void>[] = []
  t.teardown(async () => {
    isOver = true
    server.close()
    server.closeAllConnections()
    await Promise.all(watches)
    await agent.destroy()
  })
  return {
    failures, answered,
    add: address => new Promise(resolve => { watches.push(watch(address, resolve)) }),
  }
}
