import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { connect, createServer, type Socket } from 'node:net'
import { setImmediate as turn, setTimeout as delay } from 'node:timers/promises'

type Teardown = { teardown (run: () => unknown): void }

/** A command as it was sent; each character is a byte. */
export type Command = readonly string[]

/** The one message that a hold stops. */
export type Held = {
  /** Resolves once the message arrived: a request that Redis has not seen, or a reply that the client has not seen. */
  caught: Promise<{ command: Command, text: string }>
  /** Forwards it and what follows it. A request is forwarded even if its sender is dead. */
  release (): void
}

/** A TCP proxy between a gateway and Redis. Settings apply to all connections from then on. */
export type Wire = {
  url: string
  port: number
  /** The port of Redis for new connections. */
  target: number
  /** Delays each reply by the latency and a random part of the jitter. */
  latencyMs: number
  jitterMs: number
  /** In each direction; 0: no limit. */
  bytesPerSecond: number
  /** Forwards one byte at a time. */
  isSliced: boolean
  connections (): number
  /** Resets every connection; new ones are accepted. */
  cut (): void
  /** Stops listening until `accept`; open connections stay. */
  refuse (): Promise<void>
  accept (): Promise<void>
  /**
   * Drops all data, while connections, also new ones, look open; Redis does not see them close. Those connections stay
   * like that after `heal`.
   */
  blackhole (): void
  heal (): void
  /**
   * Stops the next message whose command matches, and all that follows it on its connection. One hold stops one
   * message.
   */
  hold (what: 'request' | 'reply', matches: (command: Command) => boolean): Held
}

type Hold = {
  what: 'request' | 'reply', matches: (command: Command) => boolean, gate: Promise<void>,
  caught: (message: { command: Command, text: string }) => void,
}
type Pace = Pick<Wire, 'bytesPerSecond' | 'isSliced'>

/** Starts a proxy to the Redis at this port; it ends with the test. */
export async function startWire (t: Teardown, target: number): Promise<Wire> {
  const links = new Set<{ isDead: boolean, cut (): void }>()
  const holds: Hold[] = []
  let isBlack = false

  /**
   * Resolves when a held message may pass; null when no hold matches. After NOSCRIPT the client sends the script again.
   */
  function gateOf (what: Hold['what'], command: Command | undefined, message: Buffer): Promise<void> | null {
    if (command === undefined || message.includes('-NOSCRIPT')) return null
    const found = holds.findIndex(hold => hold.what === what && hold.matches(command))
    const [hold] = found < 0 ? [] : holds.splice(found, 1)
    hold?.caught({ command, text: message.toString('latin1') })
    return hold?.gate ?? null
  }

  function link (client: Socket): void {
    const redis = connect(wire.target, '127.0.0.1').setNoDelay(true)
    client.setNoDelay(true)
    const [toRedis, toClient] = [createPump(redis, wire), createPump(client, wire)]
    const [requests, replies] = [createSplitter(), createSplitter()]
    const unanswered: Command[] = []
    const own = {
      isDead: isBlack,
      cut () {
        // Resetting a socket that is closing makes Node.js spin when the process ends.
        for (const socket of [client, redis]) socket.writableEnded ? socket.destroy() : socket.resetAndDestroy()
        links.delete(own)
      },
    }
    links.add(own)
    client.on('error', () => {}).on('data', (chunk: Buffer) => {
      for (const message of own.isDead ? [] : requests(chunk)) {
        const command = wordsOf(message)
        // Replies to these arrive as pushes.
        if (!/subscribe$/i.test(command[0] ?? '')) unanswered.push(command)
        toRedis(message, 0, gateOf('request', command, message))
      }
    }).on('close', () => { if (!own.isDead) toRedis(null, 0, null) })
    redis.on('error', () => {}).on('data', (chunk: Buffer) => {
      for (const message of own.isDead ? [] : replies(chunk)) {
        const gate = message[0] === '>'.charCodeAt(0) ? null : gateOf('reply', unanswered.shift(), message)
        toClient(message, wire.latencyMs + Math.random() * wire.jitterMs, gate)
      }
    }).on('close', () => {
      if (own.isDead) return
      toClient(null, 0, null)
      links.delete(own)
    })
  }

  const server = createServer(link)
  const listen = async (port: number): Promise<void> => { await once(server.listen(port, '127.0.0.1'), 'listening') }
  await listen(0)
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  const { port } = address
  const wire: Wire = {
    url: `redis://127.0.0.1:${port}`, port, target, latencyMs: 0, jitterMs: 0, bytesPerSecond: 0, isSliced: false,
    connections: () => links.size,
    cut: () => { for (const one of links) one.cut() },
    refuse: async () => { server.close() },
    accept: () => listen(port),
    blackhole () {
      isBlack = true
      for (const one of links) one.isDead = true
    },
    heal: () => { isBlack = false },
    hold (what, matches) {
      const gate = Promise.withResolvers<void>()
      const { promise, resolve } = Promise.withResolvers<{ command: Command, text: string }>()
      holds.push({ what, matches, gate: gate.promise, caught: resolve })
      return { caught: promise, release: gate.resolve }
    },
  }
  t.teardown(() => {
    server.close()
    wire.cut()
  })
  return wire
}

/** Sends in order, each message when it is due and its gate is open; null ends the connection. */
function createPump (socket: Socket, pace: Pace): (
  bytes: Buffer | null, latencyMs: number, gate: Promise<void> | null,
) => void {
  const queue: { bytes: Buffer | null, dueAt: number, gate: Promise<void> | null }[] = []
  let isRunning = false
  async function run (): Promise<void> {
    isRunning = true
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      const { bytes, dueAt, gate } = next
      if (gate !== null) await gate
      const serialMs = pace.bytesPerSecond > 0 ? (bytes?.length ?? 0) * 1000 / pace.bytesPerSecond : 0
      const waitMs = Math.max(0, dueAt - performance.now()) + serialMs
      if (waitMs > 0) await delay(waitMs)
      if (bytes === null) socket.end()
      else if (!pace.isSliced) socket.write(bytes)
      else for (const [at, byte] of bytes.entries()) {
        socket.write(Buffer.of(byte))
        // Yielding for each byte would take seconds in a busy process.
        if (at % 64 === 0) await turn()
      }
    }
    isRunning = false
  }
  return (bytes, latencyMs, gate) => {
    queue.push({ bytes, dueAt: performance.now() + latencyMs, gate })
    if (!isRunning) void run()
  }
}

/** Splits a RESP stream into messages. */
function createSplitter (): (chunk: Buffer) => Buffer[] {
  let rest: Buffer = Buffer.alloc(0)
  return chunk => {
    rest = Buffer.concat([rest, chunk])
    const messages: Buffer[] = []
    for (let end = endOf(rest, 0); end !== null; end = endOf(rest, 0)) {
      messages.push(rest.subarray(0, end))
      rest = rest.subarray(end)
    }
    return messages
  }
}

/** The end of the message that starts at `from`; null when it is incomplete. */
function endOf (stream: Buffer, from: number): number | null {
  const line = stream.indexOf('\r\n', from)
  if (line < 0) return null
  const [type = '', count] = [String.fromCharCode(stream[from] ?? 0), Number(stream.toString('latin1', from + 1, line))]
  let end: number | null = line + 2
  if ('$!='.includes(type) && count >= 0) end += count + 2
  const parts = '*~>'.includes(type) ? count : type === '%' ? 2 * count : type === '|' ? 2 * count + 1 : 0
  for (let n = 0; n < parts && end !== null; n += 1) end = endOf(stream, end)
  return end !== null && end <= stream.length ? end : null
}

function wordsOf (message: Buffer): Command {
  const words: string[] = []
  for (let at = message.indexOf('\r\n') + 2; at < message.length;) {
    const line = message.indexOf('\r\n', at)
    const end = line + 2 + Number(message.toString('latin1', at + 1, line))
    words.push(message.toString('latin1', line + 2, end))
    at = end + 2
  }
  return words
}

/** Whether a command runs this script of src/store on a key with this ending. */
export function runs (script: 'write.lua' | 'erase.lua', keyEnd = ''): (command: Command) => boolean {
  const text = ['tables.lua', script]
    .map(file => readFileSync(new URL(`../../src/store/${file}`, import.meta.url), 'latin1')).join('')
  const names = [text, createHash('sha1').update(text, 'latin1').digest('hex')]
  return ([name = '', ran = '', , key = '']) =>
    /^eval(sha)?$/i.test(name) && names.includes(ran) && key.endsWith(keyEnd)
}
