import {
  measureLifecycles, openDriver, type Driver, type LifecycleSample, type LifecycleTarget,
} from '../lifecycles.ts'
import { ratioOf, spreadOf } from '../measure.ts'
import type { Case, Stage } from '../stage.ts'
import { measureParts } from './parts.ts'

const counts = {
  whole: { count: 4_000, warmup: 20_000 }, quick: { count: 800, warmup: 1_500 }, smoke: { count: 60, warmup: 60 },
}

const longestWarmupMs = 20_000

/**
 * From create to the webhook that says verified, and the reading of it; against a naive implementation, and the floor
 * of its parts.
 */
export const lifecycle: Case = {
  name: 'lifecycle',
  goals: ['P6', 'P7', 'P10'],
  async run (stage) {
    const { options, redis } = stage
    const driver = await openDriver()
    try {
      const targets = {
        naive: await startNaive(stage, driver), ours: await startOurs(stage, driver),
        split: await startSplit(stage, driver),
      }
      const { count, warmup } = counts[options.name]
      for (const target of Object.values(targets)) await measureLifecycles(
        target, redis, { count: warmup, inFlight: 50, mostMs: longestWarmupMs },
      )
      const measured = new Map<string, Record<keyof typeof targets, LifecycleSample[]>>()
      for (const inFlight of [50, 200]) {
        const samples: Record<keyof typeof targets, LifecycleSample[]> = { naive: [], ours: [], split: [] }
        for (let round = 0; round < options.rounds; round += 1) {
          for (const name of ['naive', 'ours', 'split'] as const) samples[name].push(
            await measureLifecycles(targets[name], redis, { count, inFlight, mostMs: options.roundMs * 4 }),
          )
        }
        stage.note(`${inFlight} in flight`, samples)
        measured.set(String(inFlight), samples)
      }
      stage.note('round trips to Redis', await countRoundTrips(stage, targets.ours))
      const many = measured.get('200')
      if (many === undefined) return
      const cpu = (name: keyof typeof targets): number[] => many[name].map(({ cpuMicros }) => cpuMicros)
      const middle = (values: number[]): string => `${Math.round(spreadOf(values).median)} µs`
      stage.find(
        'P6', ratioOf(cpu('naive'), cpu('ours')),
        `200 in flight, ${middle(cpu('naive'))} ÷ ${middle(cpu('ours'))}; as two processes ${middle(cpu('split'))}`,
      )
      const parts = await measureParts(stage)
      stage.note('parts', parts)
      stage.find(
        'P7', ratioOf(many.ours.map(() => parts.floorMicros), cpu('ours')),
        `${Math.round(parts.floorMicros)} µs ÷ ${middle(cpu('ours'))}`,
      )
      const redisOf = many.ours.map(({ redisMicros }) => redisMicros)
      stage.find(
        'P10', ratioOf(redisOf, many.ours.map(() => parts.streamsRedisMicros)),
        `${middle(redisOf)} ÷ ${Math.round(parts.streamsRedisMicros)} µs`,
      )
    } finally {
      await driver.close()
    }
  },
}

/**
 * Commands that came over a connection, not from within a script; of lifecycles one after the other, with what the
 * process does by the way.
 */
async function countRoundTrips ({ redis }: Stage, { url, driver }: LifecycleTarget): Promise<Record<string, number>> {
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

async function startOurs (stage: Stage, driver: Driver): Promise<LifecycleTarget> {
  const provider = await stage.startProvider()
  const gateway = await stage.startGateway({ providerUrl: provider.url, role: 'all', webhookUrl: driver.webhookUrl })
  provider.process.send({ gatewayUrl: gateway.url })
  return { url: gateway.url, processes: [gateway.process], driver }
}

/**
 * One process that serves and one that works. With two cores the worker shares its core with the load generator: CPU
 * counts, not time.
 */
async function startSplit (stage: Stage, driver: Driver): Promise<LifecycleTarget> {
  const provider = await stage.startProvider()
  const api = await stage.startGateway(
    { providerUrl: provider.url, role: 'api', webhookUrl: driver.webhookUrl, database: 1 },
  )
  const worker = await stage.startGateway(
    {
      providerUrl: provider.url, role: 'worker', webhookUrl: driver.webhookUrl, core: 'rest', publicUrl: api.url,
      database: 1,
    },
  )
  provider.process.send({ gatewayUrl: api.url })
  return { url: api.url, processes: [api.process, worker.process], driver }
}

async function startNaive (stage: Stage, driver: Driver): Promise<LifecycleTarget> {
  const provider = await stage.startProvider()
  const naive = await stage.start({
    name: 'naive', script: new URL('../reference.ts', import.meta.url), core: 'server',
    env: { REDIS_URL: stage.redis.url, PROVIDER_URL: provider.url, WEBHOOK_URL: driver.webhookUrl },
  })
  provider.process.send({ gatewayUrl: naive.url })
  return { url: naive.url, processes: [naive.process], driver }
}

