import { createServer } from 'node:http'
import { openConnections } from './load.ts'
import type { Sample } from './measure.ts'
import type { BenchProcess } from './processes.ts'
import { countCommands, type RedisMeter } from './redis.ts'
import { newLifecycle, read } from './requests.ts'

/** The cost of one lifecycle. */
export type LifecycleSample = Pick<Sample, 'cpuMicros' | 'redisMicros' | 'redisCommands'
  | 'ratePerSecond' | 'p50Ms' | 'p99Ms'> & { commands: Record<string, number>, byProcess: Record<string, number> }

/** A server that runs lifecycles, all its processes, and the driver that requests them. */
export type LifecycleTarget = { url: string, processes: readonly BenchProcess[], driver: Driver }

/** `count` lifecycles, `inFlight` at once; none starts after `maxMs`. */
export type LifecycleOptions = { count: number, inFlight: number, maxMs?: number }

export type Driver = {
  webhookUrl: string
  run (url: string, options: LifecycleOptions): Promise<{ durationMs: number, latenciesMs: number[] }>
  close (): Promise<void>
}

/** How long the running lifecycles may take after `maxMs`. */
const maxOverrunMs = 60_000

/** The app: it creates a verification, waits for the webhook `verified`, reads the verification, and starts again. */
export async function startDriver (): Promise<Driver> {
  const waiting = new Map<string, () => void>()
  const server = createServer((request, response) => {
    let text = ''
    request.setEncoding('utf8').on('data', chunk => { text += String(chunk) }).on('end', () => {
      response.writeHead(204).end()
      const reference = /"reference":"([^"]+)"/.exec(text)?.[1] ?? ''
      const resolve = waiting.get(reference)
      waiting.delete(reference)
      resolve?.()
    })
  })
  server.keepAliveTimeout = 600_000
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')

  async function run (
    url: string, { count, inFlight, maxMs = 60_000 }: LifecycleOptions,
  ): Promise<{ durationMs: number, latenciesMs: number[] }> {
    const connections = await openConnections(url, inFlight)
    const latenciesMs: number[] = []
    const startedAt = performance.now()
    let left = count
    let isOver = false
    const drive = async (connection: (typeof connections)[number]): Promise<void> => {
      while (!isOver && performance.now() - startedAt < maxMs && (left -= 1) >= 0) {
        const createdAt = performance.now()
        const { reference, request } = newLifecycle()
        const notified = new Promise<void>(resolve => waiting.set(reference, resolve))
        const id = await new Promise<string>((resolve, reject) => connection.send(request, ({ status, body }) => {
          const id = /"id":"([^"]+)"/.exec(body.toString('latin1'))?.[1]
          if (status === 201 && id !== undefined) resolve(id)
          else reject(new Error(`create returned ${status}: ${body.toString()}`))
        }))
        await notified
        latenciesMs.push(performance.now() - createdAt)
        await new Promise<void>((resolve, reject) => connection.send(read(id), ({ status, body }) =>
          status === 200 && body.includes('"status":"verified"')
            ? resolve()
            : reject(new Error(`read returned ${status}`))))
      }
    }
    let timer: NodeJS.Timeout | undefined
    const timeout = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(
        () =>
          reject(new Error(`${latenciesMs.length} lifecycles have ended; the others are stuck`)), maxMs + maxOverrunMs,
      )
    })
    try {
      await Promise.race([Promise.all(connections.map(drive)), timeout])
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

/** Runs lifecycles, and returns the cost of one. */
export async function measureLifecycles (
  { url, processes, driver }: LifecycleTarget, redis: RedisMeter, options: LifecycleOptions,
): Promise<LifecycleSample> {
  await Promise.all(processes.map(process => process.usage({ collect: true })))
  const [redisBefore, ...before] = await Promise.all([redis.usage(), ...processes.map(process => process.usage())])
  const { durationMs, latenciesMs } = await driver.run(url, options)
  const [redisAfter, ...after] = await Promise.all([redis.usage(), ...processes.map(process => process.usage())])
  const count = latenciesMs.length
  const each = after.map(({ cpuMicros }, at) => (cpuMicros - (before[at]?.cpuMicros ?? 0)) / count)
  const commands = countCommands(redisBefore, redisAfter)
  const sorted = latenciesMs.sort((a, b) => a - b)
  return {
    cpuMicros: each.reduce((sum, micros) => sum + micros, 0),
    byProcess: Object.fromEntries(each.map((micros, at) => [processes[at]?.name ?? '', micros])),
    redisMicros: (redisAfter.cpuMicros - redisBefore.cpuMicros) / count,
    redisCommands: Object.values(commands).reduce((sum, count) => sum + count, 0) / count,
    commands: Object.fromEntries(
      Object.entries(commands).map(([name, calls]) => [name, Number((calls / count).toFixed(2))]),
    ),
    ratePerSecond: count / durationMs * 1000,
    p50Ms: sorted[Math.floor(sorted.length * 0.5)] ?? NaN,
    p99Ms: sorted[Math.floor(sorted.length * 0.99)] ?? NaN,
  }
}

