import { randomBytes } from 'node:crypto'
import { mkdir, rm } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { Redis } from 'ioredis'
import t, { type Test } from 'tap'
import { createIds } from '../../src/store/ids.ts'
import { createSealer } from '../../src/store/sealing.ts'
import { createKeys, partitions } from '../../src/store/keys.ts'
import { createStore, StoreUnavailable } from '../../src/store/record-store.ts'
import { connectTo, startCluster, startRedis, until } from '../helpers/redis.ts'
import { jsonRecords } from './json-records.ts'

const sealer = createSealer(`k1:${randomBytes(32).toString('base64')}`)
const ids = createIds(sealer, { partitions, randomBytes })
const later = { expiresAt: Date.now() + 3_600_000, dueAt: 1 }
const commandTimeoutMs = 1000

const open = async (t: Test, url: string) => {
  const redis = await connectTo(t, url)
  const reported: (string | null)[] = []
  const report = (durationMs: number, code: string | null): void => {
    if (!(durationMs >= 0 && durationMs < 60_000)) throw new RangeError(`${durationMs} ms`)
    reported.push(code)
  }
  return { redis, reported, store: createStore({ redis, sealer, ...jsonRecords, report }) }
}

const calls = (store: Awaited<ReturnType<typeof open>>['store']) => {
  const id = ids.newId('app', 3)
  const claims = [{ name: 'secret-name', value: 'secret-value', expiresAt: later.expiresAt }]
  return {
    insert: () => store.insert(id, 'secret-record', { ...later, claims }),
    load: () => store.load(id),
    save: () => store.save(id, 'AAAA', 'secret-record', { ...later, publish: 'secret-text' }),
    erase: () => store.erase(id, { publish: 'secret-text' }),
    claimOf: () => store.claimOf({ partition: 3, name: 'secret-name' }),
    due: () => store.due(3, 1, 10),
    reschedule: () => store.reschedule(id, 1),
    find: () => store.find('secret-name', 10),
    firstDue: () => store.firstDue(),
    first: () => store.first('secret-name'),
    removeFromIndex: () => store.removeFromIndex(id, 'secret-name'),
    ping: () => store.ping(),
  }
}

/** How much later the work ends than a timer of the command timeout. A busy machine delays both. */
const lateness = async (work: Promise<unknown>): Promise<number> => {
  const ends = [work, delay(commandTimeoutMs)].map((part) => part.then(() => performance.now()))
  const [end = 0, due = 0] = await Promise.all(ends)
  return Math.round(end - due)
}

/** The error of a call that must fail. It must be a `StoreUnavailable` and contain no key and no value. */
const failureOf = async (t: Test, call: () => Promise<unknown>): Promise<StoreUnavailable | null> => {
  try {
    await call()
  } catch (error) {
    if (!(error instanceof StoreUnavailable)) throw error
    t.notMatch(JSON.stringify({ ...error, stack: error.stack, cause: error.cause }), /secret|ver_|\{q/)
    return error
  }
  t.fail('did not fail')
  return null
}

t.test('a frozen server: every call fails within the command timeout, and works afterwards', async (t) => {
  const server = await startRedis(t)
  const { store, reported } = await open(t, server.url)
  server.pause()
  const late = await lateness(Promise.all(Object.values(calls(store)).map(async (call) => {
    t.equal((await failureOf(t, call))?.code, 'TIMEOUT')
  })))
  t.ok(late < commandTimeoutMs, `${late} ms late`)
  t.strictSame(reported, Object.keys(calls(store)).map(() => 'TIMEOUT'), 'each is reported')
  server.resume()
  await until(() => store.ping().then(() => true, () => false), 'it works again', 2000)
  reported.length = 0
  t.ok((await calls(store).insert()).inserted)
  t.strictSame(reported, [null])
})

t.test('a stopped server: every call fails at once', async (t) => {
  const server = await startRedis(t)
  const { redis, store } = await open(t, server.url)
  const closed = new Promise((resolve) => { redis.once('close', resolve) })
  await server.stop()
  await closed
  for (const call of Object.values(calls(store))) t.equal((await failureOf(t, call))?.code, 'DISCONNECTED')
})

t.test('ping fails when the server forbids scripts', async (t) => {
  const server = await startRedis(t)
  const { redis, store } = await open(t, server.url)
  await store.ping()
  await redis.script('FLUSH')
  await store.ping()
  await redis.call('ACL', 'SETUSER', 'default', '-@scripting')
  t.equal((await failureOf(t, () => store.ping()))?.code, 'NOPERM')
  t.equal(await redis.ping(), 'PONG')
  await redis.call('ACL', 'SETUSER', 'default', '+@scripting')
  await store.ping()
})

t.test('a command in flight is not sent again when the connection breaks', async (t) => {
  const server = await startRedis(t)
  const { redis, store } = await open(t, server.url)
  server.pause()
  const { insert } = calls(store)
  const failing = failureOf(t, insert)
  await new Promise((resolve) => { setImmediate(resolve) })
  if (redis instanceof Redis) redis.stream.destroy()
  t.equal((await failing)?.code, 'DISCONNECTED')
  server.resume()
  await until(() => store.claimOf({ partition: 3, name: 'any' }).then(() => true, () => false), 'it works again')
  t.match(await redis.info('commandstats'), /cmdstat_eval:calls=1,/)
})

t.test('a server that rejects commands', async (t) => {
  const server = await startRedis(t)
  const { redis, store } = await open(t, server.url)

  await t.test('full', async (t) => {
    await redis.config('SET', 'maxmemory', '1')
    const { insert, load } = calls(store)
    t.equal((await failureOf(t, insert))?.code, 'OOM')
    t.equal(await load(), null, 'nothing was written, and reads work')
    await redis.config('SET', 'maxmemory', '0')
  })

  await t.test('too few replicas', async (t) => {
    await redis.config('SET', 'min-replicas-to-write', '1')
    const { insert, erase } = calls(store)
    for (const write of [insert, erase]) t.equal((await failureOf(t, write))?.code, 'NOREPLICAS')
    await redis.config('SET', 'min-replicas-to-write', '0')
  })

  await t.test('its disk is full', async (t) => {
    const folder = (await redis.config('GET', 'dir') as string[])[1] ?? ''
    await redis.config('SET', 'save', '3600 1')
    // A folder in place of the file makes the save fail.
    await mkdir(`${folder}/dump.rdb/in-the-way`, { recursive: true })
    await redis.set('something', 'changed')
    await redis.bgsave().catch(() => {})
    await until(async () => /rdb_last_bgsave_status:err/.test(await redis.info('persistence')), 'the failure')
    const { insert, erase } = calls(store)
    for (const write of [insert, erase]) t.equal((await failureOf(t, write))?.code, 'MISCONF')
    await redis.config('SET', 'save', '')
    await rm(`${folder}/dump.rdb`, { recursive: true })
  })

  await t.test('a key of another type, without its name in the error', async (t) => {
    await redis.lpush(createKeys('vg').table(3, 'secret-name'), 'x')
    t.equal((await failureOf(t, calls(store).claimOf))?.code, 'ERROR')
  })

  await t.test('without permission', async (t) => {
    await redis.call('ACL', 'SETUSER', 'default', '-get')
    t.equal((await failureOf(t, calls(store).load))?.code, 'NOPERM')
    await redis.call('ACL', 'SETUSER', 'default', '+get')
  })

  await t.test('a replica', async (t) => {
    const replica = await startRedis(t)
    const other = await open(t, replica.url)
    await other.redis.call('REPLICAOF', '127.0.0.1', String(server.port))
    t.equal((await failureOf(t, calls(other.store).insert))?.code, 'READONLY')
  })
})

t.test('Cluster: slots without a master', async (t) => {
  const { url, nodes } = await startCluster(t, ['--cluster-node-timeout', '1000'])
  const { redis, store } = await open(t, url)
  const keys = createKeys('vg')
  const slot = Number(await redis.call('CLUSTER', 'KEYSLOT', keys.due(3)))
  const third = Math.floor(slot / (16384 / 3))

  nodes[third]?.pause()
  const failing = failureOf(t, calls(store).insert)
  const late = await lateness(failing)
  t.equal((await failing)?.code, 'TIMEOUT')
  t.ok(late < commandTimeoutMs, `${late} ms late`)
  nodes[third]?.resume()
  await until(() => calls(store).load().then(() => true, () => false), 'it works again')

  await nodes[third]?.stop()
  await until(async () => {
    const error = await failureOf(t, calls(store).insert)
    return error?.code === 'CLUSTERDOWN'
  }, 'the cluster notices')
})
