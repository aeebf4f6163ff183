import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { connect, createServer, type Socket } from 'node:net'
import { setImmediate as turn, setTimeout as delay } from 'node:timers/promises'

type Teardown = { teardown (run: () => unknown): void }

/** A command as it was sent, each byte one character. */
export type Command = readonly string[]

/** The one message that a hold caught. */
export type Held = {
  /**
   * Resolves once it is here: a request that Redis has not seen, or a reply that the client has not seen, with its
   * text.
   */
  caught: Promise<{ command: Command, text: string }>
  /** Lets it go on, and what came after it. A request goes on also when its sender is dead. */
  release (): void
}

/** A network between a gateway and Redis. What is set holds for what passes from then on, on all its connections. */
export type Wire = {
  url: string
  port: number
  /** Port of Redis for new connections. */
  target: number
  /** Each reply comes so much later, and a random part of the jitter: what is added to a round trip. */
  latencyMs: number
  jitterMs: number
  /** Both ways; 0 is without a limit. */
  bytesPerSecond: number
  /** One byte at a time. */
  isSliced: boolean
  connections (): number
  /** Resets every connection. New ones are taken. */
  cut (): void
  /** Nothing listens any more; connections stay. `accept` ends it. */
  refuse (): Promise<void>
  accept (): Promise<void>
  /**
   * Connections, also new ones, look open and all that is sent is swallowed; Redis never hears of their end. They stay
   * so after `heal`.
   */
  blackhole (): void
  heal (): void
  /**
   * Catches the next message of which the command is such a one, and holds back all that follows it on its connection.
   * One hold catches one.
   */
  hold (what: 'request' | 'reply', matches: (command: Command) => boolean): Held
}

type Hold = {
  what: 'request' | 'reply', matches: (command: Command) => boolean, gate: Promise<void>,
  caught: (message: { command: Command, text: string }) => void,
}
type Pace = Pick<Wire, 'bytesPerSecond' | 'isSliced'>

/** Starts a wire to the Redis at this port; it ends with the test. */
export async function startWire (t: Teardown, target: number): Promise<Wire> {
  const links = new Set<{ isDead: boolean, cut (): void }>()
  const holds: Hold[] = []
  let isBlack = false

  /**
   * When the message may go on, if it is one that is waited for. A script that Redis did not know did nothing: it is
   * sent again whole.
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
        // One that is just saying goodbye must not be reset: Node.js would wait for the end of that, turning in a
        // circle, when this process ends.
        for (const socket of [client, redis]) socket.writableEnded ? socket.destroy() : socket.resetAndDestroy()
        links.delete(own)
      },
    }
    links.add(own)
    client.on('error', () => {}).on('data', (chunk: Buffer) => {
      for (const message of own.isDead ? [] : requests(chunk)) {
        const command = wordsOf(message)
        // What comes of these is pushed.
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

/** Sends in order, each when it is due and its gate is open; null ends the connection. */
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
        // Who reads gets some at once; a turn for each would take seconds where this process is busy.
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

/** Cuts a stream of RESP into whole messages. */
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

/** Where the message that begins there ends; null when not all of it is here. */
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

/** Whether a command runs this script of src/store, on a key that ends so. */
export function runs (script: 'write.lua' | 'erase.lua', keyEnd = ''): (command: Command) => boolean {
  const text = readFileSync(new URL(`../../src/store/${script}`, import.meta.url), 'latin1')
  const names = [text, createHash('sha1').update(text, 'latin1').digest('hex')]
  return ([name = '', ran = '', , key = '']) =>
    /^eval(sha)?$/i.test(name) && names.includes(ran) && key.endsWith(keyEnd)
}
