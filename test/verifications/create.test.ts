import fc from 'fast-check'
import t from 'tap'
import { ApiError, ProviderError } from '../../src/core/errors.ts'
import { createRoutingContext } from '../../src/adapters/guard.ts'
import { createCreate, partitionOfByte, readNumber } from '../../src/verifications/create.ts'
import { createResolveConflict } from '../../src/verifications/create-conflict.ts'
import { createIdempotentReplays } from '../../src/verifications/idempotency.ts'
import { createRecordCodec } from '../../src/verifications/record-codec.ts'
import { numberKeys } from '../../src/verifications/record-keys.ts'
import { packId, unpackId } from '../../src/store/keys.ts'
import { created } from '../core/fixtures.ts'
import { noTracing } from '../../src/telemetry/tracing.ts'
import { day, errorCode, openTestbed, phoneNumber, type SetUp } from '../helpers/verifications.ts'

const { encode: encodeRecord } = createRecordCodec()

const { setUp } = await openTestbed(t)

/** The key of the claim that a live verification of the number holds. */
function liveKey (sealer: SetUp['sealer']) {
  const [key] = numberKeys(sealer.names, 'shop', phoneNumber)
  if (key === undefined) throw new Error('no key')
  return key
}
const claimOf = async ({ sealer, store }: SetUp) => {
  const { partition, name } = liveKey(sealer)
  const value = await store.claimOf({ partition, name, field: 'live' })
  return value === null ? null : unpackId(value)
}

t.test('the record of a request', async t => {
  const { create, read, app, ids, now, toy, jobsOf } = setUp({ shop: { includeProfile: true } })
  const verification = await create({
    reference: 'order-1', metadata: { plan: 'pro' }, locale: 'de', device: { platform: 'android' },
    expiresInSeconds: 90,
  })
  t.match(verification, {
    status: 'pending', appId: 'shop', phoneNumber, country: 'US', reference: 'order-1', metadata: { plan: 'pro' },
    locale: 'de', device: { platform: 'android' }, returnUrl: null, includeProfile: true, webhookEvents: [],
    idempotency: null, createdAt: now(), expiresAt: now() + 90_000, revision: 2,
    attempts: [{ method: 'toy.code', phase: 'waiting', attemptsRemaining: 3 }],
  })
  t.ok(ids.checkId(verification.id, app.id))
  t.strictSame((await read(verification.id)).record, verification, 'the response is what is stored')
  t.notMatch(encodeRecord(verification).toString('latin1'), /workflow|expiresAt/, 'its fields have the stored order')
  t.strictSame(toy.called('start'), ['toy.code'])
  t.strictSame(await jobsOf(verification.id), [], 'nothing is left to do')
})

t.test('defaults', async t => {
  const { gateway, app, create, now } = setUp({ shop: { webhook: { url: 'https://x.example', secrets: [] } } })
  const minimal = await gateway.create(app, {}, null)
  t.match(minimal, {
    phoneNumber: null, reference: null, metadata: {}, locale: null, device: {}, includeProfile: false,
    expiresAt: now() + 600_000, workflow: [{ method: 'toy.web' }],
    webhookEvents: ['verified', 'failed', 'expired', 'canceled'],
  })
  t.notOk('country' in minimal)
  t.match(await create({ phoneNumber: '+447700900123' }), { country: '001' }, 'a number of no country')
  const polls = { ...app, workflow: ['toy.poll'] }
  t.match(
    await gateway.create(polls, { phoneNumber }, null), { workflow: [{ method: 'toy.poll' }] }, 'the app\'s own',
  )
})

t.test('the least assurance: of the request, else of the app', async t => {
  const { create, gateway, app } = setUp()
  t.match(await create(), { minAssurance: 1 })
  t.match(await create({ phoneNumber: '+14155550101', minAssurance: 2 }), { minAssurance: 2 })
  const strict = { ...app, minAssurance: 2 } as const
  t.match(await gateway.create(strict, {}, null), { minAssurance: 2 })
  t.match(await gateway.create(strict, { minAssurance: 1 }, null), { minAssurance: 1 })
  t.match(await gateway.create(app, { minAssurance: 3 }, null).catch(error => error), {
    apiCode: 'no_eligible_method', extra: { errors: [{ field: 'minAssurance' }] },
  })
})

t.test('a verification without a number may live in any partition', async t => {
  const { gateway, app, ids, create, sealer } = setUp()
  const made = await Promise.all(Array.from({ length: 12 }, () => gateway.create(app, {}, null)))
  t.ok(new Set(made.map(({ id }) => ids.partitionOf(id))).size > 1)
  t.strictSame([0, 15, 16, 255].map(partitionOfByte), [0, 15, 0, 15])
  t.equal(ids.partitionOf((await create()).id), liveKey(sealer).partition)
})

t.test('what is refused', async t => {
  const { create, app, gateway, lines } = setUp(
    { shop: { deniedCountries: ['FR'], allowedReturnUrls: ['https://a.example/'] } },
  )
  t.equal(await errorCode(create({ phoneNumber: '4155550100' })), 'invalid_phone_number')
  for (const returnUrl of ['https://b.example/', 'https://b.example/other?token=1', 'com.example.b:/x']) {
    t.equal(await errorCode(create({ returnUrl })), 'invalid_request')
  }
  t.match(lines.filter(({ msg }) => String(msg).startsWith('returnUrl refused')), [
    { level: 40, app: 'shop', origin: 'https://b.example', set: /^"allowedReturnUrls": \["https:\/\/b.example\/"\]/ },
    { level: 40, app: 'shop', origin: 'com.example.b:', set: /^"allowedReturnUrls": \["com.example.b:\/"\] of / },
  ], 'once for each origin, without the path')
  t.equal(await errorCode(create({ workflow: ['absent.code'] })), 'method_unavailable')
  t.equal(await errorCode(gateway.create(app, { workflow: ['toy.code'] }, null)), 'no_eligible_method')
  t.equal(await errorCode(create({ phoneNumber: '+33612345678' })), 'country_not_allowed')
  t.match(await create({ returnUrl: 'https://a.example/' }), { returnUrl: 'https://a.example/' })
  t.throws(() => readNumber('+1'), ApiError)
})

t.test('a number of a type that gets no message', async t => {
  const { create, gateway, app, apps, toy } = setUp()
  const [tollFree, satellite] = ['+18005550123', '+881612345678']
  t.equal(await errorCode(create({ phoneNumber: tollFree })), 'number_type_not_allowed')
  const silent = await create({ phoneNumber: satellite, workflow: ['toy.code', 'toy.silent', 'other.code'] })
  t.match(silent, {
    workflow: [{ isUnfit: true }, { isUnfit: undefined }, { isUnfit: true }],
    attempts: [{ status: 'skipped', reason: null }, { method: 'toy.silent', phase: 'waiting' }],
  })
  t.match(await gateway.next(silent.id, 'not_on_cellular'), {
    status: 'failed', reason: 'not_on_cellular', attempts: [{}, {}, { status: 'skipped', reason: null }],
  })
  t.strictSame(toy.called('start'), ['toy.silent'])
  const permissive = { ...app, allowedNumberTypes: ['toll_free' as const] }
  apps.replace([permissive])
  const request = { workflow: ['toy.code'] }
  t.match(await gateway.create(permissive, { ...request, phoneNumber: tollFree }, null), { status: 'pending' })
  t.equal(
    await errorCode(
      gateway.create(permissive, { ...request, phoneNumber: satellite }, null),
    ), 'number_type_not_allowed',
  )
})

t.test('creates of a number per hour', async t => {
  const { create, gateway, budgeted } = setUp({ shop: { limits: { createsPerNumberPerHour: 2 } } })
  for (const _ of [1, 2]) await gateway.cancel((await create()).id)
  t.equal(await errorCode(create()), 'rate_limited')
  t.strictSame(budgeted, [
    ...Array(3).fill('shop US created'), 'shop US created taken back',
  ], 'a refused create is not counted')
  t.equal(await errorCode(create({ phoneNumber: '+14155550102' })), 'none', 'another number')
})

t.test('codes: a number with too many incorrect ones gets no method that takes codes', async t => {
  const { create, gateway, toy } = setUp({ shop: { limits: { wrongCodesPerNumberPerHour: 1 } } })
  const { id } = await create()
  t.equal(await errorCode(gateway.check(id, { code: '000000' })), 'code_incorrect')
  await gateway.cancel(id)
  t.equal(await errorCode(create()), 'rate_limited')
  t.equal(await errorCode(create({ workflow: ['toy.push'] })), 'none')
  t.strictSame(toy.called('start'), ['toy.code', 'toy.push'])
})

t.test('every method fails: the response is a failed verification', async t => {
  const { create, toy, other } = setUp()
  const fails = async () => { throw new ProviderError('toy', 'start', 'provider_error') }
  toy.answers.start = fails
  other.answers.start = fails
  t.match(await create(), {
    status: 'failed', reason: 'provider_unavailable', attempts: [{ reason: 'provider_error' }, { status: 'failed' }],
  })
})

t.test('a live verification of the number', async t => {
  const { create, gateway, read, app, apps, toy } = setUp()
  const first = await create()
  const refused = await create().catch(error => error)
  t.match(refused, { apiCode: 'verification_in_progress', extra: { verificationId: first.id } })
  t.equal(toy.calls.length, 1, 'nothing was sent')
  const bank = apps.byId('bank') ?? app
  t.equal((await gateway.create(bank, { phoneNumber, workflow: ['toy.code'] }, null)).status, 'pending', 'another app')
  const second = await create({ onConflict: 'replace' })
  t.match((await read(first.id)).record, { status: 'canceled', reason: 'superseded' })
  t.equal(await errorCode(create()), 'verification_in_progress', 'the new one is live')
  t.match((await read(second.id)).record, { status: 'pending' })
})

t.test('a live verification that is erased while it is replaced', async t => {
  const { create, store } = setUp({
    wrapStore: store => ({
      ...store, async save (id, version, record, options) {
        if (record.status === 'canceled') await store.erase(id, { publish: 'erased' })
        return store.save(id, version, record, options)
      },
    }),
  })
  const first = await create()
  t.match(await create({ onConflict: 'replace' }), { status: 'pending', attempts: [{ phase: 'waiting' }] })
  t.equal(await store.load(first.id), null)
})

t.test('a verification with another reference is not replaced', async t => {
  const { create, read } = setUp()
  const replace = (reference?: string) =>
    create({ onConflict: 'replace', ...reference === undefined ? {} : { reference } })
  const first = await replace('signup-1')
  const refused = await replace('signup-2').catch(error => error)
  t.match(refused, { apiCode: 'verification_in_progress', extra: { verificationId: first.id } })
  t.match((await read(first.id)).record, { status: 'pending' })
  let held = first.id
  for (const reference of ['signup-1', undefined, 'signup-2', undefined]) {
    const { id } = await replace(reference)
    t.match((await read(held)).record, { status: 'canceled', reason: 'superseded' }, `replaced by ${reference}`)
    held = id
  }
})

t.test('creates that replace each other at once all succeed, and one of them stays', async t => {
  for (const count of [10, 30]) {
    const { create, read } = setUp({ shop: { limits: { createsPerNumberPerHour: null } } })
    const made = await Promise.all(Array.from({ length: count }, () => create({ onConflict: 'replace' })))
    t.equal(new Set(made.map(({ id }) => id)).size, count)
    const states = (await Promise.all(made.map(({ id }) => read(id)))).map(({ record }) => record.status)
    t.strictSame(Map.groupBy(states, status => status).get('pending')?.length, 1, `${count} at once`)
    t.equal(states.filter(status => status === 'canceled').length, count - 1)
  }
})

t.test('a claim that a lost release left behind', async t => {
  const room = setUp()
  const { create, gateway, store, sealer, now } = room
  const key = liveKey(sealer)
  const { id } = await create()
  t.equal(await claimOf(room), id)
  await gateway.cancel(id)
  t.equal(await claimOf(room), null, 'the end of a verification frees its number')
  const expiresAt = now() + day
  const leave = (held: string) => store.insert(room.ids.newId('shop', key.partition), created(), {
    expiresAt, dueAt: null, claims: [{ ...key, field: 'live', value: packId(held), expiresAt }],
  })
  await leave(id)
  const next = await create()
  t.equal(await claimOf(room), next.id, 'of one that has ended')
  await gateway.erase(next.id)
  await leave(next.id)
  t.equal(await errorCode(create()), 'none', 'of one that was erased')
  t.equal(await store.load(next.id), null)
})

t.test('an Idempotency-Key', async t => {
  const { create, gateway, toy, claimFields, now, pass } = setUp()
  const first = await create({ reference: 'a' }, 'key-1')
  t.match(first, { idempotency: { hash: /./, names: [/./], at: now() } })
  const again = await create({ reference: 'a' }, 'key-1')
  t.strictSame(again, first, 'the same request is the same verification')
  t.equal(toy.called('start').length, 1, 'and starts nothing')
  t.equal(await errorCode(create({ reference: 'b' }, 'key-1')), 'idempotency_key_reused')
  t.equal(await errorCode(create({ reference: 'a' }, 'key-2')), 'verification_in_progress', 'another key')
  const request = { phoneNumber, workflow: ['toy.code', 'other.code'], reference: 'a' }
  const other = await gateway.create({ id: 'bank', name: 'Bank', keys: [] }, request, 'key-1')
  t.not(other.id, first.id, 'the same key of another app')
  await gateway.erase(other.id)
  t.strictSame(await claimFields(), ['', 'live'])
  pass(600_000)
  t.strictSame(await claimFields(), [''], 'the live claim ends with the verification')
  pass(day - 600_001)
  t.strictSame(await claimFields(), [''], 'the key is remembered for 24 hours')
  pass(1)
  t.strictSame(await claimFields(), [])
  pass(-day)
  await gateway.cancel(first.id)
  t.match(await create({ reference: 'a' }, 'key-1'), { id: first.id, status: 'canceled' })
})

t.test('an erased verification does not come back by its Idempotency-Key', async t => {
  const { create, gateway, claimFields, store } = setUp()
  const first = await create({}, 'key-1')
  await gateway.erase(first.id)
  t.strictSame(await claimFields(), [])
  const second = await create({}, 'key-1')
  t.not(second.id, first.id)
  t.equal(await store.load(first.id), null)
})

t.test('a key whose verification Redis has dropped makes a new one', async t => {
  const { create, gateway, store, pass } = setUp()
  const first = await create({}, 'key-1')
  await gateway.cancel(first.id)
  await store.erase(first.id, { publish: 'erased' })
  pass(60_000)
  const second = await create({}, 'key-1')
  t.not(second.id, first.id)
  t.equal((await create({}, 'key-1')).id, second.id)
})

t.test('a process that claimed the key and died before it wrote', async t => {
  const { create, store, claimFields } = setUp()
  const first = await create({}, 'key-1')
  const claims = await claimFields()
  await store.erase(first.id, { publish: 'erased' })
  t.strictSame(await claimFields(), claims)
  t.equal((await create({}, 'key-1')).id, first.id, 'the next request writes the id that was claimed')
})

t.test('a policy that refuses now does not hide what was made before', async t => {
  const { create, apps, gateway, app } = setUp()
  const first = await create({}, 'key-1')
  apps.replace([{ ...app, deniedCountries: ['US'] }])
  const denied = apps.byId('shop') ?? app
  const request = { phoneNumber, workflow: ['toy.code', 'other.code'] }
  t.equal((await gateway.create(denied, request, 'key-1')).id, first.id)
  t.equal(await errorCode(gateway.create(denied, request, 'key-2')), 'country_not_allowed')
  t.equal(await errorCode(gateway.create(denied, request, null)), 'country_not_allowed')
})

t.test('it gives up after two hundred conflicts', async t => {
  const {
    dispatch, start, store, changeFeed, sealer, ids, methods, adapters, limits, app, now, toy,
  } = setUp()
  const replays = createIdempotentReplays({ store, changeFeed, now })
  let inserts = 0
  const holder = { name: 'x', value: packId(ids.newId('shop', 0)) }
  const create = createCreate({
    start, startIfWritten: async () => {}, replays, resolveConflict: createResolveConflict(
      { dispatch, replays, store },
    ), routing: createRoutingContext(adapters, methods), now, tracing: noTracing, log: { warn () {} },
    names: { sealer, ids, randomPartition: () => 0 },
    write: async () => {
      inserts += 1
      return { type: 'live', holder }
    },
    policies: { limits, country: { assertAllowed () {} } },
  })
  await t.rejects(create(app, { phoneNumber }, null), new ApiError(
    'overloaded', 'Too many requests for this number at the same time.', { retryAfterSeconds: 1 },
  ))
  t.strictSame([inserts, toy.calls.length], [200, 0])
})

t.test('the address of the device is counted without its port, in whatever spelling', async t => {
  const { create, read } = setUp({ shop: { limits: { createsPerIpPerHour: 3 } } })
  let n = 10
  const from = (ip: string) => create({ phoneNumber: `+441170000${n += 2}`, device: { ip, platform: 'web' } })
  for (const spellings of [
    ['203.0.113.7', '203.0.113.7:1', '::ffff:203.0.113.7', '[::ffff:203.0.113.7]:2'],
    ['2001:db8::1', '[2001:db8::2]:443', '2001:DB8:0:0:9::', '2001:db8::3'],
  ]) {
    const codes: string[] = []
    for (const ip of spellings) codes.push(await errorCode(from(ip)))
    t.strictSame(codes, ['none', 'none', 'none', 'rate_limited'], spellings[0] ?? '')
  }
  const { id } = await from('[2001:DB8:1::1]:443')
  t.strictSame((await read(id)).record.device, { ip: '2001:db8:1::1', platform: 'web' }, 'the canonical form is kept')
})

t.test('an address that is none is refused, and names its field', async t => {
  const { create } = setUp()
  for (const ip of ['999.1.1.1', 'dead', '1.2.3.4:', '1.2.3.4:x', '[1.2.3.4]', 'fe80::1%eth0', '::1]:1']) {
    const error = await create({ device: { ip } }).catch(error => error)
    t.match(error, { apiCode: 'invalid_request', extra: { errors: [{ field: 'device/ip' }] } }, ip)
  }
})

t.test('creates of one number, interleaved in any way: one is live, none passes the limit, a key has one', async t => {
  const seen = new Set<string>()
  const asked = fc.record({
    key: fc.option(fc.constantFrom('a', 'b')), onConflict: fc.constantFrom<('error' | 'replace')[]>('error', 'replace'),
  })
  await fc.assert(fc.asyncProperty(fc.scheduler(), fc.array(asked, { minLength: 2, maxLength: 5 }), async (
    scheduler, requests,
  ) => {
    const room = setUp({
      shop: { limits: { createsPerNumberPerHour: 3 } },
      wrapStore: store => ({
        ...store, insert: scheduler.scheduleFunction(store.insert), load: scheduler.scheduleFunction(store.load),
        save: scheduler.scheduleFunction(store.save), release: scheduler.scheduleFunction(store.release),
      }),
    })
    const { create, read, toy } = room
    const made = await scheduler.waitFor(Promise.all(requests.map(async ({ key, onConflict }) => {
      // The body belongs to the key: repeated requests are the same.
      const how = key === null ? onConflict : 'replace'
      const answer = await create({ onConflict: how, reference: key ?? 'none' }, key).catch(error => error)
      if (!(answer instanceof ApiError)) return { key, id: answer.id }
      seen.add(answer.apiCode)
      return { key, id: null }
    })))
    const ids = [...new Set(made.flatMap(({ id }) => id ?? []))]
    const records = (await Promise.all(ids.map(read))).map(({ record }) => record)
    const live = records.filter(({ status }) => status === 'pending')
    if (live.length !== 1) throw new Error(`${live.length} are live`)
    if (await claimOf(room) !== live[0]?.id) throw new Error('another one has the claim')
    if (ids.length > 3) throw new Error(`${ids.length} were made`)
    if (toy.called('start').length !== ids.length) throw new Error('a start without a verification, or twice')
    for (const key of ['a', 'b']) {
      if (new Set(made.filter(one => one.key === key).flatMap(({ id }) => id ?? [])).size > 1) throw new Error(key)
    }
  }), { numRuns: 60 })
  t.ok(seen.has('verification_in_progress'), [...seen].join())
})
