import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { Cluster } from 'ioredis'
import t, { type Test } from 'tap'
import { createIds } from '../../src/store/ids.ts'
import { createSealer, SealError } from '../../src/store/sealing.ts'
import { createKeys, packId, partitions } from '../../src/store/keys.ts'
import type { RedisClient } from '../../src/store/redis.ts'
import { createStore, type Place } from '../../src/store/record-store.ts'
import { connectTo, startCluster, startRedis, until, watchCommands } from '../helpers/redis.ts'
import type { Json } from '../../src/core/vocabulary.ts'
import { createRecordCodec } from '../../src/verifications/record-codec.ts'
import { decodeDelivery } from '../../src/webhooks/delivery.ts'
import { jsonRecords } from './json-records.ts'

const { decode: decodeRecord } = createRecordCodec()

const thing = (text: string): Json => ({ version: 1, text })

const sealer = createSealer(`k1:${randomBytes(32).toString('base64')}`)
const ids = createIds(sealer, { partitions, randomBytes })
const newId = (partition = 3): string => ids.newId('app', partition)
const hour = 3_600_000
const later = { expiresAt: Date.now() + hour, dueAt: null }
const newName = (): string => sealer.keyedHash('test', randomBytes(8).toString('hex'))

const secret = 'the secret of a record +14155550100'

/** The error of the load has nothing of the record, and no cause that could. */
const isSealError = async (t: Test, load: Promise<unknown>): Promise<void> => {
  const error: unknown = await load.then(() => null, (error: unknown) => error)
  t.type(error, SealError)
  const { message, stack, cause } = error instanceof SealError ? error : new Error('none')
  t.equal(cause, undefined)
  t.notMatch(`${message}${stack}`, /secret of|4155/)
}

const nodesOf = (redis: RedisClient) => redis instanceof Cluster ? redis.nodes('master') : [redis]

for (const [name, start] of [['standalone', startRedis], ['Cluster', startCluster]] as const) {
  t.test(name, async (t) => {
    const { url } = await start(t)
    const redis = await connectTo(t, url)
    const namespace = 'vg'
    const store = createStore({ redis, sealer, ...jsonRecords, namespace })
    const keys = createKeys(namespace)
    const ttl = async (key: string): Promise<number> => redis.pexpiretime(key)

    /** A record that exists, with its version. */
    const write = async (id: string, text = 'one', options = {}): Promise<string> => {
      const created = await store.insert(id, thing(text), { ...later, ...options })
      if (!created.inserted) throw new Error('not created')
      return created.version
    }

    await t.test('insert, load, save, erase', async (t) => {
      for (let partition = 0; partition < partitions; partition++) {
        const id = newId(partition)
        t.equal(await store.load(id), null)
        const version = await write(id)
        t.strictSame(await store.load(id), { record: thing('one'), version })
        t.equal(await ttl(keys.record(partition, id)), later.expiresAt)
        t.strictSame(await store.insert(id, thing('other'), later), { inserted: false, exists: true })

        const saved = await store.save(
          id, version, thing('two'), { ...later, expiresAt: later.expiresAt + hour, publish: '2' },
        )
        if (!saved.saved) throw new Error('not saved')
        t.not(saved.version, version)
        t.strictSame(await store.load(id), { record: thing('two'), version: saved.version })
        t.equal(await ttl(keys.record(partition, id)), later.expiresAt + hour)
        t.strictSame(
          await store.save(id, version, thing('three'), { ...later, publish: '3' }), { saved: false, conflict: true },
        )
        t.strictSame((await store.load(id))?.record, thing('two'))

        await store.erase(id, { publish: 'gone' })
        t.equal(await store.load(id), null)
        t.strictSame(
          await store.save(id, saved.version, thing('three'), { ...later, publish: '3' }),
          { saved: false, conflict: true },
        )
      }
      await store.ping()
    })

    await t.test('of 20 saves with one version exactly one is written', async (t) => {
      const id = newId()
      const version = await write(id)
      const results = await Promise.all(Array.from({ length: 20 }, (_, n) =>
        store.save(id, version, thing(`${n}`), { ...later, publish: `${n}` })))
      const winner = results.findIndex((result) => result.saved)
      t.equal(results.filter((result) => result.saved).length, 1)
      t.strictSame((await store.load(id))?.record, thing(`${winner}`))
    })

    await t.test('due times are ordered, move with a save, and are removed', async (t) => {
      const own = [newId(11), newId(11), newId(11), newId(11)]
      const marks = await Promise.all(own.map((id, n) => write(id, 'one', { dueAt: 1000 - n * 100 })))
      t.strictSame(await store.due(11, 699, 10), [])
      t.strictSame(await store.due(11, 900, 10), [own[3], own[2], own[1]])
      t.strictSame(await store.due(11, 900, 2), [own[3], own[2]])
      t.notOk((await store.due(12, 1000, 10)).some((id) => own.includes(id)), 'only of its own partition')
      await store.save(own[3] ?? '', marks[3] ?? '', thing('two'), { ...later, dueAt: 950, publish: '2' })
      await store.save(own[2] ?? '', marks[2] ?? '', thing('two'), { ...later, dueAt: null, publish: '2' })
      await store.erase(own[1] ?? '', { publish: 'gone' })
      t.strictSame(await store.due(11, 1000, 10), [own[3], own[0]])
      for (const id of own) await store.reschedule(id, 2000)
      t.strictSame(await store.due(11, 1999, 10), [])
      t.strictSame(
        (
          await store.due(11, 2000, 10)
        ).toSorted(), [own[3], own[0]].toSorted(), 'a record without a due time gets none',
      )
    })

    await t.test('a listing finds the newest first, however long it is', async (t) => {
      const [name, second] = [newName(), newName()]
      const at = Date.now() + hour
      const own: string[] = []
      for (let n = 0; n < 40; n += 1) {
        const id = newId(n < 36 ? 0 : n % partitions)
        const listings = [{ name: n === 7 ? second : name, expiresAt: at + n }]
        const version = await write(id, 'one', n % 2 === 0 ? { listings } : {})
        if (n % 2 === 1) await store.save(id, version, thing('two'), { ...later, listings, publish: '2' })
        own.push(id)
      }
      const newest = own.toReversed().filter((id) => id !== own[7])
      t.strictSame(await store.find(name, 100), newest)
      t.strictSame(await store.find(name, 3), newest.slice(0, 3))
      t.strictSame(await store.find([name, second], 100), own.toReversed())
      t.equal(await ttl(keys.table(0, name)), at + 35, 'it expires with its newest entry')
      t.equal(await redis.zcard(keys.index(0, name)), 3, 'a table has 32 entries; the oldest of 35 are in an index')
      t.equal(await ttl(keys.index(0, name)), at + 2)

      for (const id of [own[0] ?? '', own[35] ?? '']) await store.erase(id, { listings: [name], publish: 'gone' })
      t.strictSame(await store.find(name, 100), newest.filter(id => id !== own[0] && id !== own[35]))
      for (const id of own.slice(1, 35)) await store.erase(id, { listings: [name, second], publish: 'gone' })
      t.equal(await redis.exists(keys.table(0, name), keys.index(0, name), keys.table(0, second)), 0, 'nothing is left')
    })

    await t.test('an entry of a table expires by itself', async (t) => {
      let present = Date.now()
      const store = createStore({ redis, sealer, ...jsonRecords, now: () => present })
      const name = newName()
      const [first, second] = [newId(), newId()]
      const claim = { name, field: 'live', expiresAt: present + 1_000 }
      const insert = (id: string) => store.insert(id, thing(id), {
        ...later, claims: [{ ...claim, value: id }], listings: [{ name, expiresAt: present + hour }],
      })
      t.ok((await insert(first)).inserted)
      t.match(await insert(second), { claimConflict: { name, field: 'live', value: first } })
      present += 1_000
      t.equal(await store.claimOf({ partition: 3, name, field: 'live' }), null)
      claim.expiresAt = present + 1_000
      t.ok((await insert(second)).inserted, 'the claim is free, although the table still lists a record')
      t.strictSame(await store.find(name, 10), [second, first])
      present += hour
      t.strictSame(await store.find(name, 10), [])
    })

    await t.test('an erasure removes old entries of the indexes', async (t) => {
      const name = newName()
      const [first, second, third] = [newId(), newId(), newId()]
      for (
        const [at, id] of [first, second, third].entries()
      ) await write(id, 'one', { indexes: [{ name, score: at }] })
      await store.erase(second, { indexes: [{ name, lowest: 1 }], publish: 'gone' })
      t.strictSame(await store.page(name, { limit: 9, before: null }), [{ id: third, score: 2 }])
    })

    await t.test('an index page by page, also with equal scores', async (t) => {
      const [index, second] = [newName(), newName()]
      const at = Date.now()
      const places = await Promise.all(Array.from({ length: 30 }, async (_, n) => {
        const place = { id: newId(n % 5), score: at + Math.floor(n / 10) }
        await write(
          place.id, 'one', { indexes: [{ name: n % 3 === 0 ? second : index, score: place.score }] },
        )
        return place
      }))
      const newest = places.toSorted((a, b) => b.score - a.score || (packId(a.id) < packId(b.id) ? 1 : -1))
      for (const limit of [1, 4, 10, 29, 30, 31]) {
        const seen: Place[] = []
        for (let before: Place | null = null; ;) {
          const page: Place[] = await store.page([index, second], { limit, before })
          seen.push(...page)
          if (page.length < limit) break
          before = page.at(-1) ?? null
        }
        t.strictSame(seen, newest, `${limit} at a time`)
      }
      t.strictSame(
        await store.page([index, second], { limit: 3, before: { id: 'ver_', score: at + 1 } }), newest.slice(20, 23),
        'the place need not exist',
      )
    })

    await t.test('the first of all partitions: the earliest due time, and the oldest entry of an index', async (t) => {
      const name = newName()
      for (let partition = 0; partition < partitions; partition += 1) await redis.del(keys.due(partition))
      t.equal(await store.firstDue(), null)
      t.equal(await store.first(name), null)
      const recent = Date.now() - 60_000
      const inOrder: Place[] = []
      for (const [partition, after] of [[12, 10], [1, 20], [5, 30], [1, 40]] as const) {
        const place = { id: newId(partition), score: recent + after }
        await write(
          place.id, 'one', { dueAt: place.score + 1_000, indexes: [{ name, score: place.score }] },
        )
        inOrder.push(place)
      }
      t.equal(await store.firstDue(), recent + 1_010)
      for (const place of inOrder) {
        t.strictSame(await store.first(name), place)
        await store.removeFromIndex(place.id, name)
      }
      t.equal(await store.first(name), null)
      t.strictSame((await store.load(inOrder[0]?.id ?? ''))?.record, thing('one'), 'the record stays')
    })

    await t.test('records that are erased together', async (t) => {
      const index = newName()
      const [own, first, last, other] = [newId(4), newId(4), newId(4), newId(4)]
      for (const id of [own, first, last, other]) await write(
        id, 'one', { dueAt: 1000, indexes: [{ name: index, score: Date.now() }] },
      )
      await store.erase(
        own, { alsoDelete: [first, newId(4), last], indexes: [{ name: index, lowest: 0 }], publish: 'gone' },
      )
      t.strictSame(await Promise.all([own, first, last].map((id) => store.load(id))), [null, null, null])
      t.not(await store.load(other), null)
      t.strictSame((await store.due(4, 1000, 10)).filter((id) => [own, first, last, other].includes(id)), [other])
      t.strictSame((await store.page(index, { limit: 10, before: null })).map(({ id }) => id), [other])
    })

    await t.test('a save and an erasure are published, a refused save is not', async (t) => {
      const subscriber = await connectTo(t, url, 'subscriber')
      const received: string[] = []
      subscriber.on('message', (channel, message) => received.push(`${channel} ${message}`))
      await subscriber.subscribe(keys.channel)
      const id = newId()
      const version = await write(id)
      await store.save(id, version, thing('two'), { ...later, publish: '2 word' })
      await store.save(id, version, thing('three'), { ...later, publish: 'never' })
      await store.erase(id, { publish: 'gone' })
      await until(() => received.length >= 2, 'two messages')
      t.strictSame(received, [`vg:changes ${id} 2 word`, `vg:changes ${id} gone`])
    })

    await t.test('scripts survive SCRIPT FLUSH', async (t) => {
      const id = newId()
      const flush = () => Promise.all(nodesOf(redis).map((node) => node.script('FLUSH')))
      const version = await write(id)
      await flush()
      t.ok((await store.save(id, version, thing('two'), { ...later, publish: '2' })).saved)
      await flush()
      t.ok((await store.insert(newId(), thing('one'), later)).inserted)
      await flush()
      await store.erase(id, { publish: 'gone' })
      t.equal(await store.load(id), null)
    })

    await t.test('an insert, a load, a save and an erasure are one command each', async (t) => {
      const id = newId()
      const options = {
        claims: [{ name: newName(), value: id, expiresAt: Date.now() + hour }],
        indexes: [{ name: newName(), score: 1 }],
      }
      const once = async (id: string, end: string): Promise<void> => {
        const version = await write(id, 'one', { dueAt: 1, ...options })
        await store.load(id)
        await store.save(id, version, thing('two'), { ...later, ...options, publish: '2' })
        await store.erase(id, { publish: 'gone', releases: options.claims })
        await store.claimOf({ partition: 3, name: end })
      }
      await once(id, 'warm')
      const sent: string[] = []
      for (const node of nodesOf(redis)) {
        await watchCommands(t, node.options.port ?? 0, ([command = '', ...args], source) => {
          const touched = args.join(' ')
          if (source !== 'lua' && touched.includes('{q3}')) sent.push(
            touched.endsWith('tcold') ? 'end' : command.toLowerCase(),
          )
        })
      }
      await once(newId(), 'cold')
      await until(() => sent.includes('end'), 'the last command')
      t.strictSame(sent, ['evalsha', 'get', 'evalsha', 'evalsha', 'end'])
    })

    await t.test('nothing in Redis is readable, and a record cannot be exchanged for another', async (t) => {
      const [number, id, other] = ['+14155550100', newId(), newId()]
      const tag = sealer.keyedHash('number', number)
      const options = {
        dueAt: 5, claims: [
          { name: tag, value: id, expiresAt: Date.now() + hour },
        ], indexes: [{ name: tag, score: 1 }],
      }
      await write(id, number, options)
      await write(other, number)
      const dump = (await Promise.all(nodesOf(redis).map(async (node) => {
        const all = await node.keys('*')
        return Promise.all(all.map(async (key) => `${key} ${(await node.dumpBuffer(key))?.toString('latin1')}`))
      }))).flat().join('\n')
      t.ok(dump.includes(id) && dump.includes(tag), 'the dump contains what was written')
      t.notMatch(dump, /4155550100|version|text/)
      const value = await redis.getBuffer(keys.record(3, other))
      await redis.set(keys.record(3, id), value ?? '')
      await t.rejects(store.load(id), SealError)
      await redis.set(keys.record(3, id), 'not sealed at all, but long enough to be something')
      await t.rejects(store.load(id), SealError)
    })

    await t.test('a change of any byte of a stored record is one error without content', async (t) => {
      const id = newId()
      await write(id, secret)
      const sealed = await redis.getBuffer(keys.record(3, id)) ?? Buffer.alloc(0)
      t.ok(sealed.length > secret.length)
      await fc.assert(fc.asyncProperty(
        fc.nat({ max: sealed.length - 1 }), fc.integer({ min: 1, max: 255 }), async (at, mask) => {
          const changed = Buffer.from(sealed)
          changed.writeUInt8(sealed.readUInt8(at) ^ mask, at)
          await redis.set(keys.record(3, id), changed)
          await isSealError(t, store.load(id))
        },
      ), { numRuns: 100 })
    })

    await t.test('what no decoder can read is the same error, which quotes nothing', async (t) => {
      const [id, text] = [newId(), `{"text":"${secret}"}, `]
      for (const decode of [jsonRecords.decode, decodeRecord, decodeDelivery]) {
        const store = createStore<unknown>({ redis, sealer, encode: () => Buffer.from(text), decode, namespace })
        await redis.set(keys.record(3, id), sealer.seal(Buffer.from(text), id))
        await isSealError(t, store.load(id))
      }
    })

    await t.test('an invalid id is refused before Redis is called', async (t) => {
      const foreign = createIds(sealer, { partitions: 256, randomBytes }).newId('app', 200)
      for (const id of ['', 'ver_', 'vg:{q3}due', foreign]) {
        await t.rejects(store.load(id), { name: 'TypeError', message: 'not an id' })
        await t.rejects(store.insert(id, thing('x'), later), { name: 'TypeError' })
      }
    })

    if (name === 'Cluster') {
      await t.test('records are spread over all masters', async (t) => {
        for (let n = 0; n < 64; n++) await write(newId(n % partitions))
        const sizes = await Promise.all(nodesOf(redis).map((node) => node.dbsize()))
        t.equal(sizes.length, 3)
        t.ok(sizes.every((size) => size >= 64 / 4), sizes.join(' '))
      })
    }
  })
}
