import { alternate, pick, spreadOf } from '../measure.ts'
import { nextCreate } from '../requests.ts'
import type { CaseContext } from '../case-context.ts'

/** The least that a lifecycle can cost, as the sum of operations that were measured in this run. */
export type Floor = {
  micros: Record<string, number>
  redisMicros: Record<string, number>
  floorMicros: number
  streamsRedisMicros: number
}

const names = ['script', 'get', 'call', 'hmac', 'job', 'stream', 'streamRead'] as const
type Operation = (typeof names)[number]

/**
 * Measures each operation alone. Their sum is the floor: two POSTs and a GET, three outgoing calls (start, profile,
 * webhook), four scripts and three reads, one signature, two jobs.
 */
export async function measureFloor (context: CaseContext): Promise<Floor> {
  const { options, redis } = context
  const provider = await context.startProvider()
  const server = await context.startBaseline('bare')
  const { process } = await context.start({
    name: 'operations', script: new URL('../operations.ts', import.meta.url), core: 'server',
    env: { REDIS_URL: redis.url, PROVIDER_URL: provider.url },
  })
  const count = options.name === 'whole' ? 20_000 : options.name === 'quick' ? 4_000 : 100
  const answers = new Map<string, (micros: number) => void>()
  process.onMessage(message => {
    if ('operation' in message && 'micros' in message) answers.get(String(message.operation))?.(Number(message.micros))
  })
  const micros: Record<string, number> = {}
  const redisMicros: Record<string, number> = {}
  for (const operation of names) {
    const before = await redis.usage()
    micros[operation] = await new Promise<number>(resolve => {
      answers.set(operation, resolve)
      process.send({ operation, count, inFlight: 50 })
    })
    // The warm-up runs half as many.
    redisMicros[operation] = ((await redis.usage()).cpuMicros - before.cpuMicros) / (count * 1.5)
  }
  const prepare = () => () => nextCreate('truecaller.push')
  const post = context.target('bare Fastify', server, { status: 201, prepare })
  const bare = spreadOf(pick((await alternate({ post }, redis, { ...options, rounds: 2 })).post, 'cpuMicros')).median
  const of = (operation: Operation): number => micros[operation] ?? NaN
  // The response to a read is assumed to cost as much as that to a POST with a small body.
  const floorMicros = 3 * bare + 3 * of('call') + 4 * of('script') + 3 * of('get') + of('hmac') + 2 * of('job')
  const redisOf = (operation: Operation): number => redisMicros[operation] ?? NaN
  const streamsRedisMicros = 4 * redisOf('script') + 3 * redisOf('get') + 2 * (
    redisOf('stream') + redisOf('streamRead')
  )
  return { micros: { ...micros, bare }, redisMicros, floorMicros, streamsRedisMicros }
}
