import { closedLoop } from '../load.ts'
import { spreadOf } from '../measure.ts'
import { nextCreate, read } from '../requests.ts'
import type { Case, Stage } from '../stage.ts'
import { createMany } from './create.ts'
import { cycle } from './read.ts'

const longestFillMs = 60_000

/** What keys are called by what they hold: `vg:{q0}:<kind>:…`. */
const kindOf = (key: string): string => (
  { r: 'record', c: 'claim', i: 'index', n: 'counter', due: 'due' }
)[/^vg:\{\w+\}:(\w+)/.exec(key)?.[1] ?? ''] ?? 'other'

/** How many keys of each kind there are, and what one of them takes by Redis's own account; by a sample. */
async function weighKeys ({ redis: { client } }: Stage): Promise<Record<string, { keys: number, bytes: number }>> {
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

/** What a live verification takes of Redis's memory, and whether many of them slow it down. */
export const memory: Case = {
  name: 'memory',
  goals: ['P17', 'P18'],
  async run (stage) {
    const { options, redis } = stage
    const provider = await stage.startProvider()
    const gateway = await stage.startGateway({ providerUrl: provider.url })
    await createMany(gateway.url, Math.min(options.mostLive, 5_000))
    await redis.flush()
    await createMany(gateway.url, 10)
    const known = (await weighKeys(stage))['record']?.keys ?? 0
    const before = await redis.datasetBytes()
    const some = Math.min(options.mostLive, 20_000)
    await createMany(gateway.url, some)
    const grown = await redis.datasetBytes() - before
    const weights = await weighKeys(stage)
    const records = weights['record']?.keys ?? 0
    const bytes = grown / (records - known)
    stage.note('bytes by kind of key', weights)
    stage.find(
      'P17', spreadOf([bytes]),
      Object.entries(weights).map(
        ([kind, { keys, bytes }]) => `${(keys / records).toFixed(2)} ${kind} keys of ${bytes} B`,
      ).join(', '),
    )

    await redis.flush()
    const timed: Record<string, {
      createP99Ms: number[], readP99Ms: number[], createP50Ms: number[], readP50Ms: number[],
    }> = {}
    const levels = [1_000, 10_000, 100_000, 1_000_000].filter(level => level <= options.mostLive)
    let live: string[] = []
    let msPerRecord = 0
    for (const level of levels) {
      if (!options.isLiveAsked && (level - live.length) * msPerRecord > longestFillMs) {
        stage.say(
          `  ${level} live verifications would take ${Math.round(level * msPerRecord / 1000)} s on this machine: left out`,
        )
        break
      }
      const startedAt = performance.now()
      // Each timing adds some of its own: few beside the level.
      live = [...live, ...(await createMany(gateway.url, level - live.length)).map(({ id }) => id)]
      msPerRecord = (performance.now() - startedAt) / level
      const figures = {
        createP99Ms: new Array<number>(), readP99Ms: new Array<number>(), createP50Ms: new Array<number>(),
        readP50Ms: new Array<number>(),
      }
      const step = Math.max(1, Math.floor(live.length / 1_000))
      const reads = cycle(live.filter((_, at) => at % step === 0).map(id => read(id)))
      for (let round = 0; round < options.rounds; round += 1) {
        const wish = { url: gateway.url, connections: 1, durationMs: options.roundMs / 2 }
        const creates = await closedLoop({ ...wish, status: 201, next: () => nextCreate('truecaller.web') })
        const reading = await closedLoop({ ...wish, status: 200, next: reads })
        figures.createP99Ms.push(creates.p99Ms)
        figures.createP50Ms.push(creates.p50Ms)
        figures.readP99Ms.push(reading.p99Ms)
        figures.readP50Ms.push(reading.p50Ms)
      }
      timed[String(level)] = figures
      stage.say(
        `  ${level} live: create p99 ${spreadOf(figures.createP99Ms).median.toFixed(2)} ms, read p99 ${spreadOf(figures.readP99Ms).median.toFixed(2)} ms`,
      )
    }
    stage.note('latency by number of live verifications, one connection', timed)
    const reached = Object.keys(timed).at(-1) ?? ''
    const [few, many] = [timed[String(levels[0])], timed[reached]]
    if (few === undefined || many === undefined || few === many) return
    const ratio = (key: keyof typeof few): number => spreadOf(many[key]).median / spreadOf(few[key]).median
    const [creates, reads] = [ratio('createP99Ms'), ratio('readP99Ms')]
    stage.find(
      'P18', spreadOf([Math.max(creates, reads)]),
      `${reached} live: create ${creates.toFixed(2)}, read ${reads.toFixed(2)}; p50 ${ratio('createP50Ms').toFixed(2)}, ${ratio('readP50Ms').toFixed(2)}`,
    )
  },
}
