import { connect } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'

/** Status 0: the connection was lost before the response was complete. */
export type Answer = { status: number, head: string, body: Buffer }

/** A kept-alive HTTP/1.1 connection that carries one request at a time. */
export type Connection = {
  isOpen (): boolean
  send (request: string, answered: (answer: Answer) => void): void
  close (): void
}

const nothing = Buffer.alloc(0)
const lastChunk = Buffer.from('0\r\n\r\n')
/** The answer of a connection that was lost. */
export const lost: Answer = { status: 0, head: '', body: nothing }

/**
 * A client that needs a third of the CPU of a general one, so that one core can saturate a bare server on another core.
 * A response has a `content-length`, no body, or chunks, which are returned as they came.
 */
export function openConnection ({ hostname, port }: URL): Promise<Connection> {
  return new Promise((resolve, reject) => {
    let rest: Buffer | null = null
    let waiting: ((answer: Answer) => void) | null = null
    const settle = (answer: Answer): void => {
      const answered = waiting
      waiting = null
      rest = null
      answered?.(answer)
    }
    const socket = connect({ host: hostname, port: Number(port), noDelay: true }, () => resolve({
      isOpen: () => socket.writable,
      send (request, answered) {
        if (waiting !== null) throw new Error('the connection is busy')
        waiting = answered
        if (!socket.writable) return settle(lost)
        socket.write(request, 'latin1')
      },
      close: () => { socket.destroy() },
    }))
    socket.on('data', chunk => {
      const seen = rest === null ? chunk : Buffer.concat([rest, chunk])
      rest = seen
      const end = seen.indexOf('\r\n\r\n')
      if (end < 0) return
      const head = seen.toString('latin1', 0, end)
      const body = seen.subarray(end + 4)
      const length = /\r\ncontent-length: (\d+)/i.exec(head)?.[1]
      const isChunked = length === undefined && /\r\ntransfer-encoding: chunked/i.test(head)
      if (isChunked ? !body.subarray(-lastChunk.length).equals(lastChunk) : body.length < Number(length ?? 0)) return
      settle({ status: Number(head.slice(9, 12)), head, body })
    })
    socket.on('error', reject)
    socket.on('close', () => settle(lost))
  })
}

const maxTries = 20
const retryMs = 100

/** The body of the response with one of these statuses. A 503 is sent again, as an app does. Throws for any other. */
export async function exchange (connection: Connection, request: string, statuses: readonly number[]): Promise<string> {
  for (let tries = 1; ; tries += 1) {
    const { status, body } = await new Promise<Answer>(resolve => connection.send(request, resolve))
    if (statuses.includes(status)) return body.toString()
    const line = request.split('\r\n', 1)[0] ?? ''
    if (status !== 503 || tries === maxTries) throw new Error(`${line} returned ${status}: ${body.toString()}`)
    await delay(retryMs)
  }
}

/** The text of an HTTP/1.1 request. */
export function writeRequest (
  method: string, path: string,
  { headers = '', body = '', type = 'application/json' }: { headers?: string, body?: string, type?: string } = {},
): string {
  const content = body === '' ? '' : `content-type: ${type}\r\ncontent-length: ${Buffer.byteLength(body)}\r\n`
  return `${method} ${path} HTTP/1.1\r\nhost: localhost\r\n${headers}${content}\r\n${body}`
}
