import { connect } from 'node:net'

/** Status 0: the connection was lost before the response was complete. */
export type Answer = { status: number, head: string, body: Buffer }

/** A kept-alive HTTP/1.1 connection that carries one request at a time. */
export type Connection = {
  isOpen (): boolean
  send (request: string, answered: (answer: Answer) => void): void
  close (): void
}

const nothing = Buffer.alloc(0)
const lost: Answer = { status: 0, head: '', body: nothing }

/**
 * A client that needs a third of the CPU of a general one, so that one core can saturate a bare server on another core.
 * It supports only responses with a `content-length` or without a body.
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
      const length = Number(/\r\ncontent-length: (\d+)/i.exec(head)?.[1] ?? 0)
      if (seen.length < end + 4 + length) return
      settle({ status: Number(head.slice(9, 12)), head, body: seen.subarray(end + 4, end + 4 + length) })
    })
    socket.on('error', reject)
    socket.on('close', () => settle(lost))
  })
}

/** The text of an HTTP/1.1 request. */
export function writeRequest (
  method: string, path: string, { headers = '', body = '' }: { headers?: string, body?: string } = {},
): string {
  const content = body === '' ? '' : `content-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n`
  return `${method} ${path} HTTP/1.1\r\nhost: localhost\r\n${headers}${content}\r\n${body}`
}
