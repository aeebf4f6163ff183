import type { Case } from '../case-context.ts'
import { spreadOf } from '../measure.ts'

/** The queue with the settings of the gateway: how soon a worker picks up a job. */
export const jobs: Case = {
  name: 'jobs',
  goals: ['jobs'],
  async run (context) {
    const { options, redis } = context
    const { process } = await context.start(
      { name: 'jobs', script: new URL('../jobs.ts', import.meta.url), core: 'server', env: { REDIS_URL: redis.url } },
    )
    let resolve: (latencies: { p50Ms: number, p99Ms: number }) => void = () => {}
    process.onMessage(message => {
      if ('p50Ms' in message && 'p99Ms' in message) {
        resolve({ p50Ms: Number(message.p50Ms), p99Ms: Number(message.p99Ms) })
      }
    })
    const samples: { p50Ms: number, p99Ms: number }[] = []
    for (let round = 0; round < Math.min(3, options.rounds); round += 1) {
      samples.push(await new Promise(resolved => {
        resolve = resolved
        process.send({ durationMs: options.roundMs })
      }))
    }
    context.record('pick-up', samples)
    const p50 = spreadOf(samples.map(({ p50Ms }) => p50Ms)).median
    context.addFinding('jobs', spreadOf(samples.map(({ p99Ms }) => p99Ms)), { note: `p50 ${p50.toFixed(2)} ms` })
  },
}
