import { setTimeout as delay } from 'node:timers/promises'
import { closedLoop, openLoop, type Load } from '../load.ts'
import { measure, pick, refuseOthers, spreadOf, warmUp, type Sample, type Target } from '../measure.ts'
import { nextCreate } from '../requests.ts'
import type { Case, Stage } from '../stage.ts'

const next = (): string => nextCreate('truecaller.web')
const post = { status: 201, prepare: () => next }

/** Requests per second that fill a core. */
async function capacityOf (target: Target, { redis, options }: Stage): Promise<number> {
  await warmUp(target, redis, options.warmupRequests)
  const samples: Sample[] = []
  for (let round = 0; round < 3; round += 1) {
    await redis.flush()
    samples.push(await measure(target, redis, { durationMs: options.roundMs }))
  }
  // What a core could do, or what all cores together did do where they have to share.
  return Math.min(1e6 / spreadOf(pick(samples, 'cpuMicros')).median, spreadOf(pick(samples, 'ratePerSecond')).median)
}

/** Requests that come by the clock, at half of what a core can do. */
export const halfLoad: Case = {
  name: 'half-load',
  goals: ['P14', 'P14b'],
  async run (stage) {
    const { options, redis } = stage
    const provider = await stage.startProvider()
    const targets = {
      script: stage.target('Fastify and one script', await stage.startAnchor('create'), post),
      ours: stage.target('create', await stage.startGateway({ providerUrl: provider.url }), post),
    }
    const rates = {
      script: await capacityOf(targets.script, stage) / 2, ours: await capacityOf(targets.ours, stage) / 2,
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
        refuseOthers(targets[name], load)
        loads[name].push({ ...load, longestPauseMs: (await process?.usage())?.pauses.longestMs ?? NaN })
      }
    }
    stage.note('rates per second', rates)
    stage.note('open loop', loads)
    const p99 = (name: keyof typeof targets): number[] => loads[name].map(({ p99Ms }) => p99Ms)
    const told = `${spreadOf(p99('ours')).median.toFixed(2)} ÷ ${spreadOf(p99('script')).median.toFixed(2)} ms at ${Math.round(rates.ours)} and ${Math.round(rates.script)}/s`
    stage.find('P14', spreadOf(p99('ours').map((ms, at) => ms / (p99('script')[at] ?? NaN))), told)
    stage.find('P14b', spreadOf(loads.ours.map(({ longestPauseMs }) => longestPauseMs)))
  },
}

/** Twice as many as a core can do. */
export const overload: Case = {
  name: 'overload',
  goals: ['P15', 'P15b', 'P15c'],
  async run (stage) {
    const { options, redis } = stage
    const provider = await stage.startProvider()
    const gateway = await stage.startGateway({ providerUrl: provider.url })
    const capacity = await capacityOf(stage.target('create', gateway, post), stage)
    await redis.flush()
    const before = await gateway.process.usage({ collect: true })
    let retryAfter = 0
    // Clients that find all connections taken for a second give up.
    const load = await openLoop({
      url: gateway.url, next, status: 201, connections: 1_000, durationMs: options.overloadMs, ratePerSecond: capacity * 2, patienceMs: 1_000,
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
    stage.note('overload', { capacity, offered: capacity * 2, load, retryAfter, recoveredMs, rssMb })
    const refused = Object.entries(load.statuses).filter(([status]) => status !== '201').map(
      ([status, count]) => `${count} × ${status}`,
    ).join(', ')
    stage.find(
      'P15', spreadOf([share]),
      `refused: ${refused === '' ? 'none' : refused}, given up by clients: ${load.unsent}, resident ${rssMb['before']} → ${rssMb['during']} MB`,
    )
    stage.find('P15b', spreadOf([load.p99Ms]))
    stage.find('P15c', spreadOf([recoveredMs]))
  },
}

/** A provider that takes its time, and very many who wait for it. */
export const slowProvider: Case = {
  name: 'slow-provider',
  goals: ['P16'],
  async run (stage) {
    const { options } = stage
    const latencyMs = 200
    const provider = await stage.startProvider({ delayMs: latencyMs })
    const gateway = await stage.startGateway({ providerUrl: provider.url })
    const clients = options.name === 'smoke' ? 50 : 2_000
    const wish = { url: gateway.url, status: 201, connections: clients, next: () => nextCreate('truid.phone_check') }
    await closedLoop({ ...wish, durationMs: options.name === 'smoke' ? 500 : 6_000 })
    const shares: number[] = []
    const loads: Load[] = []
    for (let round = 0; round < Math.min(3, options.rounds); round += 1) {
      const load = await closedLoop({ ...wish, durationMs: options.roundMs * 2 })
      loads.push(load)
      shares.push(load.answered / (load.durationMs / 1000) / (clients / (latencyMs / 1000)))
    }
    stage.note('slow provider', { clients, loads, usage: await gateway.process.usage() })
    stage.find('P16', spreadOf(shares), `p50 ${Math.round(spreadOf(loads.map(({ p50Ms }) => p50Ms)).median)} ms`)
  },
}
