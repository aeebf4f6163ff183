import { createServer } from 'node:http'
import { exchange, type Connection } from './connection.ts'
import { openConnections } from './load.ts'
import type { Measured } from './processes.ts'
import { countCommands, type RedisMeter } from './redis.ts'
import { newCreate, read } from './requests.ts'

/** The cost of one lifecycle. */
export type LifecycleSample = {
  cpuMicros: number, redisMicros: number, redisCommands: number, ratePerSecond: number, p50Ms: number, p99Ms: number
}

/** A server that runs lifecycles, its process, and the driver that requests them. */
export type LifecycleTarget = { url: string, process: Measured, driver: Pick<Driver, 'run'> }

/**
 * Closed loop: `count` lifecycles, `inFlight` at once; none starts after `maxMs`. Open loop: one is due every
 * 1 / `ratePerSecond` for `durationMs`, whatever happened to the earlier ones.
 */
export type LifecycleOptions =
  | { count: number, inFlight: number, maxMs?: number }
  | { ratePerSecond: number, durationMs: number }

export type Driver = {
  webhookUrl: string
  run (url: string, options: LifecycleOptions): Promise<{ durationMs: number, latenciesMs: number[] }>
  close (): Promise<void>
}

/** How long the running lifecycles may take after the last one has started. */
const maxOverrunMs = 60_000
const openLoopConnections = 200

/** The app: it creates a verification, waits for the webhook `verified`, and reads the verification. */
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

  async function runOne (connection: Connection): Promise<void> {
    const { reference, request } = newCreate('truecaller.push')
    const notified = new Promise<void>(resolve => waiting.set(reference, resolve))
    const created = await exchange(connection, request, [201])
    await notified
    const result = await exchange(connection, read(/"id":"([^"]+)"/.exec(created)?.[1] ?? ''), [200])
    if (!result.includes('"status":"verified"')) throw new Error(`not verified: ${result}`)
  }

  return {
    webhookUrl: `http://127.0.0.1:${address.port}/webhook`,
    run: (url, options) => runMany(url, options, runOne),
    close: () => new Promise(resolve => {
      server.close(() => resolve())
      server.closeAllConnections()
    }),
  }
}

/** Runs `runOne` as often as the options say. */
async function runMany (
  url: string, options: LifecycleOptions, runOne: (connection: Connection) => Promise<void>,
): ReturnType<Driver['run']> {
  const connections = await openConnections(url, 'count' in options ? options.inFlight : openLoopConnections)
  const latenciesMs: number[] = []
  const startedAt = performance.now()
  const timed = async (connection: Connection, dueAt: number): Promise<void> => {
    await runOne(connection)
    latenciesMs.push(performance.now() - dueAt)
  }
  const maxMs = 'count' in options ? options.maxMs ?? 60_000 : options.durationMs
  let timer: NodeJS.Timeout | undefined
  const timeout = new Promise<never>((_resolve, reject) => {
    const error = (): void => reject(new Error(`${latenciesMs.length} lifecycles have ended; the others are stuck`))
    timer = setTimeout(error, maxMs + maxOverrunMs)
  })
  try {
    await Promise.race([
      timeout,
      'count' in options ? runClosed(connections, timed, options.count, maxMs) : runOpen(connections, timed, options),
    ])
  } finally {
    clearTimeout(timer)
    for (const connection of connections) connection.close()
  }
  return { durationMs: performance.now() - startedAt, latenciesMs }
}

/** Sends the same requests again and again, each after the response to the one before. */
export const repeatRequests = (requests: readonly string[]): Pick<Driver, 'run'> => ({
  run: (url, options) => runMany(url, options, async connection => {
    for (const request of requests) await exchange(connection, request, [200, 201])
  }),
})

type Timed = (connection: Connection, dueAt: number) => Promise<void>

async function runClosed (connections: Connection[], timed: Timed, count: number, maxMs: number): Promise<void> {
  const startedAt = performance.now()
  let left = count
  await Promise.all(connections.map(async connection => {
    while (performance.now() - startedAt < maxMs && (left -= 1) >= 0) await timed(connection, performance.now())
  }))
}

function runOpen (
  connections: Connection[], timed: Timed, { ratePerSecond, durationMs }: { ratePerSecond: number, durationMs: number },
): Promise<void> {
  const startedAt = performance.now()
  const total = Math.floor(durationMs * ratePerSecond / 1000)
  const idle = [...connections]
  let [begun, ended] = [0, 0]
  return new Promise((resolve, reject) => {
    const begin = (): void => {
      const due = Math.min(total, (performance.now() - startedAt) * ratePerSecond / 1000)
      while (begun < due) {
        const connection = idle.pop()
        if (connection === undefined) return
        const dueAt = startedAt + begun * 1000 / ratePerSecond
        begun += 1
        timed(connection, dueAt).then(() => {
          idle.push(connection)
          if ((ended += 1) === total) finish(resolve)
        }, (error: Error) => finish(() => reject(error)))
      }
    }
    const timer = setInterval(begin, 1)
    const finish = (settle: () => void): void => {
      clearInterval(timer)
      settle()
    }
  })
}

/** Runs lifecycles, and returns the cost of one. */
export async function measureLifecycles (
  { url, process, driver }: LifecycleTarget, redis: RedisMeter, options: LifecycleOptions,
): Promise<LifecycleSample> {
  const [redisBefore, before] = await Promise.all([redis.usage(), process.usage()])
  const { durationMs, latenciesMs } = await driver.run(url, options)
  const [redisAfter, after] = await Promise.all([redis.usage(), process.usage()])
  const count = latenciesMs.length
  const commands = Object.values(countCommands(redisBefore, redisAfter)).reduce((sum, count) => sum + count, 0)
  const sorted = latenciesMs.sort((a, b) => a - b)
  return {
    cpuMicros: (after.cpuMicros - before.cpuMicros) / count,
    redisMicros: (redisAfter.cpuMicros - redisBefore.cpuMicros) / count,
    redisCommands: commands / count,
    ratePerSecond: count / durationMs * 1000,
    p50Ms: sorted[Math.floor(sorted.length * 0.5)] ?? NaN,
    p99Ms: sorted[Math.floor(sorted.length * 0.99)] ?? NaN,
  }
}
