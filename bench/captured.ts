import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'
import type { CaseContext } from './case-context.ts'
import { measureLifecycles, startDriver } from './lifecycles.ts'
import { sendMany } from './load.ts'
import { nextCreate, read } from './requests.ts'

/** A command as the gateway sent it. Bytes are base64, so that the message to the process that repeats it is JSON. */
export type Command = { name: string, values: { text: string, isBase64: boolean }[] }

/** What the gateway does for one request or lifecycle, as seen from outside. */
export type Captured = { commands: Command[], lines: { [name: string]: unknown }[] }

export type Capture = 'create' | 'call' | 'read' | 'lifecycle'

/** A database of its own, so that the commands of no other gateway are recorded. */
const database = 9
const flushMs = 150
/** Background work adds commands to some tries, so the try with the fewest is used. */
const tries = 4

/**
 * Runs each request and a lifecycle in a gateway of its own, and returns its commands to Redis and its log lines. The
 * floor is computed with as many and as long ones.
 */
export async function capture (
  context: CaseContext, wanted: readonly Capture[],
): Promise<Map<Capture, Captured>> {
  const { redis } = context
  const driver = await startDriver()
  const provider = await context.startProvider()
  const gateway = await context.startGateway({
    providerUrl: provider.url, role: 'all', webhookUrl: driver.webhookUrl, database, stdout: 'pipe',
  })
  provider.process.send({ gatewayUrl: gateway.url })
  const { stdout } = gateway.process
  if (stdout === null) throw new Error('no stdout')
  let lines: Captured['lines'] = []
  let commands: Command[] = []
  createInterface(stdout).on('line', line => lines.push(JSON.parse(line)))
  const monitor = await redis.client.duplicate().monitor()
  monitor.on('monitor', (_time: string, args: string[], source: string, from: string) => {
    if (source !== 'lua' && from === String(database)) commands.push(readCommand(args))
  })
  let id = ''
  const send = (status: number, next: () => string): Promise<void> => sendMany({
    url: gateway.url, count: 1, connections: 1, status, next,
    onAnswer: ({ body }) => { id = /"id":"(ver_[^"]+)"/.exec(body.toString('latin1'))?.[1] ?? id },
  })
  const run: Record<Capture, () => Promise<unknown>> = {
    create: () => send(201, () => nextCreate('truecaller.web')),
    call: () => send(201, () => nextCreate('truid.phone_check')),
    read: () => send(200, () => read(id)),
    lifecycle: () => measureLifecycles(
      { url: gateway.url, process: gateway.process, driver }, redis, { count: 1, inFlight: 1 },
    ),
  }
  try {
    await run.create()
    const found = new Map<Capture, Captured>()
    for (const name of wanted) {
      const all: Captured[] = []
      for (let at = 0; at <= tries; at += 1) {
        await delay(flushMs)
        lines = []
        commands = []
        await run[name]()
        await delay(flushMs)
        // The first one loads scripts and fetches tokens.
        if (at > 0) all.push({ commands: commands.filter(isOfRequest), lines })
      }
      all.sort((a, b) => a.commands.length - b.commands.length || a.lines.length - b.lines.length)
      found.set(name, all[0] ?? { commands: [], lines: [] })
    }
    return found
  } finally {
    monitor.disconnect()
    await driver.close()
  }
}

const repeated = ['evalsha', 'get']

const isOfRequest = ({ name, values }: Command): boolean =>
  repeated.includes(name) && values.some(({ text, isBase64 }) => !isBase64 && text.startsWith('vg:'))

/** MONITOR writes bytes that cannot be printed as `\x00`. */
function readCommand ([name = '', ...values]: string[]): Command {
  return {
    name: name.toLowerCase(),
    values: values.map(text => {
      if (!text.includes('\\')) return { text, isBase64: false }
      const bytes = text.replaceAll(/\\(?:x([0-9a-f]{2})|(.))/g, (_all, code: string | undefined, letter: string) =>
        code === undefined ? escapes[letter] ?? letter : String.fromCharCode(parseInt(code, 16)))
      return { text: Buffer.from(bytes, 'latin1').toString('base64'), isBase64: true }
    }),
  }
}

const escapes: Record<string, string> = { n: '\n', r: '\r', t: '\t', a: '\x07', b: '\b' }
