import { randomBytes } from 'node:crypto'
import t from 'tap'
import { createIds } from '../../src/store/ids.ts'
import { createSealer } from '../../src/store/sealing.ts'
import { createKeys, partitions } from '../../src/store/keys.ts'
import { createStore, type Counter } from '../../src/store/record-store.ts'
import { connectTo, startCluster, startRedis } from '../helpers/redis.ts'
import type { Json } from '../../src/core/vocabulary.ts'
import { jsonRecords } from './json-records.ts'

const thing = (text: string): Json => ({ version: 1, text })
const sealer = createSealer(`k1:${randomBytes(32).toString('base64')}`)
const ids = createIds(sealer, { partitions, randomBytes })
const newId = (): string => ids.newId('app', 3)
const hour = 3_600_000
const later = { expiresAt: Date.now() + hour, dueAt: null }
const newName = (): string => randomBytes(16).toString('base64url')

for (const [name, start] of [['standalone', startRedis], ['Cluster', startCluster]] as const) {
  t.test(name, async (t) => {
    const { url } = await start(t)
    const redis = await connectTo(t, url)
    const store = createStore({ redis, sealer, ...jsonRecords })
    const keys = createKeys('vg')
    const countOf = async (partition: number, name: string): Promise<number | null> => {
      const value = await store.claimOf({ partition, name })
      return value === null ? null : Number(value)
    }

    for (const [place, partition] of [['of the record\'s partition', 3], ['of another partition', 12]] as const) {
      t.test(`a counter ${place}`, async (t) => {
        const expiresAt = Date.now() + hour
        const counter = { name: newName(), partition, add: 1, below: 5, expiresAt }
        const key = keys.table(partition, counter.name)
        const insert = async (counters: Counter[]) => {
          const id = newId()
          return { id, result: await store.insert(id, thing(id), { ...later, counters }) }
        }
        const first = await insert([counter])
        t.ok(first.result.inserted)
        // The later additions have another expiry, which must not replace the first one.
        const results = await Promise.all(
          Array.from({ length: 19 }, (_, n) => insert([{ ...counter, expiresAt: expiresAt + hour + n }])),
        )
        t.equal(results.filter(({ result }) => result.inserted).length, 4, 'of 20 inserts 5 are below the limit')
        for (const { id, result } of results.filter(({ result }) => !result.inserted)) {
          t.match(result, { inserted: false, counterExceeded: { name: counter.name } })
          if ('counterExceeded' in result) t.ok(
            result.counterExceeded.retryAfterMs > hour - 60_000 && result.counterExceeded.retryAfterMs <= hour,
            `${result.counterExceeded.retryAfterMs} ms`,
          )
          t.equal(await store.load(id), null, 'the others write nothing')
        }
        t.equal(await countOf(partition, counter.name), 5)
        t.equal(await redis.pexpiretime(key), expiresAt, 'it expires at the time of its first addition')

        const id = newId()
        const [free, held] = [newName(), newName()]
        await store.insert(
          newId(), thing('holder'), { ...later, claims: [{ name: held, value: 'somebody', expiresAt }] },
        )
        const fresh = { ...counter, name: newName() }
        const refused = await store.insert(id, thing('x'), {
          ...later, claims: [
            { name: free, value: id, expiresAt }, { name: held, value: id, expiresAt },
          ], counters: [fresh],
        })
        t.match(refused, { inserted: false, claimConflict: { name: held } })
        t.equal(Number(await countOf(partition, fresh.name)), 0, 'a claim conflict is not counted')
        const full = await store.insert(
          id, thing('x'), { ...later, claims: [{ name: free, value: id, expiresAt }], counters: [fresh, counter] },
        )
        t.match(full, { inserted: false, counterExceeded: { name: counter.name } })
        t.equal(
          Number(await countOf(partition, fresh.name)), 0,
          'when one counter refuses, the other does not count',
        )
        t.equal(await store.claimOf({ partition: 3, name: free }), null, 'and no claim is taken')
        t.equal(await countOf(partition, counter.name), 5)
      })
    }

    await t.test('a save compares, or adds, or both', async (t) => {
      const expiresAt = Date.now() + hour
      const id = newId()
      const name = newName()
      const created = await store.insert(id, thing('one'), later)
      if (!created.inserted) throw new Error('not created')
      const compare = { name, add: 0, below: 2, expiresAt }
      const count = { name, add: 1, below: null, expiresAt }
      let { version } = created
      for (const counters of [[compare], [count], [compare], [count]]) {
        const saved = await store.save(id, version, thing('two'), { ...later, counters, publish: '2' })
        if (!saved.saved) throw new Error('not saved')
        version = saved.version
      }
      t.match(
        await store.save(id, version, thing('three'), { ...later, counters: [compare], publish: '3' }),
        { saved: false, counterExceeded: { name } },
      )
      t.strictSame((await store.load(id))?.record, thing('two'))
      t.match(
        await store.save(id, version, thing('three'), { ...later, counters: [count], publish: '3' }), { saved: true },
      )
      const elsewhere = { ...count, name: newName(), partition: 12 }
      t.match(
        await store.save(id, version, thing('four'), { ...later, counters: [count, elsewhere], publish: '4' }),
        { saved: false, conflict: true },
      )
      t.equal(await countOf(3, name), 3, 'a conflict is not counted')
      t.equal(Number(await countOf(12, elsewhere.name)), 0, 'nor in another partition')
    })

    await t.test('a save takes back what another one has added', async (t) => {
      const expiresAt = Date.now() + hour
      const id = newId()
      const counters = [{ name: newName(), add: 1, below: 1, expiresAt }, {
        name: newName(), partition: 12, add: 1, below: 1, expiresAt,
      }]
      const countsOf = () => Promise.all(counters.map(async ({ name, partition = 3 }) =>
        Number(await countOf(partition, name))))
      const created = await store.insert(id, thing('one'), { ...later, counters })
      if (!created.inserted) throw new Error('not created')
      t.strictSame(await countsOf(), [1, 1])
      const back = counters.map(counter => ({ ...counter, add: -1, below: null }))
      const saved = await store.save(id, created.version, thing('two'), { ...later, counters: back, publish: '2' })
      t.match(saved, { saved: true })
      t.strictSame(await countsOf(), [0, 0])
      const [unknown] = back.map(counter => ({ ...counter, name: newName() }))
      if (!saved.saved || unknown === undefined) throw new Error('not saved')
      await store.save(id, saved.version, thing('three'), { ...later, counters: [unknown], publish: '3' })
      t.equal(await countOf(3, unknown.name), null, 'a counter that has expired stays away')
    })

    await t.test('records that are erased together leave the indexes', async (t) => {
      const [id, other] = [newId(), newId()]
      const index = { name: newName(), score: Date.now() }
      const listed = () => store.page(index.name, { limit: 10, before: null })
      for (const each of [id, other]) await store.insert(each, thing(each), { ...later, dueAt: 1, indexes: [index] })
      t.equal((await listed()).length, 2)
      await store.erase(id, { alsoDelete: [other], indexes: [{ name: index.name, lowest: 0 }], publish: 'erased' })
      t.strictSame(await listed(), [])
      t.notOk((await store.due(3, 1, 100)).some((due) => due === id || due === other))
      t.equal(await store.load(other), null)
    })
  })
}
