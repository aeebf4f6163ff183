import { closedLoop } from '../load.ts'
import { spreadOf } from '../measure.ts'
import { nextCreate, read } from '../requests.ts'
import type { Case, CaseContext } from '../case-context.ts'
import { createMany } from './create.ts'
import { cycle } from './read.ts'

const maxFillMs = 60_000

/** The content of a key by its name: `vg:{q0}<kind>…`. */
const kindOf = (key: string): string => (
  { r: 'record', t: 'table', i: 'index', n: 'counter', d: 'due' }
)[/^vg:\{\w+\}(\w)/.exec(key)?.[1] ?? ''] ?? 'other'

/** The number of keys of each kind, and the mean size (`MEMORY USAGE`) of a sample. */
async function weighKeys (
  { redis: { client } }: CaseContext,
): Promise<Record<string, { keys: number, bytes: number }>> {
  const kinds: Record<string, { keys: number, bytes: number, weighed: number }> = {}
  let cursor = '0'
  do {
    const [next, keys] = await client.scan(cursor, 'COUNT', 5000)
    cursor = next
    for (const key of keys) {
      const kind = kinds[kindOf(key)] ??= { keys: 0, bytes: 0, weighed: 0 }
      kind.keys += 1
      if (kind.weighed >= 300) continue
      kind.weighed += 1
      kind.bytes += Number(await client.memory('USAGE', key))
    }
  } while (cursor !== '0')
  return Object.fromEntries(
    Object.entries(kinds).map(
      ([kind, { keys, bytes, weighed }]) => [kind, { keys, bytes: Math.round(bytes / weighed) }],
    ),
  )
}

/** The memory of a live verification in Redis, and the latency with many of them. */
export const memory: Case = {
  name: 'memory',
  goals: ['P17', 'P18'],
  async run (context) {
    const { options, redis } = context
    const provider = await context.startProvider()
    const gateway = await context.startGateway({ providerUrl: provider.url })
    await createMany(gateway.url, Math.min(options.maxLive, 5_000))
    await redis.flush()
    await createMany(gateway.url, 10)
    const known = (await weighKeys(context))['record']?.keys ?? 0
    const before = await redis.datasetBytes()
    const some = Math.min(options.maxLive, 20_000)
    await createMany(gateway.url, some)
    const grown = await redis.datasetBytes() - before
    const weights = await weighKeys(context)
    const records = weights['record']?.keys ?? 0
    const bytes = grown / (records - known)
    context.record('bytes by kind of key', weights)
    context.addFinding(
      'P17', spreadOf([bytes]),
      Object.entries(weights).map(
        ([kind, { keys, bytes }]) => `${(keys / records).toFixed(2)} ${kind} keys of ${bytes} B`,
      ).join(', '),
    )

    await redis.flush()
    const timed: Record<string, {
      createP99Ms: number[], readP99Ms: number[], createP50Ms: number[], readP50Ms: number[],
    }> = {}
    const levels = [1_000, 10_000, 100_000, 1_000_000].filter(level => level <= options.maxLive)
    let live: string[] = []
    let msPerRecord = 0
    for (const level of levels) {
      if (!options.isLiveGiven && (level - live.length) * msPerRecord > maxFillMs) {
        context.say(
          `  skipped ${level} live verifications: they take ${Math.round(level * msPerRecord / 1000)} s here`,
        )
        break
      }
      const startedAt = performance.now()
      // Each measurement creates some more: few compared with the level.
      live = [...live, ...(await createMany(gateway.url, level - live.length)).map(({ id }) => id)]
      msPerRecord = (performance.now() - startedAt) / level
      const figures = {
        createP99Ms: new Array<number>(), readP99Ms: new Array<number>(), createP50Ms: new Array<number>(),
        readP50Ms: new Array<number>(),
      }
      const step = Math.max(1, Math.floor(live.length / 1_000))
      const reads = cycle(live.filter((_, at) => at % step === 0).map(id => read(id)))
      for (let round = 0; round < options.rounds; round += 1) {
        const load = { url: gateway.url, connections: 1, durationMs: options.roundMs / 2 }
        const creates = await closedLoop({ ...load, status: 201, next: () => nextCreate('truecaller.web') })
        const reading = await closedLoop({ ...load, status: 200, next: reads })
        figures.createP99Ms.push(creates.p99Ms)
        figures.createP50Ms.push(creates.p50Ms)
        figures.readP99Ms.push(reading.p99Ms)
        figures.readP50Ms.push(reading.p50Ms)
      }
      timed[String(level)] = figures
      context.say(
        `  ${level} live: create p99 ${spreadOf(figures.createP99Ms).median.toFixed(2)} ms, `
          + `read p99 ${spreadOf(figures.readP99Ms).median.toFixed(2)} ms`,
      )
    }
    context.record('latency by number of live verifications, one connection', timed)
    const reached = Object.keys(timed).at(-1) ?? ''
    const [few, many] = [timed[String(levels[0])], timed[reached]]
    if (few === undefined || many === undefined || few === many) return
    const ratio = (key: keyof typeof few): number => spreadOf(many[key]).median / spreadOf(few[key]).median
    const [creates, reads] = [ratio('createP99Ms'), ratio('readP99Ms')]
    context.addFinding(
      'P18', spreadOf([Math.max(creates, reads)]),
      `${reached} live: create ${creates.toFixed(2)}, read ${reads.toFixed(2)}; `
        + `p50 ${ratio('createP50Ms').toFixed(2)}, ${ratio('readP50Ms').toFixed(2)}`,
    )
  },
}
