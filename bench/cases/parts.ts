import { alternate, pick, spreadOf } from '../measure.ts'
import { nextCreate } from '../requests.ts'
import type { Stage } from '../stage.ts'

/** What a lifecycle could cost at least, of parts that were measured in this run. */
export type Parts = {
  micros: Record<string, number>
  redisMicros: Record<string, number>
  floorMicros: number
  streamsRedisMicros: number
}

const names = ['script', 'get', 'call', 'hmac', 'job', 'stream', 'streamRead'] as const

/**
 * Each part alone, and their sum: two POSTs and a GET, three calls out (start, profile, webhook), four scripts and two
 * reads, one signature, two jobs.
 */
export async function measureParts (stage: Stage): Promise<Parts> {
  const { options, redis } = stage
  const provider = await stage.startProvider()
  const server = await stage.startAnchor('bare')
  const { process } = await stage.start({
    name: 'parts', script: new URL('../parts.ts', import.meta.url), core: 'server', env: {
      REDIS_URL: redis.url, PROVIDER_URL: provider.url,
    },
  })
  const count = options.name === 'whole' ? 20_000 : options.name === 'quick' ? 4_000 : 100
  const answers = new Map<string, (micros: number) => void>()
  process.onMessage(message => {
    if ('part' in message && 'micros' in message) answers.get(String(message.part))?.(Number(message.micros))
  })
  const micros: Record<string, number> = {}
  const redisMicros: Record<string, number> = {}
  for (const part of names) {
    const before = await redis.usage()
    micros[part] = await new Promise<number>(resolve => {
      answers.set(part, resolve)
      process.send({ part, count, inFlight: 50 })
    })
    // Warming up is half as many again.
    redisMicros[part] = ((await redis.usage()).cpuMicros - before.cpuMicros) / (count * 1.5)
  }
  const post = stage.target('bare Fastify', server, { status: 201, prepare: () => () => nextCreate('truecaller.push') })
  const bare = spreadOf(pick((await alternate({ post }, redis, { ...options, rounds: 2 })).post, 'cpuMicros')).median
  const of = (part: (typeof names)[number]): number => micros[part] ?? NaN
  // An answer to a read costs no less than one to a POST whose body is small.
  const floorMicros = 3 * bare + 3 * of('call') + 4 * of('script') + 3 * of('get') + of('hmac') + 2 * of('job')
  const redisOf = (part: (typeof names)[number]): number => redisMicros[part] ?? NaN
  const streamsRedisMicros = 4 * redisOf('script') + 3 * redisOf('get') + 2 * (
    redisOf('stream') + redisOf('streamRead')
  )
  return { micros: { ...micros, bare }, redisMicros, floorMicros, streamsRedisMicros }
}
