import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { Redis } from 'ioredis'
import type { Test } from 'tap'
import { findRedis, launchRedis } from '../../scripts/redis.ts'
import { createIds } from '../../src/store/ids.ts'
import { createSealer } from '../../src/store/sealing.ts'
import { createKeys, partitions } from '../../src/store/keys.ts'
import { connectRedis, untilReady } from '../../src/store/redis.ts'
import { createStore } from '../../src/store/record-store.ts'

/** A Redis that can be killed, and restarted at the same address from the files in its folder. */
export type RestartableRedis = {
  url: string
  port: number
  dir: string
  pid (): number
  /** SIGKILL; resolves once it is gone. */
  kill (): Promise<void>
  /** Resolves once it answers. */
  start (): Promise<void>
  /** Sends one command over a new connection. */
  ask (command: string, ...args: string[]): Promise<unknown>
}

/**
 * `fsync`: how it syncs its append-only file; `no file`: it persists nothing. `binary`: a program that takes the
 * arguments of a Redis server and keeps its pid.
 */
export type RestartableOptions = { fsync: 'everysec' | 'always' | 'no file', dir?: string, binary?: string }

/** Starts a Redis that ends with the test. */
export async function startRestartableRedis (
  t: Test, { fsync, dir: given, binary }: RestartableOptions,
): Promise<RestartableRedis> {
  const dir = given ?? await mkdtemp(join(tmpdir(), 'verigate-mortal-'))
  if (given === undefined) t.teardown(() => rm(dir, { recursive: true, force: true }))
  const options = { binary: binary ?? await findRedis(), dir, persistent: fsync !== 'no file' }
  async function launch (port?: number) {
    const redis = await launchRedis({ ...options, ...(port === undefined ? {} : { port }) })
    t.teardown(redis.stop)
    if (fsync === 'always') await ask(redis.url, 'CONFIG', 'SET', 'appendfsync', 'always')
    return redis
  }
  let running = await launch()
  const { url } = running
  const port = Number(new URL(url).port)
  return {
    url, port, dir,
    pid: () => running.pid,
    async kill () {
      process.kill(running.pid, 'SIGKILL')
      await running.ended
    },
    async start () { running = await launch(port) },
    ask: (command, ...args) => ask(url, command, ...args),
  }
}

async function ask (url: string, command: string, ...args: string[]): Promise<unknown> {
  // No ready check: a Redis that loads its file, or runs a script, must answer, too.
  const redis = new Redis(url, { retryStrategy: null, enableReadyCheck: false }).on('error', () => {})
  try {
    return await redis.call(command, ...args)
  } finally {
    redis.disconnect()
  }
}

type Written = { key: string, at: number }

/** Writes records continuously, as the gateway does, in a namespace that no gateway reads. */
export type Writer = {
  /** The writes that Redis acknowledged. */
  acknowledged: Written[]
  stop (): Promise<void>
  /** The acknowledged writes that Redis no longer has. */
  missing (): Promise<Written[]>
}

/** Starts `lanes` concurrent writers. After an error a writer continues with another record. */
export async function startWriter (t: Test, redisUrl: string, lanes = 32): Promise<Writer> {
  const redis = connectRedis(redisUrl, 'api', { onError: () => {} })
  t.teardown(() => redis.disconnect())
  await untilReady(redis)
  const sealer = createSealer(`k1:${randomBytes(32).toString('base64')}`)
  const ids = createIds(sealer, { partitions, randomBytes })
  const store = createStore({ redis, sealer, encode: text => Buffer.from(text), decode: String, namespace: 'vgw' })
  const keys = createKeys('vgw')
  const acknowledged: Written[] = []
  let isOver = false
  async function write (partition: number): Promise<void> {
    while (!isOver) {
      const id = ids.newId('app', partition)
      const expiresAt = Date.now() + 3_600_000
      const created = await store.insert(
        id, 'x'.repeat(200), { expiresAt, dueAt: expiresAt },
      ).then(({ inserted }) => inserted, () => false)
      if (created) acknowledged.push({ key: keys.record(partition, id), at: performance.now() })
      else await delay(10)
    }
  }
  const all = Promise.all(Array.from({ length: lanes }, (_, lane) => write(lane % partitions)))
  const stop = async (): Promise<void> => {
    isOver = true
    await all
  }
  t.teardown(stop)
  return {
    acknowledged, stop,
    async missing () {
      await untilReady(redis)
      const missing: Written[] = []
      for (let n = 0; n < acknowledged.length; n += 1_000) {
        const some = acknowledged.slice(n, n + 1_000)
        const found = await Promise.all(some.map(({ key }) => redis.exists(key)))
        missing.push(...some.filter((_, at) => found[at] === 0))
      }
      return missing
    },
  }
}
