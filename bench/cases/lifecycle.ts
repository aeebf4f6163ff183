import { createServer } from 'node:http'
import { openConnections } from '../load.ts'
import { ratioOf, spreadOf, type Sample } from '../measure.ts'
import { newLifecycle, read } from '../requests.ts'
import type { BenchProcess } from '../processes.ts'
import { countCommands, type RedisMeter } from '../redis.ts'
import type { Case, Stage } from '../stage.ts'
import { measureParts } from './parts.ts'

/** What one whole lifecycle came to. */
export type LifecycleSample = Pick<Sample, 'cpuMicros' | 'redisMicros' | 'redisCommands' | 'ratePerSecond' | 'p50Ms' | 'p99Ms'> & { commands: Record<string, number>, byProcess: Record<string, number> }

/** A server that takes lifecycles, all its processes, and the driver that gives them to it. */
export type LifecycleTarget = { url: string, processes: readonly BenchProcess[], driver: Driver }

export type Driver = {
  webhookUrl: string
  run (url: string, options: { count: number, inFlight: number }): Promise<{ durationMs: number, latenciesMs: number[] }>
  close (): Promise<void>
}

const longestMs = 120_000

/** The app: creates, waits for the webhook that says verified, and reads the verification. It takes a new one when one is over. */
export async function openDriver (): Promise<Driver> {
  const waiting = new Map<string, () => void>()
  const server = createServer((request, response) => {
    let text = ''
    request.setEncoding('utf8').on('data', chunk => { text += String(chunk) }).on('end', () => {
      response.writeHead(204).end()
      const reference = /"reference":"([^"]+)"/.exec(text)?.[1] ?? ''
      const tell = waiting.get(reference)
      waiting.delete(reference)
      tell?.()
    })
  })
  server.keepAliveTimeout = 600_000
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')

  async function run (url: string, { count, inFlight }: { count: number, inFlight: number }): Promise<{ durationMs: number, latenciesMs: number[] }> {
    const connections = await openConnections(url, inFlight)
    const latenciesMs: number[] = []
    const startedAt = performance.now()
    let left = count
    let isOver = false
    const drive = async (connection: (typeof connections)[number]): Promise<void> => {
      while ((left -= 1) >= 0 && !isOver) {
        const createdAt = performance.now()
        const { reference, request } = newLifecycle()
        const told = new Promise<void>(resolve => waiting.set(reference, resolve))
        const id = await new Promise<string>((resolve, reject) => connection.send(request, ({ status, body }) => {
          const id = /"id":"([^"]+)"/.exec(body.toString('latin1'))?.[1]
          if (status === 201 && id !== undefined) resolve(id)
          else reject(new Error(`create was answered ${status}: ${body.toString()}`))
        }))
        await told
        latenciesMs.push(performance.now() - createdAt)
        await new Promise<void>((resolve, reject) => connection.send(read(id), ({ status, body }) =>
          status === 200 && body.includes('"status":"verified"') ? resolve() : reject(new Error(`read was answered ${status}`))))
      }
    }
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => reject(new Error(`${latenciesMs.length} of ${count} lifecycles ended within ${longestMs} ms`)), longestMs)
    })
    try {
      await Promise.race([Promise.all(connections.map(drive)), late])
    } finally {
      isOver = true
      clearTimeout(timer)
      for (const connection of connections) connection.close()
    }
    return { durationMs: performance.now() - startedAt, latenciesMs }
  }
  return {
    webhookUrl: `http://127.0.0.1:${address.port}/webhook`,
    run,
    close: () => new Promise(resolve => {
      server.close(() => resolve())
      server.closeAllConnections()
    }),
  }
}

/** Runs so many whole lifecycles and says what one came to. */
export async function measureLifecycles ({ url, processes, driver }: LifecycleTarget, redis: RedisMeter, options: { count: number, inFlight: number }): Promise<LifecycleSample> {
  await Promise.all(processes.map(process => process.usage({ collect: true })))
  const [redisBefore, ...before] = await Promise.all([redis.usage(), ...processes.map(process => process.usage())])
  const { durationMs, latenciesMs } = await driver.run(url, options)
  const [redisAfter, ...after] = await Promise.all([redis.usage(), ...processes.map(process => process.usage())])
  const each = after.map(({ cpuMicros }, at) => (cpuMicros - (before[at]?.cpuMicros ?? 0)) / options.count)
  const commands = countCommands(redisBefore, redisAfter)
  const sorted = latenciesMs.sort((a, b) => a - b)
  return {
    cpuMicros: each.reduce((sum, micros) => sum + micros, 0),
    byProcess: Object.fromEntries(each.map((micros, at) => [processes[at]?.name ?? '', micros])),
    redisMicros: (redisAfter.cpuMicros - redisBefore.cpuMicros) / options.count,
    redisCommands: Object.values(commands).reduce((sum, count) => sum + count, 0) / options.count,
    commands: Object.fromEntries(Object.entries(commands).map(([name, calls]) => [name, Number((calls / options.count).toFixed(2))])),
    ratePerSecond: options.count / durationMs * 1000,
    p50Ms: sorted[Math.floor(sorted.length * 0.5)] ?? NaN,
    p99Ms: sorted[Math.floor(sorted.length * 0.99)] ?? NaN,
  }
}

const counts = { whole: { count: 4_000, warmup: 6_000 }, quick: { count: 800, warmup: 1_500 }, smoke: { count: 60, warmup: 60 } }

/** From create to the webhook that says verified, and the reading of it; against a naive implementation, and the floor of its parts. */
export const lifecycle: Case = {
  name: 'lifecycle',
  goals: ['P6', 'P7', 'P10'],
  async run (stage) {
    const { options, redis } = stage
    const driver = await openDriver()
    try {
      const targets = { naive: await startNaive(stage, driver), ours: await startOurs(stage, driver), split: await startSplit(stage, driver) }
      const { count, warmup } = counts[options.name]
      for (const target of Object.values(targets)) await measureLifecycles(target, redis, { count: warmup, inFlight: 50 })
      const measured = new Map<string, Record<keyof typeof targets, LifecycleSample[]>>()
      for (const inFlight of [50, 200]) {
        const samples: Record<keyof typeof targets, LifecycleSample[]> = { naive: [], ours: [], split: [] }
        for (let round = 0; round < options.rounds; round += 1) {
          for (const name of ['naive', 'ours', 'split'] as const) samples[name].push(await measureLifecycles(targets[name], redis, { count, inFlight }))
        }
        stage.note(`${inFlight} in flight`, samples)
        measured.set(String(inFlight), samples)
      }
      const many = measured.get('200')
      if (many === undefined) return
      const cpu = (name: keyof typeof targets): number[] => many[name].map(({ cpuMicros }) => cpuMicros)
      const middle = (values: number[]): string => `${Math.round(spreadOf(values).median)} µs`
      stage.find('P6', ratioOf(cpu('naive'), cpu('ours')), `200 in flight, ${middle(cpu('naive'))} ÷ ${middle(cpu('ours'))}; as two processes ${middle(cpu('split'))}`)
      const parts = await measureParts(stage)
      stage.note('parts', parts)
      stage.find('P7', ratioOf(many.ours.map(() => parts.floorMicros), cpu('ours')), `${Math.round(parts.floorMicros)} µs ÷ ${middle(cpu('ours'))}`)
      const redisOf = many.ours.map(({ redisMicros }) => redisMicros)
      stage.find('P10', ratioOf(redisOf, many.ours.map(() => parts.streamsRedisMicros)), `${middle(redisOf)} ÷ ${Math.round(parts.streamsRedisMicros)} µs`)
    } finally {
      await driver.close()
    }
  },
}

async function startOurs (stage: Stage, driver: Driver): Promise<LifecycleTarget> {
  const provider = await stage.startProvider()
  const gateway = await stage.startGateway({ providerUrl: provider.url, role: 'all', webhookUrl: driver.webhookUrl })
  provider.process.send({ gatewayUrl: gateway.url })
  return { url: gateway.url, processes: [gateway.process], driver }
}

/** One process that serves and one that works. With two cores the worker shares its core with the load generator: CPU counts, not time. */
async function startSplit (stage: Stage, driver: Driver): Promise<LifecycleTarget> {
  const provider = await stage.startProvider()
  const api = await stage.startGateway({ providerUrl: provider.url, role: 'api', webhookUrl: driver.webhookUrl, database: 1 })
  const worker = await stage.startGateway({ providerUrl: provider.url, role: 'worker', webhookUrl: driver.webhookUrl, core: 'rest', publicUrl: api.url, database: 1 })
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

