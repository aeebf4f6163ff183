import { randomBytes } from 'node:crypto'
import t from 'tap'
import { createIds } from '../../src/store/ids.ts'
import { createSealer } from '../../src/store/sealing.ts'
import { createKeys, packId, partitions } from '../../src/store/keys.ts'
import { createStore } from '../../src/store/record-store.ts'
import { connectTo, startCluster, startRedis } from '../helpers/redis.ts'
import type { Json } from '../../src/core/vocabulary.ts'
import { jsonRecords } from './json-records.ts'

const thing = (text: string): Json => ({ version: 1, text })

const sealer = createSealer(`k1:${randomBytes(32).toString('base64')}`)
const ids = createIds(sealer, { partitions, randomBytes })
const newId = (partition = 3): string => ids.newId('app', partition)
const hour = 3_600_000
const later = { expiresAt: Date.now() + hour, dueAt: null }
const newName = (): string => sealer.keyedHash('test', randomBytes(8).toString('hex'))

for (const [name, start] of [['standalone', startRedis], ['Cluster', startCluster]] as const) {
  t.test(name, async (t) => {
    const { url } = await start(t)
    const redis = await connectTo(t, url)
    const store = createStore({ redis, sealer, ...jsonRecords })
    const keys = createKeys('vg')
    const claimOf = (partition: number, name: string) => store.claimOf({ partition, name })
    const ttl = async (key: string): Promise<number> => redis.pexpiretime(key)

    /** A record that exists, with its version. */
    const write = async (id: string, text = 'one', options = {}): Promise<string> => {
      const created = await store.insert(id, thing(text), { ...later, ...options })
      if (!created.inserted) throw new Error('not created')
      return created.version
    }

    await t.test('of 20 inserts with one claim exactly one is written', async (t) => {
      const claim = { name: newName(), expiresAt: Date.now() + hour }
      const own = Array.from({ length: 20 }, () => newId())
      const results = await Promise.all(
        own.map((id) => store.insert(id, thing(id), { ...later, claims: [{ ...claim, value: id }] })),
      )
      const winners = own.filter((_, at) => results[at]?.inserted)
      t.equal(winners.length, 1)
      const conflict = { inserted: false, claimConflict: { name: claim.name, value: winners[0] } }
      for (const result of results) if (!result.inserted) t.strictSame(result, conflict)
      t.equal(await claimOf(3, claim.name), winners[0])
      t.equal(await ttl(keys.table(3, claim.name)), claim.expiresAt)
      t.equal((await Promise.all(own.map((id) => store.load(id)))).filter((stored) => stored !== null).length, 1)
    })

    await t.test('a claim without a value is held by the record', async (t) => {
      const [holder, claim] = [newId(), { name: newName(), expiresAt: Date.now() + hour }]
      await write(holder, 'holder', { claims: [claim] })
      t.equal(await claimOf(3, claim.name), packId(holder))
      const refused = await store.insert(newId(), thing('other'), { ...later, claims: [claim] })
      t.strictSame(refused, { inserted: false, claimConflict: { name: claim.name, value: packId(holder) } })
    })

    await t.test('a claim conflict changes nothing', async (t) => {
      const [free, held] = [newName(), newName()]
      const holder = newId()
      const heldClaim = { name: held, value: holder, expiresAt: Date.now() + hour }
      await write(holder, 'holder', { claims: [heldClaim] })
      const id = newId()
      const claims = [free, held].map((name) => ({ name, value: id, expiresAt: Date.now() + hour }))
      const listings = [{ name: newName(), expiresAt: Date.now() + hour }]
      const refused = await store.insert(id, thing('one'), { ...later, dueAt: 1, claims, listings })
      t.strictSame(refused, { inserted: false, claimConflict: { name: held, value: holder } })
      t.equal(await store.load(id), null)
      t.equal(await claimOf(3, free), null)
      t.notOk((await store.due(3, 1, 10)).includes(id))
      t.strictSame(await store.find(listings[0]?.name ?? '', 10), [])

      const version = await write(id)
      const saved = await store.save(id, version, thing('two'), { ...later, dueAt: 1, claims, listings, publish: '2' })
      t.strictSame(saved, { saved: false, claimConflict: { name: held, value: holder } })
      t.strictSame(await store.load(id), { record: thing('one'), version })
      t.equal(await claimOf(3, free), null)

      const holding = await store.load(holder)
      const again = await store.save(
        holder, holding?.version ?? '', thing('two'), { ...later, claims: [heldClaim], publish: '2' },
      )
      t.ok(again.saved, 'a claim with the same value does not conflict')
    })

    await t.test('saves take and release claims; only the holder\'s value releases', async (t) => {
      const [mine, theirs, taken] = [newName(), newName(), newName()]
      const [id, other] = [newId(), newId()]
      const expiresAt = Date.now() + hour
      await write(other, 'other', { claims: [{ name: theirs, value: other, expiresAt }] })
      const version = await write(id, 'one', { claims: [{ name: mine, value: id, expiresAt }] })
      const saved = await store.save(id, version, thing('two'), {
        ...later,
        claims: [{ name: taken, value: id, expiresAt }],
        releases: [{ name: mine, value: id }, { name: theirs, value: id }],
        publish: '2',
      })
      t.ok(saved.saved)
      t.strictSame(await Promise.all([mine, theirs, taken].map((name) => claimOf(3, name))), [null, other, id])
      await store.erase(id, { releases: [{ name: taken, value: id }, { name: theirs, value: id }], publish: 'gone' })
      t.strictSame(await Promise.all([theirs, taken].map((name) => claimOf(3, name))), [other, null])
    })

    await t.test('claims of another partition: same results on every kind of Redis', async (t) => {
      const foreign = { name: newName(), expiresAt: Date.now() + hour, partition: 12 }
      const local = { name: newName(), expiresAt: Date.now() + hour }
      const own = Array.from({ length: 20 }, () => newId())
      const results = await Promise.all(own.map((id) =>
        store.insert(id, thing(id), { ...later, claims: [{ ...foreign, value: id }, { ...local, value: id }] })))
      const winner = own.find((_, at) => results[at]?.inserted) ?? ''
      t.equal(results.filter((result) => result.inserted).length, 1)
      const conflict = { inserted: false, claimConflict: { name: foreign.name, value: winner } }
      for (const result of results) if (!result.inserted) t.strictSame(result, conflict)
      t.equal(await claimOf(12, foreign.name), winner)
      t.equal(await claimOf(3, foreign.name), null)
      t.equal(await ttl(keys.table(12, foreign.name)), foreign.expiresAt)

      const refused = { ...foreign, name: newName(), value: own[0] ?? '' }
      const id = newId()
      t.strictSame(await store.insert(id, thing('x'), { ...later, claims: [refused, { ...local, value: id }] }),
        { inserted: false, claimConflict: { name: local.name, value: winner } })
      t.equal(await claimOf(12, refused.name), null, 'released when the record is refused')

      const two = [{ ...refused, value: id }, { ...foreign, value: id }]
      t.strictSame(await store.insert(id, thing('x'), { ...later, claims: two }), conflict)
      t.equal(await claimOf(12, refused.name), null, 'released when the next claim conflicts')

      const held = [{ ...foreign, value: winner }]
      const again = await store.insert(winner, thing('x'), { ...later, claims: held })
      t.strictSame(again, { inserted: false, exists: true })
      t.equal(await claimOf(12, foreign.name), winner, 'kept by the record that holds it')

      const stored = await store.load(winner)
      const notHeld = [{ ...foreign, value: id }]
      t.ok(
        (
          await store.save(winner, stored?.version ?? '', thing('two'), { ...later, releases: notHeld, publish: '2' })
        ).saved,
      )
      t.equal(await claimOf(12, foreign.name), winner, 'not released with another value')
      const late = { ...later, claims: [{ ...refused, value: id }], releases: held, publish: '3' }
      t.strictSame(await store.save(winner, stored?.version ?? '', thing('x'), late), { saved: false, conflict: true })
      t.equal(await claimOf(12, foreign.name), winner, 'a conflict releases nothing')
      t.equal(
        await claimOf(12, refused.name), redis.isCluster ? id : null,
        'and keeps what was taken: the other writer may hold it',
      )
      const now = await store.load(winner)
      t.ok(
        (
          await store.save(winner, now?.version ?? '', thing('three'), { ...later, releases: held, publish: '4' })
        ).saved,
      )
      t.equal(await claimOf(12, foreign.name), null, 'released by a save')
      await write(newId(), 'other', { claims: [{ ...foreign, value: winner }] })
      await store.erase(winner, { releases: held, publish: 'gone' })
      t.equal(await claimOf(12, foreign.name), null)
    })

    await t.test('a claim without a record names the id that the next caller inserts', async (t) => {
      const [dead, id] = [newId(), newId()]
      const claim = { name: newName(), expiresAt: Date.now() + hour, partition: 12 }
      await write(newId(), 'other', { claims: [{ ...claim, value: dead }] })
      const refused = await store.insert(id, thing('mine'), { ...later, claims: [{ ...claim, value: id }] })
      t.strictSame(refused, { inserted: false, claimConflict: { name: claim.name, value: dead } })
      t.equal(await store.load(dead), null)
      const adopted = { ...later, claims: [{ ...claim, value: dead }] }
      const results = await Promise.all([1, 2].map((n) => store.insert(dead, thing(`${n}`), adopted)))
      t.equal(results.filter((result) => result.inserted).length, 1, 'only one of two callers inserts it')
      t.equal(await claimOf(12, claim.name), dead)
    })
  })
}
