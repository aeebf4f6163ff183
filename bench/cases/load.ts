import { setTimeout as delay } from 'node:timers/promises'
import { closedLoop, openLoop, type Load } from '../load.ts'
import { measure, pick, assertStatuses, spreadOf, warmUp, type Sample, type Target } from '../measure.ts'
import { nextCreate } from '../requests.ts'
import type { Case, CaseContext } from '../case-context.ts'

const next = (): string => nextCreate('truecaller.web')
const post = { status: 201, prepare: () => next }

/** The requests per second that one core can serve. */
async function capacityOf (target: Target, { redis, options }: CaseContext): Promise<number> {
  await warmUp(target, redis, options.warmupRequests)
  const samples: Sample[] = []
  for (let round = 0; round < 3; round += 1) {
    await redis.flush()
    samples.push(await measure(target, redis, { durationMs: options.roundMs }))
  }
  // With shared cores the measured rate is lower than what the CPU time suggests.
  return Math.min(1e6 / spreadOf(pick(samples, 'cpuMicros')).median, spreadOf(pick(samples, 'ratePerSecond')).median)
}

/** An open loop at half of the capacity of a core. */
export const halfLoad: Case = {
  name: 'half-load',
  goals: ['P14', 'P14b'],
  async run (context) {
    const { options, redis } = context
    const provider = await context.startProvider()
    const targets = {
      script: context.target('Fastify and one script', await context.startBaseline('create'), post),
      ours: context.target('create', await context.startGateway({ providerUrl: provider.url }), post),
    }
    const rates = {
      script: await capacityOf(targets.script, context) / 2, ours: await capacityOf(targets.ours, context) / 2,
    }
    const loads: Record<keyof typeof targets, (Load & { longestPauseMs: number })[]> = { script: [], ours: [] }
    for (let round = 0; round < options.rounds; round += 1) {
      for (const name of ['script', 'ours'] as const) {
        await redis.flush()
        const { url, processes: [process] } = targets[name]
        await process?.usage({ collect: true })
        await process?.usage()
        const load = await openLoop(
          { url, next, status: 201, connections: 200, durationMs: options.roundMs * 2, ratePerSecond: rates[name] },
        )
        assertStatuses(targets[name], load)
        loads[name].push({ ...load, longestPauseMs: (await process?.usage())?.pauses.longestMs ?? NaN })
      }
    }
    context.record('rates per second', rates)
    context.record('open loop', loads)
    const p99 = (name: keyof typeof targets): number[] => loads[name].map(({ p99Ms }) => p99Ms)
    const medians = `${spreadOf(p99('ours')).median.toFixed(2)} ÷ ${spreadOf(p99('script')).median.toFixed(2)} ms`
    const note = `${medians} at ${Math.round(rates.ours)} and ${Math.round(rates.script)}/s`
    context.addFinding('P14', spreadOf(p99('ours').map((ms, at) => ms / (p99('script')[at] ?? NaN))), note)
    context.addFinding('P14b', spreadOf(loads.ours.map(({ longestPauseMs }) => longestPauseMs)))
  },
}

/** An open loop at twice the capacity of a core. */
export const overload: Case = {
  name: 'overload',
  goals: ['P15', 'P15b', 'P15c'],
  async run (context) {
    const { options, redis } = context
    const provider = await context.startProvider()
    const gateway = await context.startGateway({ providerUrl: provider.url })
    const capacity = await capacityOf(context.target('create', gateway, post), context)
    await redis.flush()
    const before = await gateway.process.usage({ collect: true })
    let retryAfter = 0
    // A client gives up when no connection is free for a second.
    const load = await openLoop({
      url: gateway.url, next, status: 201, connections: 1_000,
      durationMs: options.overloadMs, ratePerSecond: capacity * 2, patienceMs: 1_000,
      onAnswer ({ status, head }) { if (status === 503 && /\r\nretry-after: /i.test(head)) retryAfter += 1 },
    })
    const overAt = performance.now()
    const during = await gateway.process.usage()
    const calm = { url: gateway.url, connections: 1, durationMs: 100, next, status: 201 }
    let recoveredMs = Infinity
    while (recoveredMs === Infinity && performance.now() - overAt < 30_000) {
      const { p99Ms, answered } = await closedLoop(calm)
      if (answered > 0 && p99Ms < 100) recoveredMs = performance.now() - overAt
    }
    await delay(options.name === 'whole' ? 5_000 : 100)
    const after = await gateway.process.usage({ collect: true })
    const share = load.answered / (load.durationMs / 1000) / capacity
    const rssMb = Object.fromEntries(
      Object.entries({ before, during, after }).map(([when, { rss }]) => [when, Math.round(rss / 2 ** 20)]),
    )
    context.record('overload', { capacity, offered: capacity * 2, load, retryAfter, recoveredMs, rssMb })
    const refused = Object.entries(load.statuses).filter(([status]) => status !== '201').map(
      ([status, count]) => `${count} × ${status}`,
    ).join(', ')
    context.addFinding(
      'P15', spreadOf([share]),
      `refused: ${refused === '' ? 'none' : refused}, given up by clients: ${load.unsent}, `
        + `resident ${rssMb['before']} → ${rssMb['during']} MB`,
    )
    context.addFinding('P15b', spreadOf([load.p99Ms]))
    context.addFinding('P15c', spreadOf([recoveredMs]))
  },
}

/** A slow provider, and many clients that wait for it. */
export const slowProvider: Case = {
  name: 'slow-provider',
  goals: ['P16'],
  async run (context) {
    const { options } = context
    const latencyMs = 200
    const provider = await context.startProvider({ delayMs: latencyMs })
    const gateway = await context.startGateway({ providerUrl: provider.url })
    const clients = options.name === 'smoke' ? 50 : 2_000
    const client = { url: gateway.url, status: 201, connections: clients, next: () => nextCreate('truid.phone_check') }
    await closedLoop({ ...client, durationMs: options.name === 'smoke' ? 500 : 6_000 })
    const shares: number[] = []
    const loads: Load[] = []
    for (let round = 0; round < Math.min(3, options.rounds); round += 1) {
      const load = await closedLoop({ ...client, durationMs: options.roundMs * 2 })
      loads.push(load)
      shares.push(load.answered / (load.durationMs / 1000) / (clients / (latencyMs / 1000)))
    }
    context.record('slow provider', { clients, loads, usage: await gateway.process.usage() })
    context.addFinding(
      'P16', spreadOf(shares), `p50 ${Math.round(spreadOf(loads.map(({ p50Ms }) => p50Ms)).median)} ms`,
    )
  },
}
