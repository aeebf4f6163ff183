import { randomBytes } from 'node:crypto'
import t, { type Test } from 'tap'
import { createIds } from '../../src/store/ids.ts'
import { createSealer } from '../../src/store/sealing.ts'
import { createKeys, partitions } from '../../src/store/keys.ts'
import { createReplicas, type Expected } from '../../src/store/replication.ts'
import { createStore, StoreUnavailable, type Claim, type ClaimRelease } from '../../src/store/record-store.ts'
import { openAdmin, startReplicated, startReplicatedCluster } from '../faults/topology.ts'
import { connectTo, startRedis, until, watchCommands } from '../helpers/redis.ts'
import { jsonRecords } from './json-records.ts'

t.jobs = 2

const sealer = createSealer(`k1:${randomBytes(32).toString('base64')}`)
const ids = createIds(sealer, { partitions, randomBytes })
const later = { expiresAt: Date.now() + 3_600_000, dueAt: 1 }
const timeoutMs = 300

async function open (t: Test, url: string, count: number) {
  const [redis, waiting] = await Promise.all([connectTo(t, url), connectTo(t, url)])
  const replicas = createReplicas(waiting, { count, timeoutMs })
  const store = createStore({ redis, replicas, sealer, ...jsonRecords })
  const insert = async (
    id = ids.newId('app', 3), { claims = [] }: { claims?: (Claim & ClaimRelease)[] } = {},
  ): Promise<{ id: string, version: string }> => {
    const result = await store.insert(id, 'record', { ...later, claims })
    if (!result.inserted) throw new Error('not inserted')
    await store.untilReplicated(id, () => claims)
    return { id, version: result.version }
  }
  return { redis, replicas, store, insert }
}

const keys = createKeys('vg')
/** What the record's key must start with. */
const expected = ({ id, version }: { id: string, version: string | null }): Expected => {
  const { partition, recordPrefix } = keys.ofId(id)
  return { partition, key: recordPrefix + id, start: Buffer.from(version ?? '', 'base64') }
}
const failureOf = (work: Promise<unknown>): Promise<unknown> =>
  work.then(() => 'none', error => error instanceof StoreUnavailable ? error.code : error)

t.test('a record is shown only when enough replicas have it', { buffered: true }, async t => {
  const { master, replicas: [, second] } = await startReplicated(t, 2)
  if (second === undefined) throw new Error('not started')
  const { redis, store, insert } = await open(t, master.url, 2)
  const replica = openAdmin(t, second.port)

  const { id, version } = await insert()
  const { key } = expected({ id, version })
  t.same(await replica.getBuffer(key), await redis.getBuffer(key), 'the replica has the record')
  t.equal(await redis.pexpiretime(key), later.expiresAt)
  const saved = await store.save(id, version, 'changed', { ...later, publish: '2' })
  await store.untilReplicated(id)
  t.same(await replica.getBuffer(key), await redis.getBuffer(key), 'and its next version')
  t.strictSame(await store.loadReplicated(id), { record: 'changed', version: saved.saved ? saved.version : '' })
  t.equal(await redis.pexpiretime(key), later.expiresAt, 'a wait changes nothing')
  await store.erase(id, { publish: 'erased' })
  t.equal(await replica.exists(key), 0)
  t.equal(await store.loadReplicated(id), null)

  const kept = await insert()
  second.pause()
  const other = ids.newId('app', 3)
  const from = performance.now()
  t.equal(await failureOf(insert(other)), 'UNREPLICATED')
  t.ok(performance.now() - from > 0.9 * timeoutMs, 'not before the time is up')
  await store.save(kept.id, kept.version, 'x', { ...later, publish: '2' })
  t.equal(await failureOf(store.untilReplicated(kept.id)), 'UNREPLICATED', 'the write itself has happened')
  t.equal(await failureOf(store.erase(kept.id, { publish: 'erased' })), 'UNREPLICATED')
  t.equal(await failureOf(store.loadReplicated(other)), 'UNREPLICATED', 'also when nothing was written since')
  second.resume()
  await until(() => store.loadReplicated(other).then(found => found !== null, () => false), 'the replica catches up')

  await master.stop()
  t.match(await failureOf(store.loadReplicated(other)), /DISCONNECTED/)
})

t.test('only the expected value is confirmed', { buffered: true }, async t => {
  const { master } = await startReplicated(t, 1)
  const { replicas, store, insert } = await open(t, master.url, 1)
  const first = await insert()
  t.equal(await replicas.confirm(expected(first)), true)
  t.equal(await replicas.confirm(expected({ ...first, version: null })), false, 'the key exists')
  await store.save(first.id, first.version, 'changed', { ...later, publish: '2' })
  await store.untilReplicated(first.id)
  t.equal(await replicas.confirm(expected(first)), false, 'another version')
  await store.erase(first.id, { publish: 'erased' })
  t.equal(await replicas.confirm(expected({ ...first, version: null })), true, 'the key is gone')
})

t.test('concurrent waits share one WAIT', { buffered: true }, async t => {
  const { master } = await startReplicated(t, 1)
  const { replicas, insert } = await open(t, master.url, 1)
  const written = await Promise.all(Array.from({ length: 200 }, (_, n) => insert(ids.newId('app', n % partitions))))
  let waits = 0
  await watchCommands(t, master.port, ([name]) => { if (name?.toLowerCase() === 'wait') waits += 1 })
  const answers = await Promise.all(written.map(one => replicas.confirm(expected(one))))
  t.ok(answers.every(Boolean))
  const [first] = written
  if (first !== undefined) t.ok(await replicas.confirm(expected(first)))
  await until(() => waits >= 2, 'the server reports the commands')
  t.equal(waits, 2)
})

t.test('Cluster, also while a slot moves', { buffered: true }, async t => {
  const { url, masters } = await startReplicatedCluster(t)
  const { redis, store, insert } = await open(t, url, 1)
  const all = await Promise.all(
    Array.from({ length: 2 * partitions }, (_, n) => insert(ids.newId('app', n % partitions))),
  )
  const loaded = await Promise.all(all.map(({ id }) => store.loadReplicated(id)))
  t.ok(loaded.every(found => found !== null), 'on every master')
  const claim = { name: 'held', value: 'mine', expiresAt: later.expiresAt, partition: 5 }
  const holder = await insert(ids.newId('app', 3), { claims: [claim] })
  t.match(await store.loadReplicated(holder.id, () => [claim]), { version: holder.version })
  t.equal(
    await failureOf(store.loadReplicated(holder.id, () => [{ ...claim, value: 'other' }])), 'UNREPLICATED',
    'the claims are compared as well',
  )

  const slot = Number(await redis.call('CLUSTER', 'KEYSLOT', keys.due(3)))
  const from = masters[Math.floor(slot / (16384 / 3))]
  const to = masters.find(master => master !== from)
  if (from === undefined || to === undefined) throw new Error('no masters')
  const [stays, goes] = [await insert(), await insert()]
  await to.admin.call('CLUSTER', 'SETSLOT', slot, 'IMPORTING', from.id)
  await from.admin.call('CLUSTER', 'SETSLOT', slot, 'MIGRATING', to.id)
  await from.admin.migrate('127.0.0.1', to.port, keys.record(3, goes.id), 0, 1000)
  t.match(
    await Promise.all([stays, goes].map(({ id }) => store.loadReplicated(id))),
    [{ version: stays.version }, { version: goes.version }], 'on the old master and on the new one',
  )
  t.equal(await failureOf(insert()), 'TRYAGAIN', 'a write with keys on both, or with new ones, has to wait')
  await to.admin.call('CLUSTER', 'SETSLOT', slot, 'NODE', to.id)
  // The old master holds keys of the slot until it knows that the slot belongs to another node.
  await until(
    () => from.admin.call('CLUSTER', 'SETSLOT', slot, 'NODE', to.id).then(() => true, () => false),
    'the old master knows', 20_000,
  )
  t.match(await store.loadReplicated(goes.id), { version: goes.version }, 'and where the slot is in the end')
})

t.test('a record that changes while it is confirmed is read and confirmed again', { buffered: true }, async t => {
  const { url } = await startRedis(t)
  const redis = await connectTo(t, url)
  let confirmed = 0
  const store = createStore({
    redis, sealer, ...jsonRecords, replicas: { confirm: async () => (confirmed += 1) % 5 === 0 },
  })
  const id = ids.newId('app', 3)
  await store.insert(id, 'record', later)
  t.match(await store.loadReplicated(id), { record: 'record' })
  t.equal(confirmed, 5)
  const never = createStore({ redis, sealer, ...jsonRecords, replicas: { confirm: async () => false } })
  t.equal(await failureOf(never.untilReplicated(id)), 'UNREPLICATED')
})
