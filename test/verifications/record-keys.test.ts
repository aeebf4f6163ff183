import { randomBytes } from 'node:crypto'
import t from 'tap'
import { createApps } from '../../src/apps/apps.ts'
import { createLimits } from '../../src/apps/limits.ts'
import { decide } from '../../src/core/decide.ts'
import type { Event } from '../../src/core/events.ts'
import type { Verification } from '../../src/core/verification.ts'
import { createIds } from '../../src/store/ids.ts'
import { partitionOfHash, partitions } from '../../src/store/keys.ts'
import { createSealer } from '../../src/store/sealing.ts'
import { writeKeyClaim } from '../../src/verifications/key-claim.ts'
import {
  erasureOf, idempotencyReleases, liveClaims, numberKeys, writesOf, type Change, type WriteContext,
} from '../../src/verifications/record-keys.ts'
import { appOwner, isOwnedBy } from '../../src/verifications/single-use.ts'
import { apply, applyAll, asked, created, events, start, states, step } from '../core/fixtures.ts'

const [hour, day] = [3_600_000, 86_400_000]
const keys = ['k1', 'k2'].map(id => `${id}:${randomBytes(32).toString('base64')}`)
const one = createSealer(keys[0] ?? '')
const both = createSealer(keys.join())
const ids = createIds(one, { partitions, randomBytes })
const limits = createLimits({
  sealer: one, apps: createApps([]), messagesPerNumber: { perHour: 6, perDay: 15, exemptApp: null },
})

/** Evidence with a token is good for one attempt; `truid.phone_check` may start once per number in 5 minutes. */
const contextOf = (sealer = one): WriteContext => ({
  names: sealer.names, retentionMs: day, limits,
  methods: new Map<string, object>([
    ['truid.phone_check', { oncePerNumberMs: 300_000 }], ['otpless.otp', { sendsMessage: true, codeAttempts: 5 }],
  ]),
  singleUseOf: (_verification, event) => {
    const token = event.type === 'evidenceReceived' ? Object(event.evidence.value).token : undefined
    return token === undefined ? null : { provider: 'truid', kind: 'evidence', text: token, owner: 'attempt 0' }
  },
})
const numberName = one.keyedHash('number', `shop ${asked}`)
const liveKey = (sealer = one) => liveClaims([numberKeys(sealer.names, 'shop', asked)[0]], 'ver_x')[0]

/** The writes of a new verification. */
const writesOfNew = (after: Verification, more: Partial<Change> = {}, context = contextOf()) =>
  writesOf({ before: null, event: null, after, effect: null, at: start, ...more }, context)
/** The writes of an event that applies. */
function writesAfter (before: Verification, event: Event, context = contextOf()) {
  const decision = decide(before, event, start)
  if (decision === null) throw new Error(`${event.type} does not apply`)
  return writesOf({ before, event, after: decision.next, effect: decision.effect, at: start }, context)
}

t.test('a new verification claims its number and its Idempotency-Key', async t => {
  const live = { name: numberName, field: 'live', partition: liveKey()?.partition, type: 'live' }
  t.strictSame(writesOfNew(created()).claims, [{ ...live, expiresAt: start + 600_000 }])
  const idempotency = { names: [one.keyedHash('key', 'shop k')], hash: 'body', at: start - 1_000 }
  const [claim] = writesOfNew(created({ idempotency })).claims
  const name = idempotency.names[0] ?? ''
  t.strictSame(claim, {
    name, value: writeKeyClaim(
      { id: 'ver_x', hash: 'body', at: start - 1_000 },
    ), partition: partitionOfHash(name), type: 'idempotency',
    expiresAt: start - 1_000 + 24 * hour,
  }, 'remembered for 24 hours from the first request')
  const ended = applyAll(created({ idempotency }), events.canceled)
  t.match(writesOfNew(ended).claims, [{ type: 'idempotency' }], 'one that ended at once leaves its number free')
  t.strictSame(writesOfNew(created({ phoneNumber: null })).claims, [])
  t.strictSame(writesAfter(states.waiting, events.resent).claims, [], 'a later change claims nothing again')
})

t.test('a start that is allowed once per number', async t => {
  const claims = writesOfNew(created(), { effect: 'start' }).claims.filter(({ type }) => type === 'once')
  t.strictSame(claims, [{
    type: 'once', ...one.names(
      'place', asked,
    )[0], field: `once.${one.keyedHash('method', 'truid.phone_check').slice(0, 8)}`,
    value: appOwner({ id: 'ver_x', appId: 'shop' }, 0), expiresAt: start + 300_000,
  }])
  t.strictSame(writesOfNew(created({ phoneNumber: null }), { effect: 'start' }).claims, [])
  t.strictSame(writesOfNew(created(), { effect: 'resolve' }).claims.map(({ type }) => type), ['live'])
  t.strictSame(writesAfter(states.waiting, events.attemptFailed).claims, [], 'the next method has no such rule')
  const workflow = [step('otpless.otp'), step('truid.phone_check')]
  const first = apply(created({ workflow }), events.attemptStarted)
  t.match(
    writesAfter(first, events.attemptFailed).claims,
    [{ type: 'once', value: appOwner({ id: 'ver_x', appId: 'shop' }, 1) }],
  )
})

t.test('a start that is skipped before its provider is called gives back what it claimed and counted', async t => {
  const silent = created({ workflow: [step('truid.phone_check'), step('otpless.otp')] })
  const [claim] = writesOfNew(silent, { effect: 'start' }).claims.filter(({ type }) => type === 'once')
  const skipped = writesAfter(silent, events.attemptSkipped)
  t.match(skipped.releases, [{ name: claim?.name, field: claim?.field, value: claim?.value }])
  t.match(skipped.counters.filter(({ add }) => add < 0), [{ field: 'silent', add: -1, below: null }])
  const message = created({ workflow: [step('otpless.otp'), step('truid.phone_check')] })
  t.strictSame(
    writesAfter(message, events.attemptSkipped).counters.filter(({ add }) => add !== 0).map(
      ({ field, add, below }) => [field, add, below],
    ),
    [['silent', 1, 10], ['creates', -1, null], ['prefix', -1, null], ['messages', -1, null],
      ['dayMessages', -1, null]],
    'the wrong codes of the number stay',
  )
  const messages = created({ workflow: [step('otpless.otp'), step('otpless.otp')] })
  t.strictSame(
    writesAfter(messages, events.attemptSkipped).counters.filter(({ field }) => field === 'messages').map(
      ({ add, below }) => [add, below],
    ),
    [[0, 7]], 'the next message has its place, up to the same limit',
  )
  t.strictSame(writesAfter(message, { ...events.startFailed }).counters.filter(({ add }) => add < 0), [])
})

/** The kinds of the counters of a write, without those that are only read. */
const counted = ({ counters }: Pick<ReturnType<typeof writesOf>, 'counters'>): string =>
  counters.filter(({ add }) => add > 0).map(({ field }) => field?.split('.')[0]).join()

t.test('a message is counted by the write that begins it, a verification by its first message', async t => {
  const both = [step('otpless.otp'), step('otpless.otp')]
  const first = created({ workflow: both, country: 'US' })
  t.equal(counted(writesOfNew(first, { effect: 'start' })), 'creates,prefix,messages,dayMessages')
  t.equal(counted(writesOfNew(created(), { effect: 'start' })), 'silent', 'a silent method')
  const waiting = apply(first, events.attemptStarted)
  t.equal(counted(writesAfter(waiting, events.nextRequested)), 'messages,dayMessages', 'the second message')
  t.equal(counted(writesAfter(waiting, events.resendRequested)), 'messages,dayMessages', 'sent again')
  t.equal(counted(writesAfter(waiting, events.canceled)), '')
  const silent = apply(created(), events.attemptStarted)
  t.equal(counted(writesAfter(silent, events.nextRequested)), 'creates,prefix,messages,dayMessages', 'the fallback')
  const skipped = apply(first, { ...events.attemptSkipped, reason: null })
  t.equal(
    counted(writesOfNew(skipped, { effect: 'start' })), 'creates,prefix,messages,dayMessages',
    'a skipped method has sent nothing',
  )
  const unclaimed = writesOf(
    { before: first, event: events.timeElapsed, after: first, effect: 'start', at: start }, contextOf(),
  )
  t.equal(counted(unclaimed), '', 'a start that is repeated was counted')
})

t.test('a claim tells its own app from others', async t => {
  const value = appOwner({ id: 'ver_x', appId: 'shop' }, 0)
  t.ok(isOwnedBy('shop', value))
  t.notOk(isOwnedBy('bank', value))
  t.notMatch(value, /shop|ver_x/)
  t.notOk(isOwnedBy('shop', ''))
})

t.test('evidence is claimed by the attempt that presents it', async t => {
  const { claims } = writesAfter(states.waiting, events.evidenceProvider)
  t.match(claims, [{ type: 'singleUse', value: 'attempt 0', expiresAt: start + 24 * hour }])
  t.strictSame(claims.map(({ name }) => name), [one.keyedHash('evidence', 'truid evidence t')])
  t.strictSame(writesAfter(states.waiting, events.evidenceApp).claims, [], 'a code is bound by the provider')
  const context = contextOf()
  const again = writesOf(
    { before: null, event: events.evidenceProvider, after: states.waiting, effect: null, at: start }, context,
  )
  t.strictSame(again.claims.map(({ type }) => type), ['live'])
})

t.test('evidence that the provider did not accept is not used up; judged evidence is', async t => {
  const own = [liveKey()]
  const evidence = { name: one.keyedHash('evidence', 'truid evidence t'), value: 'attempt 0' }
  const failed = (reason: 'evidence_invalid' | 'evidence_expired' | 'provider_timeout' | 'number_mismatch') =>
    writesAfter(states.resolvingProvider, { ...events.attemptFailed, reason }).releases
  t.match(failed('evidence_invalid'), [evidence])
  t.equal(failed('evidence_invalid').length, 1)
  for (const reason of ['evidence_expired', 'provider_timeout'] as const) t.strictSame(failed(reason), [], reason)
  t.strictSame(failed('number_mismatch'), own, 'it ends, and frees its number only')
  t.strictSame(writesAfter(states.resolvingProvider, events.numberProven).releases, own)
  t.strictSame(writesAfter(states.waiting, { ...events.attemptFailed, reason: 'evidence_invalid' }).releases, [])
  const last = applyAll(
    created({ workflow: [step('truid.phone_check')] }), events.attemptStarted, events.evidenceProvider,
  )
  t.match(
    writesAfter(last, { ...events.attemptFailed, reason: 'evidence_invalid' }).releases, [...own, evidence],
    'also by the change that ends the verification',
  )
})

t.test('a final verification frees its number, under every key', async t => {
  for (const event of [events.canceled, events.userRejected] as const) {
    t.strictSame(writesAfter(states.waiting, event).releases, [liveKey()], event.type)
  }
  t.strictSame(writesAfter(states.waiting, events.resent).releases, [])
  const { releases } = writesAfter(states.waiting, events.canceled, contextOf(both))
  t.strictSame(releases.length, 2)
  t.strictSame(releases[0], liveKey())
})

t.test('codes are counted by app and number', async t => {
  const counters = [
    { name: numberName, field: 'codes', expiresAt: start + hour },
    { name: numberName, field: 'dayCodes', expiresAt: start + day },
  ]
  t.strictSame(
    writesAfter(states.waiting, events.evidenceApp).counters,
    counters.map((counter, n) => ({ ...counter, add: 0, below: [15, 50][n] })),
  )
  t.strictSame(
    writesAfter(states.resolvingApp, events.codeIncorrect).counters,
    counters.map(counter => ({ ...counter, add: 1, below: null })),
  )
  t.strictSame(
    writesAfter(states.waiting, { ...events.evidenceApp, answer: events.codeIncorrect }).counters, [
      ...writesAfter(states.waiting, events.evidenceApp).counters,
      ...writesAfter(states.resolvingApp, events.codeIncorrect).counters,
    ], 'a code that is judged at once',
  )
  t.strictSame(writesAfter(states.waiting, events.evidenceProvider).counters, [])
  t.strictSame(writesAfter(states.waiting, events.evidencePoll).counters, [])
  t.strictSame(writesAfter(states.resolvingApp, events.numberProven).counters, [])
  const codeless = apply(created(), { ...events.attemptStarted, attemptsRemaining: null })
  t.strictSame(writesAfter(codeless, events.evidenceApp).counters, [], 'the method takes no codes')
  const numberless = apply(created({ phoneNumber: null }), events.attemptStarted)
  t.strictSame(writesAfter(numberless, events.evidenceApp).counters, [])
})

t.test('listings: a new verification, and a number that was discovered', async t => {
  const entry = (purpose: string, text: string) =>
    ({ name: one.keyedHash(purpose, `shop ${text}`), expiresAt: start + 2 * day })
  t.strictSame(
    writesOfNew(created({ reference: 'order-1' })).listings, [entry('number', asked), entry('reference', 'order-1')],
  )
  t.strictSame(writesAfter(states.waiting, events.canceled).listings, [], 'it is listed already')
  const discovering = applyAll(created({ phoneNumber: null }), events.attemptStarted, events.evidenceProvider)
  t.strictSame(writesAfter(discovering, events.numberProven).listings, [entry('number', asked)])
  t.equal(writesOfNew(created(), {}, contextOf(both)).listings.length, 1, 'entered under one key')
})

t.test('erasure removes every claim and listing, under every key', async t => {
  const idempotency = { names: ['bmFtZQ', 'b3RoZXI'], hash: 'body', at: start }
  const verification = created({ reference: 'order-1', idempotency })
  const { releases, listings } = erasureOf(verification, both.names)
  t.strictSame(listings, [
    ...both.keyedHashes('number', `shop ${asked}`), ...both.keyedHashes('reference', 'shop order-1'),
  ])
  t.strictSame(releases, [
    ...liveClaims(numberKeys(both.names, 'shop', asked), 'ver_x'),
    ...idempotencyReleases(verification),
  ])
  t.strictSame(idempotencyReleases(verification).map(({ name, value }) => [name, value]), [
    ['bmFtZQ', writeKeyClaim({ id: 'ver_x', hash: 'body', at: start })],
    ['b3RoZXI', writeKeyClaim({ id: 'ver_x', hash: 'body', at: start })],
  ])
  t.strictSame(erasureOf(created({ phoneNumber: null }), both.names), { releases: [], listings: [] })
  const found = apply(created({ phoneNumber: null }), { ...events.attemptStarted, providerId: 'abc', isFindable: true })
  t.strictSame(
    erasureOf({ ...found, id: ids.newId('shop', 0) }, both.names).releases.map(({ name }) => name),
    both.keyedHashes('evidence', 'truid id abc'), 'the provider\'s id finds it no longer',
  )
  t.notMatch(JSON.stringify([releases, listings]), /4155550|order-/, 'names in Redis reveal nothing')
})

t.test('numberKeys: one partition for a number, whatever the app', async t => {
  const [shop, ...others] = numberKeys(both.names, 'shop', asked)
  const [bank] = numberKeys(both.names, 'bank', asked)
  t.equal(others.length, 1)
  t.strictSame(shop, numberKeys(one.names, 'shop', asked)[0], 'the first key decides where new records live')
  t.not(shop?.name, bank?.name)
  t.ok(shop?.partition !== undefined && shop.partition === bank?.partition)
})
