import type { Case, CaseContext } from '../case-context.ts'
import {
  measureLifecycles, repeatRequests, startDriver, type Driver, type LifecycleSample, type LifecycleTarget,
} from '../lifecycles.ts'
import { measure, meanOf, medianOf, noiseOf, pick, ratioOf, warmUp, type Copies } from '../measure.ts'
import { formatMicros, startFloor } from './floor.ts'

const counts = {
  whole: { count: 2_000, warmup: 15_000 }, quick: { count: 500, warmup: 1_500 }, smoke: { count: 30, warmup: 30 },
}
const maxWarmupMs = 25_000
/** Lifecycles a second, and no more than half of what the machine can do. */
const fixedRate = 300

type Rounds = Record<'first' | 'second' | 'whole', LifecycleSample[]>

/**
 * From the create to the webhook `verified` and a read: two copies of ours, the floor, and its parts in one process, in
 * alternation.
 */
export const lifecycle: Case = {
  name: 'lifecycle',
  goals: ['N4', 'N4s'],
  async run (context) {
    const { options, redis } = context
    const driver = await startDriver()
    try {
      const floor = await startFloor(context, ['lifecycle'])
      const copies = [await startOurs(context, driver, 0), await startOurs(context, driver, 1)] as const
      const { url, process, requestsOf } = floor.assembled
      const whole: LifecycleTarget = { url, process, driver: repeatRequests(requestsOf('lifecycle')) }
      const targets = [['whole', whole], ['first', copies[0]], ['second', copies[1]]] as const
      const { count, warmup } = counts[options.name]
      for (const target of [floor.post, floor.get]) await warmUp(target, redis, options.warmupRequests)
      for (const [, target] of targets) {
        await measureLifecycles(target, redis, { count: warmup, inFlight: 50, maxMs: maxWarmupMs })
      }
      const floors: number[] = []
      const saturated: Rounds = { first: [], second: [], whole: [] }
      const fixed: Rounds = { first: [], second: [], whole: [] }
      for (let round = 0; round < options.rounds; round += 1) {
        const post = await measure(floor.post, redis, { durationMs: options.roundMs })
        const get = await measure(floor.get, redis, { durationMs: options.roundMs })
        floors.push((await floor.round({ post: post.cpuMicros, get: get.cpuMicros })).lifecycle)
        const most = { count, inFlight: 50, maxMs: options.roundMs * 4 }
        for (const [name, target] of targets) saturated[name].push(await measureLifecycles(target, redis, most))
        const ratePerSecond = Math.min(fixedRate, medianOf(pick(saturated.first, 'ratePerSecond')) / 2)
        const atRate = { ratePerSecond, durationMs: options.roundMs * 2 }
        for (const [name, target] of targets) fixed[name].push(await measureLifecycles(target, redis, atRate))
      }
      context.record('floors', floors)
      context.record('saturated', saturated)
      context.record('at a fixed rate', fixed)
      const rate = Math.round(medianOf(pick(fixed.first, 'ratePerSecond')))
      for (const [goal, { first, second, whole }, how] of [
        ['N4', fixed, `${rate}/s`], ['N4s', saturated, '50 in flight'],
      ] as const) {
        const cpu: Copies = { first: pick(first, 'cpuMicros'), second: pick(second, 'cpuMicros') }
        context.addFinding(goal, ratioOf(meanOf(cpu), floors), {
          note: `${how}, ${formatMicros(meanOf(cpu))} ÷ ${formatMicros(floors)}; `
            + 'the parts of the floor in one process: ' + formatMicros(pick(whole, 'cpuMicros')),
          noise: noiseOf(cpu),
        })
      }
      const figures = [
        ['lifecycleMicros', saturated.first, saturated.second], ['lifecycleWholeMicros', saturated.whole],
        ['lifecycleAtRateMicros', fixed.first, fixed.second], ['lifecycleWholeAtRateMicros', fixed.whole],
      ] as const
      for (const [name, ...samples] of figures) context.addFigure(name, medianOf(pick(samples.flat(), 'cpuMicros')))
      context.addFigure('lifecycleFloorMicros', medianOf(floors))
      const { first, second } = saturated
      context.addFigure('lifecycleRedisMicros', medianOf(pick([...first, ...second], 'redisMicros')))
      context.addFigure('lifecycleCommands', medianOf(pick([...first, ...second], 'redisCommands')))
      context.addFigure('lifecyclesPerSecond', medianOf(pick([...first, ...second], 'ratePerSecond')))
    } finally {
      await driver.close()
    }
  },
}

/** Its own provider, and its own database, so that no other process takes its jobs. */
export async function startOurs (context: CaseContext, driver: Driver, database: number): Promise<LifecycleTarget> {
  const provider = await context.startProvider()
  const gateway = await context.startGateway(
    { providerUrl: provider.url, role: 'all', webhookUrl: driver.webhookUrl, database },
  )
  provider.process.send({ gatewayUrl: gateway.url })
  return { url: gateway.url, process: gateway.process, driver }
}
