import { spreadOf } from '../measure.ts'
import { createQueues } from '../../src/jobs/queues.ts'
import { connectRedis, untilReady } from '../../src/store/redis.ts'
import type { Case } from '../case-context.ts'

/**
 * The queue with the settings of the gateway: how soon a job is picked up, how busy the workers are, and how much
 * memory a waiting job needs in Redis.
 */
export const jobs: Case = {
  name: 'jobs',
  goals: ['P11', 'P11b', 'P12', 'P19'],
  async run (context) {
    const { options, redis } = context
    const { process } = await context.start(
      { name: 'jobs', script: new URL('../jobs.ts', import.meta.url), core: 'server', env: { REDIS_URL: redis.url } },
    )
    let respond: (message: object) => void = () => {}
    process.onMessage(message => respond(message))
    const ask = (request: object): Promise<object> => new Promise(resolve => {
      respond = resolve
      process.send(request)
    })
    const pickUps: { p50Ms: number, p99Ms: number }[] = []
    const efficiencies: number[] = []
    for (let round = 0; round < options.rounds; round += 1) {
      const timed = await ask({ job: 'pick-up', durationMs: options.roundMs })
      if ('pickUp' in timed && typeof timed.pickUp === 'object') {
        pickUps.push({ p50Ms: NaN, p99Ms: NaN, ...timed.pickUp })
      }
      const full = await ask({ job: 'backlog', jobs: options.name === 'whole' ? 20_000 : 1_000 })
      if ('efficiency' in full) efficiencies.push(Number(full.efficiency))
    }
    context.record('pick-up', pickUps)
    context.record('efficiency', efficiencies)
    context.addFinding('P11', spreadOf(pickUps.map(({ p50Ms }) => p50Ms)))
    context.addFinding('P11b', spreadOf(pickUps.map(({ p99Ms }) => p99Ms)))
    context.addFinding('P12', spreadOf(efficiencies))

    await redis.flush()
    const connection = connectRedis(redis.url, 'api', { onError: () => {} })
    await untilReady(connection)
    const queues = createQueues(connection, () => {})
    const count = options.name === 'whole' ? 20_000 : 2_000
    const idOf = (at: number): string => `ver_${String(at).padStart(30, 'x')}`
    await queues.resolve(idOf(count), 'first')
    const before = await redis.datasetBytes()
    for (let at = 0; at < count; at += 500) await Promise.all(
      Array.from({ length: 500 }, (_, n) => queues.resolve(idOf(at + n), `name-of-22-letters-${at + n}`)),
    )
    const bytes = (await redis.datasetBytes() - before) / count - JSON.stringify({ id: idOf(0) }).length
    await queues.close()
    connection.disconnect()
    context.addFinding('P19', spreadOf([bytes]))
  },
}
