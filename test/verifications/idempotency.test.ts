import t from 'tap'
import type { Verification } from '../../src/core/verification.ts'
import {
  canonicalJson, createIdempotentReplays, holdKey, noIdempotencyKey, readIdempotencyKey,
} from '../../src/verifications/idempotency.ts'
import { readKeyClaim, writeKeyClaim } from '../../src/verifications/key-claim.ts'
import { createSealer } from '../../src/store/sealing.ts'
import { apply, created, events } from '../core/fixtures.ts'
import { errorCode, openTestbed } from '../helpers/verifications.ts'

const { setUp } = await openTestbed(t)
const [one, two] = ['k1', 'k2'].map((id, n) => `${id}:${Buffer.alloc(32, n + 1).toString('base64')}`)

/** A stored verification whose first attempt is starting, with its key; and replays over the same store. */
async function insert () {
  const room = setUp()
  const id = room.ids.newId('shop', 4)
  const key = readIdempotencyKey(room.sealer, 'shop', 'key-1', { a: 1 })
  const claim = { id, hash: key.fingerprints[0] ?? '', at: room.now() }
  const starting = created({ id, idempotency: holdKey(key, claim) })
  const options = { expiresAt: room.now() + 600_000, dueAt: room.now() + 600_000 }
  const inserted = await room.store.insert(id, starting, options)
  if (!inserted.inserted) throw new Error('not inserted')
  const save = async (record: Verification) => {
    const { version } = await room.read(id)
    await room.store.save(id, version, record, { ...options, publish: String(record.revision) })
  }
  const replays = createIdempotentReplays({ store: room.store, changeFeed: room.changeFeed, now: room.now })
  return { ...room, id, key, claim, starting, save, replays }
}

t.test('the names of a key and the hashes of a body', async t => {
  const [old, both] = [createSealer(one ?? ''), createSealer(`${two},${one}`)]
  const read = (sealer = old, app = 'shop', key = 'key-1', body: unknown = { a: 1, b: 2 }) =>
    readIdempotencyKey(sealer, app, key, body)
  t.strictSame(read(old, 'shop', 'key-1', { b: 2, a: 1 }), read(), 'the order of members does not matter')
  t.not(read(old, 'bank').names[0], read().names[0], 'each app has its own keys')
  t.not(read(old, 'shop', 'key-2').names[0], read().names[0])
  t.strictSame(read(old, 'shop', 'key-2').fingerprints, read().fingerprints)
  t.not(read(old, 'shop', 'key-1', { a: 1 }).fingerprints[0], read().fingerprints[0])
  t.strictSame(read(both).names.slice(1), read().names, 'while keys rotate, under each of them')
  t.strictSame(read(both).fingerprints.slice(1), read().fingerprints)
  t.notMatch(JSON.stringify(read()), 'key-1')
})

t.test('canonicalJson', async t => {
  t.equal(canonicalJson({ b: [1, { d: null, c: 'x' }], a: undefined }), '{"b":[1,{"c":"x","d":null}]}')
  t.equal(canonicalJson(undefined), 'null')
  t.not(canonicalJson({ a: '1' }), canonicalJson({ a: 1 }))
})

t.test('what a claim says', async t => {
  const claim = { id: setUp().ids.newId('shop', 4), hash: 'A1_-bcde', at: 1_796_054_400_123 }
  t.strictSame(readKeyClaim(writeKeyClaim(claim)), claim)
  t.equal(writeKeyClaim(claim).length, 34, 'id, hash and time in few bytes')
  t.strictSame(
    holdKey({ names: ['n'], fingerprints: ['other'] }, claim), { names: ['n'], hash: claim.hash, at: claim.at },
  )
  t.equal(holdKey(noIdempotencyKey, claim), null)
})

t.test('the first request has finished', async t => {
  const { replays, claim, key, starting, save } = await insert()
  const waiting = apply(starting, events.attemptStarted)
  await save(waiting)
  t.strictSame(await replays.waitForFirst(claim, key), waiting)
  t.equal(await errorCode(replays.waitForFirst({ ...claim, hash: 'other' }, key)), 'idempotency_key_reused')
})

t.test('the first request is still in progress: its change is waited for', async t => {
  const { claim, key, starting, save, store, changeFeed, now } = await insert()
  const waiting = apply(starting, events.attemptStarted)
  let loads = 0
  const replays = createIdempotentReplays({
    changeFeed, now, store: {
      ...store,
      async loadReplicated (...args) {
        const stored = await store.loadReplicated(...args)
        // The write falls between the read and the wait.
        if ((loads += 1) === 1) await save(waiting)
        return stored
      },
    },
  })
  t.strictSame(await replays.waitForFirst(claim, key), waiting)
  t.equal(loads, 2)
})

t.test('it is not read again before it changes', async t => {
  const { claim, key, starting, save, store, now } = await insert()
  const change = Promise.withResolvers<null>()
  let loads = 0
  const replays = createIdempotentReplays({
    now, changeFeed: { once: () => change.promise }, store: {
      ...store, async loadReplicated (...args) {
        loads += 1
        return store.loadReplicated(...args)
      },
    },
  })
  const waiting = replays.waitForFirst(claim, key)
  for (let n = 0; n < 5; n += 1) await store.load(claim.id)
  t.equal(loads, 1)
  await save(apply(starting, events.attemptStarted))
  change.resolve(null)
  t.match(await waiting, { attempts: [{ phase: 'waiting' }] })
  t.equal(loads, 2)
})

t.test('the first request takes too long', async t => {
  const { store, claim, key, now, pass } = await insert()
  const waited: number[] = []
  const replays = createIdempotentReplays({
    store, now, changeFeed: {
      async once (_id, { timeoutMs }) {
        waited.push(timeoutMs)
        pass(timeoutMs)
        return null
      },
    },
  })
  const error = await replays.waitForFirst(claim, key).catch(error => error)
  t.match(error, { apiCode: 'idempotency_in_progress', extra: { retryAfterSeconds: 1 } })
  t.strictSame(waited, [6_000], 'after six seconds')
})

t.test('nothing is written: whether the claiming process may still write', async t => {
  const { replays, claim, key, store, id, pass } = await insert()
  await store.erase(id, { publish: 'erased' })
  pass(9_999)
  t.equal(await replays.waitForFirst(claim, key), 'not_written')
  pass(1)
  t.equal(await replays.waitForFirst(claim, key), 'gone')
})

t.test('findEarlier: what the key made, under whichever key of SEAL_KEYS', async t => {
  const { create, sealer, store, changeFeed, now, gateway } = setUp()
  const replays = createIdempotentReplays({ store, changeFeed, now })
  const made = await create({ reference: 'a' }, 'key-1')
  const request = { phoneNumber: '+14155550100', workflow: ['toy.code', 'other.code'], reference: 'a' }
  const key = readIdempotencyKey(sealer, 'shop', 'key-1', request)
  t.strictSame(await replays.findEarlier(key), made)
  const rotated = { names: ['AAAA', ...key.names], fingerprints: ['x', ...key.fingerprints] }
  t.strictSame(await replays.findEarlier(rotated), made)
  t.equal(await replays.findEarlier(noIdempotencyKey), null)
  t.equal(await replays.findEarlier(readIdempotencyKey(sealer, 'shop', 'key-2', request)), null)
  await gateway.erase(made.id)
  t.equal(await replays.findEarlier(key), null)
})
