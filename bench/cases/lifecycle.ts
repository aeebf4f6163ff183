import {
  measureLifecycles, startDriver, type Driver, type LifecycleSample, type LifecycleTarget,
} from '../lifecycles.ts'
import { ratioOf, spreadOf } from '../measure.ts'
import type { Case, CaseContext } from '../case-context.ts'
import { measureFloor } from './floor.ts'

const counts = {
  whole: { count: 4_000, warmup: 20_000 }, quick: { count: 800, warmup: 1_500 }, smoke: { count: 60, warmup: 60 },
}

const maxWarmupMs = 20_000

/**
 * From the create to the webhook `verified` and a read, compared with a naive implementation and with the floor, the
 * sum of its operations.
 */
export const lifecycle: Case = {
  name: 'lifecycle',
  goals: ['P6', 'P7', 'P10'],
  async run (context) {
    const { options, redis } = context
    const driver = await startDriver()
    try {
      const targets = {
        naive: await startNaive(context, driver), ours: await startOurs(context, driver),
        split: await startSplit(context, driver),
      }
      const { count, warmup } = counts[options.name]
      for (const target of Object.values(targets)) await measureLifecycles(
        target, redis, { count: warmup, inFlight: 50, maxMs: maxWarmupMs },
      )
      const measured = new Map<string, Record<keyof typeof targets, LifecycleSample[]>>()
      for (const inFlight of [50, 200]) {
        const samples: Record<keyof typeof targets, LifecycleSample[]> = { naive: [], ours: [], split: [] }
        for (let round = 0; round < options.rounds; round += 1) {
          for (const name of ['naive', 'ours', 'split'] as const) samples[name].push(
            await measureLifecycles(targets[name], redis, { count, inFlight, maxMs: options.roundMs * 4 }),
          )
        }
        context.record(`${inFlight} in flight`, samples)
        measured.set(String(inFlight), samples)
      }
      context.record('round trips to Redis', await countRoundTrips(context, targets.ours))
      const many = measured.get('200')
      if (many === undefined) return
      const cpu = (name: keyof typeof targets): number[] => many[name].map(({ cpuMicros }) => cpuMicros)
      const median = (values: number[]): string => `${Math.round(spreadOf(values).median)} µs`
      context.addFinding(
        'P6', ratioOf(cpu('naive'), cpu('ours')),
        `200 in flight, ${median(cpu('naive'))} ÷ ${median(cpu('ours'))}; as two processes ${median(cpu('split'))}`,
      )
      const floor = await measureFloor(context)
      context.record('parts', floor)
      context.addFinding(
        'P7', ratioOf(many.ours.map(() => floor.floorMicros), cpu('ours')),
        `${Math.round(floor.floorMicros)} µs ÷ ${median(cpu('ours'))}`,
      )
      const redisOf = many.ours.map(({ redisMicros }) => redisMicros)
      context.addFinding(
        'P10', ratioOf(redisOf, many.ours.map(() => floor.streamsRedisMicros)),
        `${median(redisOf)} ÷ ${Math.round(floor.streamsRedisMicros)} µs`,
      )
    } finally {
      await driver.close()
    }
  },
}

/**
 * Commands per lifecycle that came over a connection, without those in scripts. The lifecycles run one after the other;
 * the periodic commands of the process count too.
 */
async function countRoundTrips (
  { redis }: CaseContext, { url, driver }: LifecycleTarget,
): Promise<Record<string, number>> {
  const counted: Record<string, number> = {}
  const monitor = await redis.client.duplicate().monitor()
  monitor.on('monitor', (_time: string, [name = '']: string[], source: string, database: string) => {
    if (source !== 'lua' && database === '0') counted[name.toLowerCase()] = (counted[name.toLowerCase()] ?? 0) + 1
  })
  const count = 50
  await driver.run(url, { count, inFlight: 1 })
  monitor.disconnect()
  return Object.fromEntries(Object.entries(counted).map(([name, calls]) => [name, calls / count]))
}

async function startOurs (context: CaseContext, driver: Driver): Promise<LifecycleTarget> {
  const provider = await context.startProvider()
  const gateway = await context.startGateway({ providerUrl: provider.url, role: 'all', webhookUrl: driver.webhookUrl })
  provider.process.send({ gatewayUrl: gateway.url })
  return { url: gateway.url, processes: [gateway.process], driver }
}

/**
 * An API process and a worker process. With two cores the worker shares its core with the load generator, so that only
 * CPU is comparable, not time.
 */
async function startSplit (context: CaseContext, driver: Driver): Promise<LifecycleTarget> {
  const provider = await context.startProvider()
  const api = await context.startGateway(
    { providerUrl: provider.url, role: 'api', webhookUrl: driver.webhookUrl, database: 1 },
  )
  const worker = await context.startGateway(
    {
      providerUrl: provider.url, role: 'worker', webhookUrl: driver.webhookUrl, core: 'rest', publicUrl: api.url,
      database: 1,
    },
  )
  provider.process.send({ gatewayUrl: api.url })
  return { url: api.url, processes: [api.process, worker.process], driver }
}

async function startNaive (context: CaseContext, driver: Driver): Promise<LifecycleTarget> {
  const provider = await context.startProvider()
  const naive = await context.start({
    name: 'naive', script: new URL('../naive.ts', import.meta.url), core: 'server',
    env: { REDIS_URL: context.redis.url, PROVIDER_URL: provider.url, WEBHOOK_URL: driver.webhookUrl },
  })
  provider.process.send({ gatewayUrl: naive.url })
  return { url: naive.url, processes: [naive.process], driver }
}

