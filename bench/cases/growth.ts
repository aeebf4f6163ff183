import { freemem } from 'node:os'
import type { Case, CaseContext } from '../case-context.ts'
import { closedLoop, type Load } from '../load.ts'
import { noiseOf, pick, ratioOf, type Copies } from '../measure.ts'
import { createMany, cycle, nextCreate, read } from '../requests.ts'

const few = 1_000
/** With what Redis and the kernel need besides. */
const bytesEach = 2_000
const connections = 4

type Store = { url: string, reads: () => string, creating: Load[], reading: Load[] }

/** Creates and reads with many and with few live verifications, in alternation, each in a Redis of its own. */
export const growth: Case = {
  name: 'growth',
  goals: ['N12', 'N12t'],
  async run (context) {
    const { options } = context
    if (freemem() < options.live * bytesEach) throw new Error(`too little memory for --live ${options.live}`)
    const provider = await context.startProvider()
    const stores = {
      first: await fill(context, provider.url, few), second: await fill(context, provider.url, few),
      many: await fill(context, provider.url, options.live),
    }
    const all = [stores.first, stores.many, stores.second]
    // Rounds are short, so that other load affects all stores alike.
    const load = { connections, durationMs: options.roundMs / 3 }
    const rounds = options.rounds * 3
    for (let round = 0; round < rounds + 2; round += 1) {
      for (const { url, reads, creating, reading } of all) {
        const created = await closedLoop({ url, ...load, status: 201, next: () => nextCreate('truecaller.web') })
        const done = await closedLoop({ url, ...load, status: 200, next: reads })
        // The first rounds warm up those that were idle.
        if (round < 2) continue
        creating.push(created)
        reading.push(done)
      }
    }
    context.record('stores', Object.fromEntries(
      Object.entries(stores).map(([name, { creating, reading }]) => [name, { creating, reading }]),
    ))
    context.addFigure('manyLive', options.live)
    for (const [goal, key] of [['N12', 'p50Ms'], ['N12t', 'p99Ms']] as const) {
      const compare = (what: 'creating' | 'reading') => {
        const copies: Copies = { first: pick(stores.first[what], key), second: pick(stores.second[what], key) }
        const mean = copies.first.map((value, at) => (value + (copies.second[at] ?? NaN)) / 2)
        return { ratio: ratioOf(pick(stores.many[what], key), mean), noise: noiseOf(copies) }
      }
      const [creates, reads] = [compare('creating'), compare('reading')]
      const worse = creates.ratio.median >= reads.ratio.median ? creates : reads
      context.addFinding(goal, worse.ratio, {
        note: `${options.live} live: create ${creates.ratio.median.toFixed(2)}, read ${reads.ratio.median.toFixed(2)}`,
        noise: worse.noise,
      })
    }
  },
}

/** A Redis with `live` verifications, and a gateway that has served as many requests as those of the other stores. */
async function fill (context: CaseContext, providerUrl: string, live: number): Promise<Store> {
  const redis = await context.startRedis()
  const { url } = await context.startGateway({ providerUrl, redis })
  await createMany(url, context.options.warmupRequests, () => {})
  await redis.flush()
  const filler = await context.startGateway({ providerUrl, redis })
  const ids: string[] = []
  const step = Math.ceil(live / few)
  let created = 0
  await createMany(filler.url, live, ({ id }) => { if ((created += 1) % step === 0) ids.push(id) })
  await filler.process.stop()
  return { url, reads: cycle(ids.map(read)), creating: [], reading: [] }
}
