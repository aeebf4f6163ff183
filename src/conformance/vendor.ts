import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders } from 'node:http'
import type { Owner } from './runner.ts'

/** A request that a provider received. `body`: its parsed JSON, or undefined. */
export type Call = { method: string, path: string, headers: IncomingHttpHeaders, text: string, body: unknown }
/**
 * What a provider answers. A text and bytes are sent as they are, anything else as JSON; no status is 200. `isCut`: the
 * connection ends after the first half of the body. `hang`: no answer.
 */
export type Answer = { status?: number, body?: unknown, headers?: Record<string, string>, isCut?: boolean } | 'hang'
export type Vendor = { origin: string, host: string, calls: Call[], answer: (call: Call) => Answer }

/** A provider's server: the test sets its answers, and reads its requests. */
export async function openVendor (t: Owner, answer: (vendor: Vendor, call: Call) => Answer): Promise<Vendor> {
  const server = createServer(async (req, res) => {
    const chunks: Buffer[] = []
    for await (const chunk of req) chunks.push(chunk)
    const text = Buffer.concat(chunks).toString()
    const call = { method: req.method ?? '', path: req.url ?? '', headers: req.headers, text, body: parse(text) }
    vendor.calls.push(call)
    const given = vendor.answer(call)
    if (given === 'hang') return
    const { status = 200, headers, isCut = false } = given
    const body = bytesOf(given.body)
    if (isCut) {
      res.writeHead(status, { ...headers, 'content-length': body.length })
      res.write(body.subarray(0, body.length / 2), () => res.socket?.destroy())
      return
    }
    res.writeHead(status, headers).end(body)
    // A vendor that sends nothing after an interim status.
    if (status < 200) res.socket?.end()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => new Promise(resolve => {
    server.close(resolve)
    server.closeAllConnections()
  }))
  const address = server.address()
  const host = `127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`
  const vendor: Vendor = { origin: `http://${host}`, host, calls: [], answer: call => answer(vendor, call) }
  return vendor
}

export const bytesOf = (body: unknown): Buffer => Buffer.isBuffer(body) ? body
  : Buffer.from(typeof body === 'string' ? body : JSON.stringify(body ?? {}))

function parse (text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
