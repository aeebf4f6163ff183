import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'

/** The result of one request of an open loop; `status` null: no response. */
export type Offered = {
  n: number, status: number | null, retryAfter: string | null, body: Record<string, any>, sentAt: number, ms: number,
}

type Answer = Omit<Offered, 'n' | 'sentAt' | 'ms'>

const tickMs = 10
/** Connections that are open before the first request, as a balancer holds them, so that requests are sent at once. */
const lanes = 1_000
const patienceMs = 120_000

/**
 * An open loop: posts `count` bodies evenly over `overMs`, whether or not earlier ones were answered, as independent
 * clients do. Resolves once each was answered or failed.
 */
export async function offer (
  url: string, headers: Record<string, string>, { count, overMs, bodyOf }: {
    count: number, overMs: number, bodyOf: (n: number) => unknown,
  },
): Promise<Offered[]> {
  const { hostname, port, pathname } = new URL(url)
  const head = [
    `POST ${pathname} HTTP/1.1`, `host: ${hostname}:${port}`, 'content-type: application/json',
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
  ].join('\r\n')
  const requests = Array.from({ length: count }, (_, n) => {
    const body = JSON.stringify(bodyOf(n))
    return `${head}\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`
  })
  const sockets = await Promise.all(Array.from({ length: Math.min(lanes, count) }, async () => {
    const socket = connect(Number(port), hostname).setNoDelay(true)
    await once(socket, 'connect')
    return { socket, waiting: receive(socket) }
  }))
  const sent: Promise<Offered>[] = []
  const startedAt = performance.now()
  while (sent.length < count) {
    const due = Math.min(count, Math.ceil((performance.now() - startedAt + tickMs) / overMs * count))
    while (sent.length < due) {
      const n = sent.length
      const { promise, resolve } = Promise.withResolvers<Answer>()
      const { socket, waiting } = sockets[n % sockets.length]!
      const sentAt = performance.now()
      if (socket.writable) {
        waiting.push(resolve)
        socket.write(requests[n] ?? '')
      } else resolve(broken('closed'))
      sent.push(promise.then(answer => ({ n, ...answer, sentAt, ms: performance.now() - sentAt })))
    }
    await delay(tickMs)
  }
  const timer = setTimeout(() => sockets.forEach(({ socket }) => socket.destroy()), patienceMs)
  const all = await Promise.all(sent)
  clearTimeout(timer)
  for (const { socket } of sockets) socket.destroy()
  return all
}

const broken = (error: string): Answer => ({ status: null, retryAfter: null, body: { error } })

/** Resolves the waiting requests of a connection in order; when it closes, all of them fail. */
function receive (socket: Socket): ((answer: Answer) => void)[] {
  const waiting: ((answer: Answer) => void)[] = []
  let text = ''
  let cause = 'closed'
  socket.setEncoding('latin1').on('data', (chunk: string) => {
    text += chunk
    for (let end = text.indexOf('\r\n\r\n'); end >= 0; end = text.indexOf('\r\n\r\n')) {
      const head = text.slice(0, end)
      const bodyEnd = end + 4 + Number(/^content-length: (\d+)/im.exec(head)?.[1] ?? 0)
      if (text.length < bodyEnd) return
      const body = text.slice(end + 4, bodyEnd)
      text = text.slice(bodyEnd)
      waiting.shift()?.(
        {
          status: Number(head.slice(9, 12)), retryAfter: /^retry-after: (.+)$/im.exec(head)?.[1] ?? null,
          body: body === '' ? {} : JSON.parse(body),
        }
      )
    }
  }).on('error', error => { cause = error.message }).on('close', () => {
    for (const tell of waiting.splice(0)) tell(broken(cause))
  })
  return waiting
}

/** The value below which a share of the numbers lies. */
export function quantile (numbers: readonly number[], share: number): number {
  const sorted = numbers.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? NaN
}
