import { setTimeout as delay } from 'node:timers/promises'
import type { Case, CaseContext } from '../case-context.ts'
import { writeRequest } from '../connection.ts'
import { openLoop } from '../load.ts'
import { measure, medianOf, pick, spreadOf, warmUp, type Sample, type Target } from '../measure.ts'
import { nextCreate } from '../requests.ts'

/** The shortest that can be configured, so that a run of seconds goes far beyond it. */
const queueLimitSeconds = 1
/** As many as can wait, for twice the limit when the pace breaks down, and half as many for those that are refused. */
const connectionsFor = (ratePerSecond: number): number => Math.ceil(ratePerSecond * queueLimitSeconds * 2.5)

export const createTarget = (
  context: CaseContext, gateway: Parameters<CaseContext['target']>[1], method: string,
): Target => context.target('create', gateway, { status: 201, prepare: () => () => nextCreate(method) })

/** The requests per second that one core can serve, and the longest time that one of them took. */
export async function capacityOf (
  target: Target, { redis, options }: CaseContext,
): Promise<{ ratePerSecond: number, longestMs: number, cpuMicros: number }> {
  await warmUp(target, redis, options.warmupRequests)
  const samples: Sample[] = []
  for (let round = 0; round < 3; round += 1) {
    await redis.flush()
    samples.push(await measure(target, redis, { durationMs: options.roundMs }))
  }
  const cpuMicros = medianOf(pick(samples, 'cpuMicros'))
  return {
    cpuMicros,
    // With shared cores the measured rate is lower than what the CPU time suggests.
    ratePerSecond: Math.min(1e6 / cpuMicros, medianOf(pick(samples, 'ratePerSecond'))),
    longestMs: Math.max(...pick(samples, 'longestMs')),
  }
}

/** An open loop at twice the capacity of a core. */
export const overload: Case = {
  name: 'overload',
  goals: ['N9', 'N9w', 'N9r', 'N9h'],
  async run (context) {
    const { options, redis } = context
    const provider = await context.startProvider()
    const gateway = await context.startGateway({
      providerUrl: provider.url, environment: { QUEUE_LIMIT_SECONDS: String(queueLimitSeconds) },
    })
    const capacity = await capacityOf(createTarget(context, gateway, 'truecaller.web'), context)
    await redis.flush()
    const before = await gateway.process.usage()
    let withoutRetryAfter = 0
    const load = await openLoop({
      url: gateway.url, next: () => nextCreate('truecaller.web'), status: 201,
      connections: connectionsFor(capacity.ratePerSecond), first: writeRequest('GET', '/livez'),
      durationMs: options.overloadMs, ratePerSecond: capacity.ratePerSecond * 2,
      onAnswer ({ status, head }) {
        if (status !== 201 && !/\r\nretry-after: /i.test(head)) withoutRetryAfter += 1
      },
    })
    const during = await gateway.process.usage()
    await delay(options.name === 'whole' ? 5_000 : 100)
    const after = await gateway.process.usage()
    const rssMb = [before, during, after].map(({ rss }) => Math.round(rss / 2 ** 20))
    context.record('overload', { capacity, load, withoutRetryAfter, rssMb })
    const count = Object.values(load.statuses).reduce((sum, count) => sum + count, 0)
    const refused = count - load.answered
    const limitMs = queueLimitSeconds * 1000 + capacity.longestMs
    context.addFinding('N9', spreadOf([load.answered / (load.durationMs / 1000) / capacity.ratePerSecond]), {
      note: `${count} sent (${load.unsent} not: no free connection), ${Math.round(refused / count * 100)} % refused `
        + `(${Object.entries(load.statuses).map(([status, count]) => `${status}: ${count}`).join(', ')}); `
        + `resident ${rssMb.join(' → ')} MB`,
    })
    context.addFinding('N9w', spreadOf([load.longestMs / limitMs]), {
      note: `${Math.round(load.longestMs)} ms ÷ (${queueLimitSeconds * 1000} + ${Math.round(capacity.longestMs)}) ms; `
        + `p50 ${Math.round(load.p50Ms)}, p99 ${Math.round(load.p99Ms)} ms`,
    })
    if (refused === 0) return context.say('  nothing was refused')
    context.addFinding('N9r', spreadOf([load.refusals.p99Ms]), { note: `p50 ${load.refusals.p50Ms.toFixed(1)} ms` })
    context.addFinding('N9h', spreadOf([withoutRetryAfter]))
  },
}
