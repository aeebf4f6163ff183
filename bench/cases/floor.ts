import { capture, type Capture, type Captured } from '../captured.ts'
import type { CaseContext } from '../case-context.ts'
import { writeRequest } from '../connection.ts'
import type { PartName, PartRequest, Recipe } from '../floor.ts'
import { medianOf, type Target } from '../measure.ts'
import type { BenchProcess } from '../processes.ts'
import { nextCreate, read as nextRead } from '../requests.ts'

/**
 * What the contract requires, besides the commands and the log lines of ours. A create hashes its API key; the names of
 * its Idempotency-Key, body, number (twice), counters (twice) and reference; and signs its id and its callback key.
 */
const create: Recipe = { post: 1, limit: 2, phone: 1, hash: 9, decide: 1, seal: 1, view: 1 }
const read: Recipe = { get: 1, open: 1, view: 1 }
/** Create and push; callback, profile and webhook; read. */
const lifecycle: readonly Recipe[] = [
  { ...create, call: 1 },
  { post: 1, limit: 1, phone: 1, hash: 13, decide: 1, open: 1, seal: 4, call: 2, signature: 1, view: 1 },
  read,
]
/** The requests of each. */
const recipes: Record<Capture, readonly Recipe[]> = {
  create: [create], call: [{ ...create, seal: 2, call: 1 }], read: [read], lifecycle,
}

/** A whole request of the assembled floor. */
const wholeOf = (name: Capture, at: number): string => `${name}-${at}`
const body = JSON.stringify({ phoneNumber: '+919000000000', workflow: ['truecaller.web'], reference: 'order-1' })
const requestOf = (name: Capture, at: number): string => writeRequest(
  recipes[name][at]?.get === undefined ? 'POST' : 'GET', `/assembled/${wholeOf(name, at)}`,
  recipes[name][at]?.get === undefined ? { body } : {},
)

export type Floor<Name extends Capture> = {
  /** Bare Fastify. */
  post: Target
  get: Target
  /** Measures every part once, and adds up what each request needs: CPU in µs. */
  round (fastify: { post: number, get: number }): Promise<Record<Name, number>>
  /** The same parts as whole requests of one process, in which nothing else runs. */
  assembled: { url: string, process: BenchProcess, requestsOf (name: Name): readonly string[] }
}

/** The first request of a lifecycle has two commands and a line, the last one has one of each. */
function split ({ commands, lines }: Captured, count: number): Captured[] {
  if (count === 1) return [{ commands, lines }]
  return [
    { commands: commands.slice(0, 2), lines: lines.slice(0, 1) },
    { commands: commands.slice(2, -1), lines: lines.slice(1, -1) },
    { commands: commands.slice(-1), lines: lines.slice(-1) },
  ]
}

/**
 * The least that a request costs: the sum of its parts, each measured alone and hot in this run, in a process on the
 * core of the servers. And what the same parts cost when another such process runs them in turn for each request.
 */
export async function startFloor<Name extends Capture> (
  context: CaseContext, names: readonly Name[],
): Promise<Floor<Name>> {
  const { options, redis } = context
  const captured = await capture(context, names)
  context.record('captured', Object.fromEntries(captured))
  const provider = await context.startProvider()
  const launched = {
    name: 'floor', script: new URL('../floor.ts', import.meta.url), core: 'server',
    env: { REDIS_URL: redis.url, PROVIDER_URL: provider.url },
  } as const
  const [started, assembled] = [await context.start(launched), await context.start(launched)]
  assembled.process.send({ assembled: Object.fromEntries([...captured].flatMap(([name, all]) =>
    split(all, recipes[name].length).map((one, at) => [wholeOf(name, at), { ...one, recipe: recipes[name][at] }]))) })
  let resolve: (micros: number) => void = () => {}
  started.process.onMessage(message => { if ('micros' in message) resolve(Number(message.micros)) })
  const once = (request: PartRequest): Promise<number> =>
    Promise.race([started.process.ended, new Promise<number>(resolved => {
      resolve = resolved
      started.process.send(request)
    })])
  /** The median of three, because a part is short, and a collection of garbage is not. */
  const measure = async (part: PartName, count: number, what: Partial<Captured> = {}): Promise<number> => {
    const micros: number[] = []
    for (let at = 0; at < 3; at += 1) micros.push(await once({ part, count: Math.ceil(count / 3), ...what }))
    return medianOf(micros)
  }

  const parts = ['call', 'phone', 'hash', 'seal', 'open', 'decide', 'view', 'limit', 'signature'] as const
  async function measureParts (count: number) {
    const micros: Partial<Record<PartName, number>> = {}
    for (const part of parts) micros[part] = await measure(part, part === 'call' ? count / 2 : count)
    const repeated = new Map<Capture, { commands: number, lines: number }>()
    for (const [name, { commands, lines }] of captured) {
      repeated.set(name, {
        commands: await measure('commands', count / 4, { commands }),
        lines: await measure('lines', count / 2, { lines }),
      })
    }
    return { micros, repeated }
  }
  const samples: unknown[] = []
  context.record('parts', samples)
  await measureParts(options.partCount * 4)
  return {
    post: context.target('bare Fastify', started, { status: 201, prepare: () => () => nextCreate('truecaller.web') }),
    get: context.target('bare Fastify, GET', started, { status: 200, prepare: () => () => nextRead('ver_x') }),
    assembled: { ...assembled, requestsOf: name => recipes[name].map((_, at) => requestOf(name, at)) },
    async round ({ post, get }) {
      const { micros, repeated } = await measureParts(options.partCount)
      samples.push({ post, get, ...micros, repeated: Object.fromEntries(repeated) })
      const costs: Record<string, number> = { post, get, ...micros }
      const sum = (name: Capture): number => {
        const { commands = NaN, lines = NaN } = repeated.get(name) ?? {}
        return recipes[name].flatMap(recipe => Object.entries(recipe)).reduce(
          (sum, [part, times]) => sum + times * (costs[part] ?? NaN), commands + lines,
        )
      }
      return names.reduce((all, name) => ({ ...all, [name]: sum(name) }), Object.create(null) as Record<Name, number>)
    },
  }
}

export const formatMicros = (micros: readonly number[]): string => `${Math.round(medianOf(micros))} µs`
