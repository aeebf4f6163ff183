import type { Config } from '../config.ts'
import { withDeadline } from '../net.ts'
import { createKeys } from '../store/keys.ts'
import { assertRedisConfig } from '../store/preflight.ts'
import { createStore } from '../store/record-store.ts'
import { connectRedis, readRedisUrl, untilReady, type RedisClient } from '../store/redis.ts'
import { createSealer } from '../store/sealing.ts'
import { messageOf, ok, warning, wrong, type Finding } from './finding.ts'

const subject = 'REDIS_URL'
const deadlineMs = 5_000
/** The oldest versions that Verigate supports. */
const minVersion = { redis: 7, valkey: 8 }
const maxClockDifferenceMs = 5_000

export type RedisSettings = Pick<Config, 'redisUrl' | 'sealKeys' | 'sandbox' | 'waitReplicas'>

/** Connects, and reads version and settings. Changes nothing. */
export async function checkRedis (config: RedisSettings): Promise<Finding[]> {
  let lastError = 'no answer within five seconds'
  let redis: RedisClient | null = null
  try {
    redis = connectRedis(config.redisUrl, 'api', { onError: error => { lastError = error.message } })
    await withDeadline(deadlineMs, () => new Error(lastError), untilReady(redis))
    return await inspect(redis, config)
  } catch (error) {
    const isRefused = /WRONGPASS|NOAUTH|NOPERM/.test(messageOf(error))
    const todo = isRefused
      ? 'check its user, password and rights (docs/operations.md#redis)'
      : 'check host and port, TLS (rediss://), and that this machine reaches it'
    return [wrong(subject, error instanceof Error && error.message.startsWith(subject)
      ? messageOf(error, subject)
      : `${messageOf(error, 'redis').replace(/\.$/, '')}: ${todo}`)]
  } finally {
    redis?.disconnect()
  }
}

async function inspect (redis: RedisClient, config: RedisSettings): Promise<Finding[]> {
  const findings: Finding[] = []
  const warn = (message: string): void => { findings.push(warning(subject, `${message}: set appendonly yes`)) }
  const facts = await assertRedisConfig(redis, warn)
  const { form, tls } = readRedisUrl(config.redisUrl)
  const name = `${facts.server} ${facts.version ?? 'of unknown version'}, ${form}${tls ? ' with TLS' : ''}`
  if (Number.parseFloat(facts.version ?? '99') < minVersion[facts.server]) {
    findings.push(wrong(subject, `${name} is too old: Redis 7.0 or Valkey 8 is needed`))
  }
  findings.push(...await inspectSettings(redis, config))
  await assertUsable(redis, config)
  const mode = config.sandbox ? 'sandbox' : 'production'
  const stamp = await redis.get(createKeys('vg').mode)
  if (stamp !== null && stamp !== mode) {
    findings.push(wrong(subject, `is used in the mode ${stamp}: a ${mode} needs its own (another database or server)`))
  }
  return findings.some(({ verdict }) => verdict === 'wrong') ? findings : [ok(subject, name), ...findings]
}

async function inspectSettings (redis: RedisClient, { waitReplicas }: RedisSettings): Promise<Finding[]> {
  const info = await redis.info()
  const read = (name: string): string | undefined => new RegExp(`^${name}:(\\S+)`, 'm').exec(info)?.[1]
  const replicas = Number(read('connected_slaves') ?? 0)
  const sync = await settingOf(redis, 'appendfsync')
  const [seconds = 0, micros = 0] = await redis.time()
  const differenceMs = Math.abs(Date.now() - (Number(seconds) * 1000 + Number(micros) / 1000))
  const findings: (Finding | null)[] = [
    read('maxmemory') === '0'
      ? warning(subject, 'has no maxmemory: set it to twice what you expect (docs/operations.md#size)')
      : null,
    sync === 'no' && read('aof_enabled') === '1'
      ? warning(subject, 'appendfsync is no, so that a crash can lose half a minute: set everysec or always')
      : null,
    replicas < waitReplicas
      ? wrong('REDIS_WAIT_REPLICAS', `is ${waitReplicas}, and Redis has ${replicas} replicas: each write would be 503`)
      : null,
    differenceMs > maxClockDifferenceMs
      ? warning('clock', `differs from that of Redis by ${Math.round(differenceMs / 1000)} s: use NTP on both machines`)
      : null,
  ]
  return findings.filter(finding => finding !== null)
}

/** Null: the account may not read it, as with a managed Redis. */
async function settingOf (redis: RedisClient, name: string): Promise<string | null> {
  try {
    const answer: unknown = await redis.config('GET', name)
    return Array.isArray(answer) && typeof answer[1] === 'string' ? answer[1] : null
  } catch {
    return null
  }
}

/** The account must run the scripts of the store, and reach the keys of the queues. Throws otherwise. */
async function assertUsable (redis: RedisClient, { sealKeys }: RedisSettings): Promise<void> {
  const unused = (): never => { throw new Error('nothing is stored') }
  await createStore({ redis, sealer: createSealer(sealKeys), encode: unused, decode: unused }).ping()
  await redis.exists('{vg}:check')
}
