import { randomBytes } from 'node:crypto'
import t, { type Test } from 'tap'
import { createIds } from '../../src/store/ids.ts'
import { createSealer } from '../../src/store/sealing.ts'
import { createKeys, partitions } from '../../src/store/keys.ts'
import { createReplicas } from '../../src/store/replication.ts'
import { createStore, StoreUnavailable } from '../../src/store/record-store.ts'
import { openAdmin, startReplicated, startReplicatedCluster } from '../faults/topology.ts'
import { connectTo, until, watchCommands } from '../helpers/redis.ts'
import { jsonRecords } from './json-records.ts'

t.jobs = 2

const sealer = createSealer(`k1:${randomBytes(32).toString('base64')}`)
const ids = createIds(sealer, { partitions, randomBytes })
const later = { expiresAt: Date.now() + 3_600_000, dueAt: 1 }
const timeoutMs = 300

async function open (t: Test, url: string, count: number) {
  const [redis, waiting] = await Promise.all([connectTo(t, url), connectTo(t, url)])
  const store = createStore(
    { redis, replicas: createReplicas(waiting, { count, timeoutMs }), sealer, ...jsonRecords },
  )
  const write = async (id = ids.newId('app', 3)): Promise<{ id: string, version: string }> => {
    const created = await store.insert(id, 'record', later)
    if (!created.inserted) throw new Error('not created')
    return { id, version: created.version }
  }
  return { redis, store, write }
}

const failureOf = (work: Promise<unknown>): Promise<unknown> =>
  work.then(() => 'none', error => error instanceof StoreUnavailable ? error.code : error)

t.test('what enough replicas have is confirmed, and nothing else', { buffered: true }, async t => {
  const { master, replicas: [, two] } = await startReplicated(t, 2)
  if (two === undefined) throw new Error('not started')
  const { redis, store, write } = await open(t, master.url, 2)
  const replica = openAdmin(t, two.port)

  const { id, version } = await write()
  t.equal(await store.confirm(id, version), true)
  const key = createKeys('vg').record(3, id)
  t.same(await replica.getBuffer(key), await redis.getBuffer(key), 'a replica has it, as it was written')
  t.equal(await redis.pexpiretime(key), later.expiresAt)

  const saved = await store.save(id, version, 'changed', { ...later, publish: '2' })
  t.equal(await store.confirm(id, version), false, 'it is another one')
  t.equal(await store.confirm(id, saved.saved ? saved.version : ''), true)
  t.equal(await store.confirm(id, null), false, 'it is not erased')
  await store.erase(id, { publish: 'erased' })
  t.equal(await store.confirm(id, null), true)
  t.equal(await replica.exists(key), 0)
  t.equal(await store.load(id), null)

  two.pause()
  const { id: other, version: unheard } = await write()
  const from = performance.now()
  t.equal(await failureOf(store.confirm(other, unheard)), 'UNREPLICATED')
  t.equal(await failureOf(store.confirm(id, null)), 'UNREPLICATED', 'also when nothing was written since')
  const ms = performance.now() - from
  t.ok(ms > 1.8 * timeoutMs && ms < 4 * timeoutMs, `${Math.round(ms)} ms for two`)
  two.resume()
  await until(() => store.confirm(other, unheard).catch(() => false), 'the replica hears of it')

  await master.stop()
  t.match(await failureOf(store.confirm(other, unheard)), /DISCONNECTED/)
})

t.test('many at once wait together', { buffered: true }, async t => {
  const { master } = await startReplicated(t, 1)
  const { store, write } = await open(t, master.url, 1)
  const written = await Promise.all(Array.from({ length: 200 }, (_, n) => write(ids.newId('app', n % partitions))))
  let waits = 0
  await watchCommands(t, master.port, ([name]) => { if (name?.toLowerCase() === 'wait') waits += 1 })
  const answers = await Promise.all(written.map(({ id, version }) => store.confirm(id, version)))
  t.ok(answers.every(Boolean))
  await store.confirm(written[0]?.id ?? '', written[0]?.version ?? '')
  await until(() => waits >= 2, 'the commands are told')
  t.equal(waits, 2)
})

t.test('on Cluster, also while a slot moves', { buffered: true }, async t => {
  const { url, masters } = await startReplicatedCluster(t)
  const { redis, store, write } = await open(t, url, 1)
  const all = await Promise.all(
    Array.from({ length: 2 * partitions }, (_, n) => write(ids.newId('app', n % partitions))),
  )
  t.ok((await Promise.all(all.map(({ id, version }) => store.confirm(id, version)))).every(Boolean), 'on every master')
  const claim = { name: 'held', value: 'mine', expiresAt: later.expiresAt, partition: 5 }
  const holder = ids.newId('app', 3)
  const created = await store.insert(holder, 'record', { ...later, claims: [claim] })
  t.equal(await store.confirm(holder, created.inserted ? created.version : '', [claim]), true)
  t.equal(
    await store.confirm(holder, created.inserted ? created.version : '', [{ ...claim, value: 'other' }]), false,
    'and the claims',
  )

  const keys = createKeys('vg')
  const slot = Number(await redis.call('CLUSTER', 'KEYSLOT', keys.due(3)))
  const from = masters[Math.floor(slot / (16384 / 3))]
  const to = masters.find(master => master !== from)
  if (from === undefined || to === undefined) throw new Error('no masters')
  const [stays, goes] = [await write(), await write()]
  await to.admin.call('CLUSTER', 'SETSLOT', slot, 'IMPORTING', from.id)
  await from.admin.call('CLUSTER', 'SETSLOT', slot, 'MIGRATING', to.id)
  await from.admin.migrate('127.0.0.1', to.port, keys.record(3, goes.id), 0, 1000)
  t.same(
    await Promise.all([stays, goes].map(({ id, version }) => store.confirm(id, version))), [true, true],
    'here, and there',
  )
  t.equal(await failureOf(write()), 'TRYAGAIN', 'what has keys here and there, or is new, waits')
  await to.admin.call('CLUSTER', 'SETSLOT', slot, 'NODE', to.id)
  // It holds keys of the slot until it has heard that the slot is another's.
  await until(
    () => from.admin.call('CLUSTER', 'SETSLOT', slot, 'NODE', to.id).then(() => true, () => false),
    'the old master knows', 20_000,
  )
  t.equal(await store.confirm(goes.id, goes.version), true, 'and where all of it is in the end')
})
