import { connect, type Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { writeRequest } from '../connection.ts'
import { apiKey } from '../gateway.ts'
import { sendMany } from '../load.ts'
import { spreadOf } from '../measure.ts'
import { read } from '../requests.ts'
import { countCommands } from '../redis.ts'
import type { Case, RunningGateway, CaseContext } from '../case-context.ts'

/** A verification accepts at most twenty streams. */
const watchersPerVerification = 20

type Watched = { id: string, watchers: Watcher[] }
type Watcher = { nextChunk (): Promise<void>, close (): void }

/** Opens a request whose response comes in chunks. */
async function watch (url: string, request: string): Promise<Watcher> {
  const { hostname, port } = new URL(url)
  const socket: Socket = connect({ host: hostname, port: Number(port), noDelay: true })
  let onChunk: () => void = () => {}
  const nextChunk = (): Promise<void> => new Promise(resolve => { onChunk = resolve })
  socket.on('error', () => {}).on('data', () => onChunk())
  await new Promise<void>(resolve => socket.once('connect', resolve))
  const first = nextChunk()
  socket.write(request, 'latin1')
  await first
  return { nextChunk, close: () => { socket.destroy() } }
}

const authorization = `authorization: Bearer ${apiKey}\r\n`

async function createWithManyAttempts ({ url }: RunningGateway, count: number): Promise<string[]> {
  const ids: string[] = []
  // Each `next` starts another attempt, which is a change.
  const body = JSON.stringify({ workflow: Array.from({ length: 10 }, () => 'truecaller.web') })
  await sendMany({
    url, count, status: 201, next: () => writeRequest('POST', '/verifications', { headers: authorization, body }),
    onAnswer: answer => ids.push(/"id":"(ver_[^"]+)"/.exec(answer.body.toString('latin1'))?.[1] ?? ''),
  })
  return ids
}

const change = (id: string): string =>
  writeRequest('POST', `/verifications/${id}/next`, { headers: authorization, body: '{}' })

/** Many streams and long polls: the cost of an event, and the time until all clients of a verification have it. */
export const live: Case = {
  name: 'live',
  goals: [],
  async run (context: CaseContext) {
    const { options, redis } = context
    const provider = await context.startProvider()
    const gateway = await context.startGateway({ providerUrl: provider.url })
    const verifications = options.name === 'smoke' ? 2 : 50

    const watched: Watched[] = []
    for (const id of await createWithManyAttempts(gateway, verifications)) {
      const stream = writeRequest('GET', `/verifications/${id}/events`, { headers: authorization })
      watched.push(
        {
          id,
          watchers: await Promise.all(
            Array.from({ length: watchersPerVerification }, () => watch(gateway.url, stream)),
          ),
        },
      )
    }
    const latenciesMs: number[] = []
    const changes = 8
    const [usageBefore, redisBefore] = await Promise.all([gateway.process.usage(), redis.usage()])
    for (let at = 0; at < changes; at += 1) {
      for (const { id, watchers } of watched) {
        const all = Promise.all(watchers.map(watcher => watcher.nextChunk()))
        const changedAt = performance.now()
        await sendMany({ url: gateway.url, status: 200, count: 1, connections: 1, next: () => change(id) })
        await all
        latenciesMs.push(performance.now() - changedAt)
      }
    }
    const [usageAfter, redisAfter] = await Promise.all([gateway.process.usage(), redis.usage()])
    for (const { watchers } of watched) for (const watcher of watchers) watcher.close()
    const total = changes * verifications
    const figures = {
      watchers: verifications * watchersPerVerification,
      cpuMicrosPerEvent: (usageAfter.cpuMicros - usageBefore.cpuMicros) / (total * watchersPerVerification),
      redisCommandsPerChange: Object.values(
        countCommands(redisBefore, redisAfter),
      ).reduce((sum, count) => sum + count, 0) / total,
      lastToldMs: spreadOf(latenciesMs),
    }
    context.record('streams', figures)
    context.say(
      `  ${figures.watchers} streams, ${watchersPerVerification} per verification: `
        + `${figures.cpuMicrosPerEvent.toFixed(1)} µs per event, the last client has it after `
        + `${figures.lastToldMs.median.toFixed(2)} ms (at most ${figures.lastToldMs.max.toFixed(1)}), `
        + `${figures.redisCommandsPerChange.toFixed(1)} Redis commands per change`,
    )
    await poll(context, gateway)
  },
}

/** Long polls, one per verification. All verifications change at the same time. */
async function poll (context: CaseContext, gateway: RunningGateway): Promise<void> {
  const { redis } = context
  const ids = await createWithManyAttempts(gateway, context.options.name === 'smoke' ? 10 : 1_000)
  const sockets = await Promise.all(ids.map(id => new Promise<Socket>(resolve => {
    const { hostname, port } = new URL(gateway.url)
    const socket: Socket = connect({ host: hostname, port: Number(port), noDelay: true }, () => {
      socket.write(read(id, '?wait=30'), 'latin1')
      resolve(socket)
    })
    socket.on('error', () => {})
  })))
  // Each poll reads its record before it waits, and nothing shows when it has.
  await delay(1_000)
  const [usageBefore, redisBefore] = await Promise.all([gateway.process.usage(), redis.usage()])
  const startedAt = performance.now()
  const notified = Promise.all(
    sockets.map(socket => new Promise<void>(resolve => socket.once('data', () => resolve()))),
  )
  const left = [...ids]
  await sendMany({ url: gateway.url, status: 200, count: ids.length, next: () => change(left.pop() ?? ids[0] ?? '') })
  await notified
  const tookMs = performance.now() - startedAt
  const [usageAfter, redisAfter] = await Promise.all([gateway.process.usage(), redis.usage()])
  for (const socket of sockets) socket.destroy()
  const figures = {
    polls: ids.length, tookMs,
    cpuMicrosPerChange: (usageAfter.cpuMicros - usageBefore.cpuMicros) / ids.length,
    redisCommandsPerChange: Object.values(
      countCommands(redisBefore, redisAfter),
    ).reduce((sum, count) => sum + count, 0) / ids.length,
  }
  context.record('long polls', figures)
  context.say(
    `  ${figures.polls} long polls, each verification changed once: ${figures.cpuMicrosPerChange.toFixed(1)} µs per `
      + `change and response, ${figures.redisCommandsPerChange.toFixed(1)} Redis commands`,
  )
}
