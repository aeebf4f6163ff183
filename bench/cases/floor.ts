import { capture, type Capture, type Captured } from '../captured.ts'
import type { CaseContext } from '../case-context.ts'
import type { PartName, PartRequest } from '../floor.ts'
import { medianOf, type Target } from '../measure.ts'
import { nextCreate, read } from '../requests.ts'

/** How often a request or a lifecycle needs each part. `post`, `get`: a request of bare Fastify. */
type Recipe = Partial<Record<Exclude<PartName, 'commands' | 'lines'> | 'post' | 'get', number>>

/**
 * What the contract requires, besides the commands and the log lines of ours. A create hashes its API key; the names of
 * its Idempotency-Key, body, number (twice), counters (twice) and reference; and signs its id and its callback key.
 */
const recipes: Record<Capture, Recipe> = {
  create: { post: 1, limit: 2, phone: 1, hash: 9, decide: 1, seal: 1, view: 1 },
  call: { post: 1, limit: 2, phone: 1, hash: 9, decide: 1, seal: 2, view: 1, call: 1 },
  read: { get: 1, open: 1, view: 1 },
  lifecycle: {
    post: 2, get: 1, limit: 3, phone: 2, hash: 22, decide: 2, seal: 5, open: 2, view: 3, call: 3, signature: 1,
  },
}

export type Floor<Name extends Capture> = {
  /** Bare Fastify. */
  post: Target
  get: Target
  /** Measures every part once, and adds up what each request needs: CPU in µs. */
  round (fastify: { post: number, get: number }): Promise<Record<Name, number>>
}

/**
 * The least that a request costs: the sum of its parts, each measured alone and hot in this run, in a process on the
 * core of the servers.
 */
export async function startFloor<Name extends Capture> (
  context: CaseContext, names: readonly Name[],
): Promise<Floor<Name>> {
  const { options, redis } = context
  const captured = await capture(context, names)
  context.record('captured', Object.fromEntries(captured))
  const provider = await context.startProvider()
  const started = await context.start({
    name: 'floor', script: new URL('../floor.ts', import.meta.url), core: 'server',
    env: { REDIS_URL: redis.url, PROVIDER_URL: provider.url },
  })
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
    get: context.target('bare Fastify, GET', started, { status: 200, prepare: () => () => read('ver_x') }),
    async round ({ post, get }) {
      const { micros, repeated } = await measureParts(options.partCount)
      samples.push({ post, get, ...micros, repeated: Object.fromEntries(repeated) })
      const costs: Record<string, number> = { post, get, ...micros }
      const sum = (name: Capture): number => {
        const { commands = NaN, lines = NaN } = repeated.get(name) ?? {}
        return Object.entries(recipes[name]).reduce(
          (sum, [part, times]) => sum + times * (costs[part] ?? NaN), commands + lines,
        )
      }
      return names.reduce((all, name) => ({ ...all, [name]: sum(name) }), Object.create(null) as Record<Name, number>)
    },
  }
}

export const formatMicros = (micros: readonly number[]): string => `${Math.round(medianOf(micros))} µs`
