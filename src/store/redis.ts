import { readFileSync } from 'node:fs'
import { Cluster, Redis } from 'ioredis'
import type { ClusterOptions, DNSLookupFunction, RedisOptions, Result } from 'ioredis'
import { CommandTimeout, CorkedRedis } from './commands.ts'
import { SentinelMasterConnector } from './sentinel-connector.ts'

/** A connection to Redis or Valkey: standalone, found through Sentinel, or a Cluster. */
export type RedisClient = Redis | Cluster

/** What a connection is for: requests fail fast, jobs wait until Redis is back, a subscriber only receives. */
export type RedisKind = 'api' | 'worker' | 'subscriber'

export type RedisAddress = { host: string, port: number }

/** The parts of `REDIS_URL`. */
export type RedisTarget = {
  form: 'standalone' | 'sentinel' | 'cluster'
  tls: boolean
  nodes: RedisAddress[]
  username?: string
  password?: string
  db: number
  /** Name of the master group; Sentinel only. */
  masterName?: string
  sentinelUsername?: string
  sentinelPassword?: string
}

type Numbered = [numberOfKeys: number, ...keysAndArguments: (string | Buffer | number)[]]
/** The reply of write.lua and operate.lua, which document it. */
export type WriteReply = [result: number, detail?: Buffer]

declare module 'ioredis' {
  interface RedisCommander<Context> {
    writeRecordBuffer (...args: Numbered): Result<WriteReply, Context>
    operateBuffer (...args: Numbered): Result<WriteReply, Context>
    eraseRecord (...args: Numbered): Result<null, Context>
    lowestMemberBuffer (...args: Numbered): Result<Buffer[], Context>
  }
}

// scripts/bundle.ts finds the files by the text of each URL.
const readText = (file: URL): string => readFileSync(file, 'utf8')
const tables = readText(new URL('tables.lua', import.meta.url))
const readScript = (file: URL): { lua: string } => ({ lua: tables + readText(file) })
const scripts = {
  writeRecord: readScript(new URL('write.lua', import.meta.url)),
  operate: readScript(new URL('operate.lua', import.meta.url)),
  eraseRecord: readScript(new URL('erase.lua', import.meta.url)),
  lowestMember: { lua: readText(new URL('lowest.lua', import.meta.url)) },
}

const forms = 'redis://, rediss://, redis+sentinel://host:port,…/masterName or redis+cluster://host:port,…'
const urlPattern = new RegExp([
  '^redis(?<tls>s?)(?:[+](?<form>sentinel|cluster))?://',
  '(?:(?<user>[^:@]*)(?::(?<pass>.*))?@)?(?<hosts>[^/?#@]+)(?<path>/[^?#]*)?(?:[?](?<query>[^#]*))?$',
].join(''))
const hostPattern = /^(?:\[(?<six>[0-9A-Fa-f:.]+)\]|(?<name>[A-Za-z0-9._-]+))(?::(?<port>\d{1,5}))?$/

const refuse = (why: string): Error => new Error(`REDIS_URL ${why}; it is one of ${forms}`)

const decodePart = (text: string): string => {
  try {
    return decodeURIComponent(text)
  } catch {
    throw refuse('has a % that is not an escape in its user or password')
  }
}

const readAddress = (text: string, defaultPort: number): RedisAddress => {
  const { six, name, port } = hostPattern.exec(text)?.groups ?? {}
  const host = six ?? name
  const number = port === undefined ? defaultPort : Number(port)
  if (host === undefined || number < 1 || number > 65535) throw refuse('has a host that is not host or host:port')
  return { host, port: number }
}

/**
 * Reads `REDIS_URL`. The user and password (percent-encoded) are those of Redis itself; those of Sentinel are
 * `?sentinelUsername=…&sentinelPassword=…`. Throws an `Error` that names REDIS_URL and contains nothing of its value.
 */
export const readRedisUrl = (url: string): RedisTarget => {
  const parts = urlPattern.exec(url)?.groups
  if (parts === undefined) throw refuse('cannot be read')
  const form = parts.form === 'sentinel' || parts.form === 'cluster' ? parts.form : 'standalone'
  const nodes = (parts.hosts ?? '').split(',').map((host) => readAddress(host, form === 'sentinel' ? 26379 : 6379))
  if (form === 'standalone' && nodes.length > 1) throw refuse('has several hosts')

  const path = (parts.path ?? '').split('/').filter((part) => part !== '')
  const masterName = form === 'sentinel' ? path.shift() : undefined
  if (form === 'sentinel' && masterName === undefined) throw refuse('names no master group')
  const db = path.shift() ?? '0'
  if (path.length > 0 || !/^\d{1,4}$/.test(db)) throw refuse('has a path that is not a database number')
  if (form === 'cluster' && db !== '0') throw refuse('names a database, and a Cluster has only 0')

  const query = new URLSearchParams(parts.query ?? '')
  const sentinel = { sentinelUsername: query.get('sentinelUsername'), sentinelPassword: query.get('sentinelPassword') }
  const unknown = [...query.keys()].filter((name) => form !== 'sentinel' || !Object.hasOwn(sentinel, name))
  if (unknown.length > 0) throw refuse('has an unknown parameter')
  return {
    form,
    tls: parts.tls === 's',
    nodes,
    db: Number(db),
    ...(parts.user ? { username: decodePart(parts.user) } : {}),
    ...(parts.pass ? { password: decodePart(parts.pass) } : {}),
    ...(masterName === undefined ? {} : { masterName }),
    ...(sentinel.sentinelUsername ? { sentinelUsername: sentinel.sentinelUsername } : {}),
    ...(sentinel.sentinelPassword ? { sentinelPassword: sentinel.sentinelPassword } : {}),
  }
}

const retryDelay = (times: number): number => Math.min(50 * times, 1000)

/** A blocking connection must not have a command timeout (ioredis #1630). */
const timeoutMs = { api: 1000, worker: null, subscriber: null } satisfies Record<RedisKind, number | null>

// Without a connection a request fails at once, and no command is resent; jobs wait instead. socketTimeout drops a peer
// that died silently (ioredis #1021).
const byKind = {
  api: { enableOfflineQueue: false, maxRetriesPerRequest: 0, socketTimeout: 5000 },
  // A blocked worker gets a reply every ten seconds at the latest.
  worker: { enableOfflineQueue: true, maxRetriesPerRequest: null, socketTimeout: 15_000 },
  subscriber: { enableOfflineQueue: true, maxRetriesPerRequest: null },
} satisfies Record<RedisKind, RedisOptions>

const optionsOf = ({ tls, username, password }: RedisTarget) => ({
  keepAlive: 30_000,
  connectTimeout: 5000,
  // Redis only estimates how long it will be loading, so the client checks more often.
  maxLoadingRetryTime: 500,
  ...(tls ? { tls: {} } : {}),
  ...(username === undefined ? {} : { username }),
  ...(password === undefined ? {} : { password }),
} satisfies RedisOptions)

const keepHostName: DNSLookupFunction = (address, callback) => callback(null, address)

class TimedCluster extends Cluster {
  readonly #timeout = new CommandTimeout(timeoutMs.api)

  override sendCommand (...args: Parameters<Cluster['sendCommand']>): unknown {
    this.#timeout.watch(args[0])
    return super.sendCommand(...args)
  }
}

const openCluster = (target: RedisTarget, kind: RedisKind): Cluster => {
  const { enableOfflineQueue, ...forNodes } = byKind[kind]
  const options = {
    scripts,
    enableOfflineQueue,
    clusterRetryStrategy: retryDelay,
    redisOptions: { ...optionsOf(target), ...forNodes },
    // Six tries 100 ms apart: the client looks for a lost node, and a request still ends within its second.
    ...(kind === 'api' ? { maxRedirections: 6 } : {}),
    // Certificates name hosts, so the host names must not be resolved to addresses.
    ...(target.tls ? { dnsLookup: keepHostName } : {}),
  } satisfies ClusterOptions
  const cluster = new (kind === 'api' ? TimedCluster : Cluster)(target.nodes, options)
  // By default a node connects on its first command and rejects the commands until it is ready.
  if (kind === 'api') cluster.on(
    '+node', (node: Redis) => { if (node.status === 'wait') node.connect().catch(() => {}) },
  )
  return cluster
}

const openRedis = (target: RedisTarget, kind: RedisKind): Redis => {
  const options = {
    ...optionsOf(target),
    ...byKind[kind],
    scripts,
    db: target.db,
    retryStrategy: retryDelay,
    // After a failover the old master replies READONLY; a reconnect finds the new one.
    reconnectOnError: (error) => error.message.includes('READONLY'),
  } satisfies RedisOptions
  if (target.form === 'standalone') return new CorkedRedis({ ...options, ...target.nodes[0] }, timeoutMs[kind])
  return new CorkedRedis({
    ...options,
    Connector: SentinelMasterConnector,
    sentinels: target.nodes,
    sentinelRetryStrategy: retryDelay,
    sentinelCommandTimeout: 1000,
    failoverDetector: true,
    ...(target.masterName === undefined ? {} : { name: target.masterName }),
    ...(target.sentinelUsername === undefined ? {} : { sentinelUsername: target.sentinelUsername }),
    ...(target.sentinelPassword === undefined ? {} : { sentinelPassword: target.sentinelPassword }),
    ...(target.tls ? { enableTLSForSentinelMode: true, sentinelTLS: {} } : {}),
  }, timeoutMs[kind])
}

/**
 * Connects to `REDIS_URL`, and retries for ever. Returns at once; `untilReady` waits. `onError` gets every connection
 * error as a new `Error` with message and code only, because ioredis attaches the command, and with it the password of
 * a failed AUTH. Throws on an invalid URL; the message names REDIS_URL.
 */
export const connectRedis = (
  url: string, kind: RedisKind, { onError }: { onError: (error: Error) => void },
): RedisClient => {
  const target = readRedisUrl(url)
  const redis = target.form === 'cluster' ? openCluster(target, kind) : openRedis(target, kind)
  const report = (error: Error & { code?: unknown }): void =>
    onError(
      Object.assign(new Error(`redis: ${error.message}`), typeof error.code === 'string' ? { code: error.code } : {}),
    )
  redis.on('error', report)
  if (redis instanceof Cluster) redis.on('node error', report)
  return redis
}

/** Resolves when the connection is ready; rejects when it is closed for good before that. */
export const untilReady = (redis: RedisClient): Promise<void> => new Promise((resolve, reject) => {
  if (redis.status === 'ready') return resolve()
  const settle = (): void => {
    redis.off('ready', settle)
    redis.off('end', settle)
    if (redis.status === 'ready') resolve()
    else reject(new Error('redis: connection closed'))
  }
  redis.on('ready', settle)
  redis.on('end', settle)
})
