import t from 'tap'
import { packId } from '../../src/store/keys.ts'
import { createResolveConflict, type Wanted } from '../../src/verifications/create-conflict.ts'
import { createIdempotentReplays, readIdempotencyKey } from '../../src/verifications/idempotency.ts'
import { writeKeyClaim } from '../../src/verifications/key-claim.ts'
import { numberKeys } from '../../src/verifications/record-keys.ts'
import { day, errorCode, openTestbed, phoneNumber } from '../helpers/verifications.ts'

const { setUp } = await openTestbed(t)

/** What resolves conflicts, and a create that has met the live verification `id`, or the claim of its key. */
function prepare () {
  const room = setUp()
  const { dispatch, store, changeFeed, now, sealer, ids } = room
  const replays = createIdempotentReplays({ store, changeFeed, now })
  const resolveConflict = createResolveConflict({ dispatch, replays, store })
  const [key] = numberKeys(sealer.names, 'shop', phoneNumber)
  const body = { phoneNumber }
  const wanted: Wanted = { request: {}, keys: [key], key: readIdempotencyKey(sealer, 'shop', 'key-1', body) }
  const own = { id: ids.newId('shop', key.partition), hash: wanted.key.fingerprints[0] ?? '', at: now() }
  const resolve = (id: string, request: Wanted['request'] = {}) =>
    resolveConflict({ ...wanted, request }, { type: 'live', holder: { name: key.name, value: packId(id) } }, own)
  const claimed = (claim: typeof own) =>
    resolveConflict(wanted, { type: 'idempotency', holder: { name: 'x', value: writeKeyClaim(claim) } }, own)
  const holder = async () => store.claimOf({ ...key, field: 'live' })
  return { ...room, own, resolve, resolveConflict, wanted, claimed, holder, key }
}

t.test('a live verification stays, unless the request replaces it', async t => {
  const { create, resolve, read, own, holder } = prepare()
  const { id } = await create({ reference: 'a' })
  const error = await resolve(id).catch(error => error)
  t.match(error, { apiCode: 'verification_in_progress', extra: { verificationId: id } })
  const other = { onConflict: 'replace', reference: 'b' } as const
  t.equal(await errorCode(resolve(id, other).then(() => null)), 'verification_in_progress', 'of another reference')
  t.match((await read(id)).record, { status: 'pending' })
  t.equal(await resolve(id, { onConflict: 'replace', reference: 'a' }), own)
  t.match((await read(id)).record, { status: 'canceled', reason: 'superseded' })
  t.equal(await holder(), null)
})

t.test('a request without a reference replaces any, and one with a reference a verification without', async t => {
  for (const [held, reference] of [['a', undefined], [undefined, 'b']] as const) {
    const { create, resolve, read, own } = prepare()
    const { id } = await create(held === undefined ? {} : { reference: held })
    t.equal(await resolve(id, { onConflict: 'replace', ...reference === undefined ? {} : { reference } }), own)
    t.match((await read(id)).record, { reason: 'superseded' })
  }
})

t.test('the claim of a verification that has ended, or was erased, is released', async t => {
  const { create, gateway, resolve, own, holder, store, ids, key, now } = prepare()
  const { id } = await create()
  await gateway.cancel(id)
  for (const left of [id, ids.newId('shop', key.partition)]) {
    const claims = [{ ...key, field: 'live', value: packId(left), expiresAt: now() + day }]
    const { record } = await store.load(id) ?? t.fail('not stored') as never
    await store.insert(ids.newId('shop', key.partition), record, { expiresAt: now() + day, dueAt: null, claims })
    t.equal(await holder(), packId(left))
    t.equal(await resolve(left), own)
    t.equal(await holder(), null)
  }
})

t.test('an Idempotency-Key: its verification, the claim to write, or none', async t => {
  const { gateway, app, claimed, own, pass, resolveConflict, wanted } = prepare()
  const made = await gateway.create(app, { phoneNumber }, 'key-1')
  t.match(await claimed({ ...own, id: made.id }), { id: made.id, status: 'pending' })
  t.match(
    await resolveConflict(wanted, { type: 'id', holder: null }, { ...own, id: made.id }), { id: made.id }, 'its own',
  )
  t.equal(
    await errorCode(claimed({ ...own, id: made.id, hash: 'AAAAAAAA' }).then(() => null)), 'idempotency_key_reused',
  )
  const lost = { ...own, at: own.at - 1 }
  t.strictSame(await claimed(lost), lost, 'its process may still write: this one writes the same id')
  pass(10_000)
  t.equal(await claimed(lost), own, 'its process is dead, and nothing was written')
})
