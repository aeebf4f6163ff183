import fc from 'fast-check'
import t from 'tap'
import {
  createCallHealth, signOfAnswer, signOfError, type CallHealth, type Sign,
} from '../../src/adapters/call-health.ts'
import { ProviderError } from '../../src/core/errors.ts'
import type { Reason } from '../../src/core/reasons.ts'
import type { ProviderCall } from '../../src/core/vocabulary.ts'

/** The health of one kind of call, and a clock that the test sets. */
function setUp (clock = { now: 1_000_000 }) {
  let changes = 0
  const health = createCallHealth({ now: () => clock.now, onChange: () => { changes += 1 } })
  /** Makes a call, if it is admitted; its sign follows at once. */
  const call = (verificationId: string, sign: Sign, isRetry = false): 'call' | 'probe' | null => {
    const admission = health.admit({ verificationId, isRetry })
    if (admission !== null) record(verificationId, sign, isRetry, admission === 'probe')
    return admission
  }
  const record = (verificationId: string, sign: Sign, isRetry = false, isProbe = false): void => {
    const reason = sign === 'failed' ? 'provider_error' : null
    health.record({ verificationId, isRetry, sign, reason, isProbe, at: clock.now })
  }
  return { health, clock, call, record, breaker: () => health.breaker(clock.now), changes: () => changes }
}
let serial = 0
const someone = (): string => `ver_${serial += 1}`

const failTimes = ({ call }: ReturnType<typeof setUp>, count: number): void => {
  for (let n = 0; n < count; n += 1) call(someone(), 'failed')
}

t.test('it opens when half of at least ten verifications failed', async t => {
  const few = setUp()
  failTimes(few, 9)
  t.equal(few.breaker(), 'closed')
  failTimes(few, 1)
  t.strictSame([few.breaker(), few.health.isOpen(), few.changes()], ['open', true, 1])
  t.equal(few.call(someone(), 'ok'), null)

  const mixed = setUp()
  for (let n = 0; n < 20; n += 1) mixed.call(someone(), 'ok')
  failTimes(mixed, 19)
  t.equal(mixed.breaker(), 'closed')
  failTimes(mixed, 1)
  t.equal(mixed.breaker(), 'open')
})

t.test('a few users with many tries do not open it', async t => {
  const one = setUp()
  for (let n = 0; n < 200; n += 1) {
    one.call(`ver_poison_${n % 3}`, 'failed', n >= 3)
    one.clock.now += 1_000
    t.equal(one.breaker(), 'closed')
  }
})

t.test('failures of 30 seconds ago do not count', async t => {
  const slow = setUp()
  failTimes(slow, 9)
  slow.clock.now += 30_000
  failTimes(slow, 9)
  t.equal(slow.breaker(), 'closed')
})

t.test('credentials that are refused for two verifications open it', async t => {
  const refused = setUp()
  refused.call('ver_1', 'misconfigured')
  refused.call('ver_1', 'misconfigured')
  t.equal(refused.breaker(), 'closed')
  refused.call('ver_2', 'misconfigured')
  t.equal(refused.breaker(), 'open')

  const between = setUp()
  between.call('ver_1', 'misconfigured')
  between.call('ver_2', 'ok')
  between.call('ver_3', 'misconfigured')
  t.equal(between.breaker(), 'closed', 'an answer in between shows that the credentials are good')
  between.clock.now += 600_000
  between.call('ver_4', 'misconfigured')
  t.equal(between.breaker(), 'closed', 'too long ago')
})

t.test('after five seconds one first call probes', async t => {
  const open = setUp()
  failTimes(open, 10)
  open.clock.now += 4_999
  t.equal(open.health.admit({ verificationId: 'ver_new', isRetry: false }), null)
  open.clock.now += 1
  t.equal(open.breaker(), 'halfOpen')
  t.notOk(open.health.isOpen())
  t.equal(open.health.admit({ verificationId: 'ver_new', isRetry: true }), null, 'a retry is never the probe')
  t.equal(open.health.admit({ verificationId: `ver_${serial}`, isRetry: false }), null, 'nor is one that failed before')
  t.equal(open.health.admit({ verificationId: 'ver_new', isRetry: false }), 'probe')
  t.ok(open.health.isOpen(), 'one probe at a time')
  t.equal(open.health.admit({ verificationId: 'ver_other', isRetry: false }), null)
  open.record('ver_new', 'none', false, true)
  t.equal(open.call('ver_other', 'failed'), 'probe', 'a probe without a sign leaves the question to the next one')
  t.equal(open.breaker(), 'open', 'it failed: five seconds more')
  open.clock.now += 5_000
  t.equal(open.call('ver_third', 'ok'), 'probe')
  t.equal(open.breaker(), 'closed')
  t.equal(open.call('ver_new', 'failed', true), 'call', 'retries are made again')
  failTimes(open, 8)
  t.equal(open.breaker(), 'closed', 'what was counted before is void')
})

t.test('without a first call nothing probes, so it closes in the end', async t => {
  const open = setUp()
  failTimes(open, 10)
  open.clock.now += 34_999
  t.equal(open.call('ver_1', 'ok', true), null)
  open.clock.now += 1
  t.equal(open.breaker(), 'closed')
  t.equal(open.call('ver_1', 'failed', true), 'call')
  t.equal(open.breaker(), 'closed')
})

t.test('a call that was admitted before it opened changes nothing', async t => {
  const late = setUp()
  t.equal(late.health.admit({ verificationId: 'ver_slow', isRetry: false }), 'call')
  failTimes(late, 10)
  late.record('ver_slow', 'ok')
  t.equal(late.breaker(), 'open')
  late.clock.now += 5_000
  late.record('ver_slower', 'failed')
  t.equal(late.breaker(), 'halfOpen', 'only a probe keeps it open')
})

t.test('processes share it', async t => {
  const clock = { now: 1_000_000 }
  const [a, b] = [setUp(clock), setUp(clock)]
  const tell = (from: typeof a, to: typeof a, name: string) =>
    to.health.merge(name, from.health.summary(clock.now), clock.now)
  failTimes(a, 5)
  tell(a, b, 'a')
  failTimes(b, 4)
  t.equal(b.breaker(), 'closed')
  failTimes(b, 1)
  t.equal(b.breaker(), 'open', 'five here and five there')
  t.equal(a.breaker(), 'closed', 'not told yet')
  tell(b, a, 'b')
  t.equal(a.breaker(), 'open')
  clock.now += 5_000
  t.equal(a.call('ver_probe', 'ok'), 'probe')
  tell(b, a, 'b')
  t.equal(a.breaker(), 'closed', 'the counts of before are void')
  tell(a, b, 'a')
  t.equal(b.breaker(), 'closed')
  t.match(b.health.total(clock.now), { ok: 1, failed: 0, lastSuccessAt: clock.now })

  const many = setUp(clock)
  for (let n = 0; n < 100; n += 1) a.call(someone(), 'ok')
  tell(a, many, 'a')
  failTimes(many, 20)
  t.equal(many.breaker(), 'closed', 'a small share of what all processes see')
  clock.now += 10_000
  failTimes(many, 1)
  t.equal(many.breaker(), 'open', 'a process that tells nothing any more does not count')
  const fresh = setUp(clock)
  tell(many, fresh, 'many')
  t.equal(fresh.breaker(), 'open', 'a process that has just started knows it')
})

t.test('a clock that is ahead keeps no breaker open', async t => {
  const { health, clock, breaker } = setUp()
  const told = { ...health.summary(clock.now), openedAt: clock.now + 3_600_000, closedAt: clock.now + 3_600_000 }
  health.merge('ahead', told, clock.now)
  t.equal(breaker(), 'closed')
  health.merge('ahead', { ...told, closedAt: 0 }, clock.now)
  t.equal(breaker(), 'closed')
  health.merge('slightly ahead', { ...told, openedAt: clock.now + 50, closedAt: 0 }, clock.now)
  t.equal(breaker(), 'open')
})

/** In whatever order processes call and are told: no few users open it, and no state lasts. */
t.test('in whatever order: few verifications never open it, and it always closes', async t => {
  const step = fc.record({
    process: fc.nat({ max: 2 }), user: fc.nat({ max: 8 }), isRetry: fc.boolean(), isTold: fc.boolean(),
    sign: fc.constantFrom<Sign>('ok', 'failed', 'none'), after: fc.nat({ max: 6_000 }),
  })
  fc.assert(fc.property(fc.array(step, { maxLength: 120 }), fc.boolean(), (steps, isOutage) => {
    const clock = { now: 1_000_000 }
    const processes = [setUp(clock), setUp(clock), setUp(clock)]
    const healths: CallHealth[] = processes.map(({ health }) => health)
    for (const { process, user, isRetry, isTold, sign, after } of steps) {
      clock.now += after
      // The users of a process are its own, as verifications are.
      const id = isOutage ? someone() : `ver_${user % 3} ${process}`
      processes[process]?.call(id, sign, isRetry)
      if (!isTold) continue
      for (const [to, health] of healths.entries()) {
        const told = healths[process]?.summary(clock.now)
        if (told !== undefined && to !== process) health.merge(String(process), told, clock.now)
      }
      if (!isOutage && healths.some(health => health.breaker(clock.now) !== 'closed')) throw new Error('it opened')
    }
    clock.now += 35_000
    if (healths.some(health => health.breaker(clock.now) !== 'closed')) throw new Error('it never closes')
  }), { numRuns: 500 })
  t.pass('500 histories')
})

const error = (reason: Reason, status: number | null) => new ProviderError('acme', 'call', reason, { status })
type Row = [reason: Reason, status: number | null, start: string, resolve: string]

t.test('what an error says about the provider, for a start and for evidence', async t => {
  const rows: Row[] = [
    ['provider_timeout', null, 'failed', 'failed'],
    ['provider_error', 500, 'failed', 'failed'],
    ['provider_error', 503, 'failed', 'failed'],
    // An error code inside a 200.
    ['provider_error', 200, 'failed', 'failed'],
    ['rate_limited_by_provider', 429, 'failed', 'failed'],
    // An answer that cannot be read has no status.
    ['provider_bad_response', null, 'failed', 'failed'],
    ['provider_bad_response', 302, 'failed', 'none'],
    // JSON without the member that is needed: the user's profile may be odd.
    ['provider_bad_response', 200, 'failed', 'none'],
    ['provider_bad_response', 400, 'none', 'none'],
    ['provider_bad_response', 422, 'none', 'none'],
    ['provider_bad_response', 403, 'failed', 'none'],
    ['provider_bad_response', 404, 'failed', 'none'],
    ['provider_error', 409, 'failed', 'none'],
    ['provider_misconfigured', 401, 'misconfigured', 'misconfigured'],
    ['provider_misconfigured', 402, 'misconfigured', 'misconfigured'],
    ['provider_misconfigured', 403, 'misconfigured', 'none'],
    ['provider_misconfigured', 404, 'misconfigured', 'none'],
    ['number_not_registered', 403, 'ok', 'ok'],
    ['carrier_unsupported', 400, 'ok', 'ok'],
    ['evidence_invalid', 404, 'none', 'none'],
  ]
  for (const [reason, status, start, resolve] of rows) {
    const wanted: [ProviderCall['call'], string][] = [
      ['start', start], ['resend', start], ['cancel', start], ['resolve', resolve],
    ]
    for (const [call, sign] of wanted) {
      t.equal(signOfError(error(reason, status), call), sign, `${reason} ${status} ${call}`)
    }
  }
  const ofCarrier = new ProviderError('acme', 'call', 'provider_timeout', { isCarrierFault: true })
  t.equal(signOfError(ofCarrier, 'start'), 'none')
  t.equal(signOfError(new TypeError('a fault of this program'), 'start'), 'none')
})

t.test('what an answer says', async t => {
  t.equal(signOfAnswer({ reason: null }), 'ok')
  for (const reason of ['number_mismatch', 'user_rejected'] as const) t.equal(signOfAnswer({ reason }), 'ok')
  for (const reason of ['evidence_invalid', 'evidence_expired'] as const) t.equal(signOfAnswer({ reason }), 'none')
})

t.test('once it has closed by itself, one more refusal of credentials does not open it', async t => {
  const room = setUp()
  for (let n = 0; n < 2; n += 1) room.call(someone(), 'misconfigured')
  t.equal(room.breaker(), 'open')
  room.clock.now += 35_000
  t.equal(room.breaker(), 'closed')
  t.equal(room.call(someone(), 'misconfigured'), 'call')
  t.equal(room.breaker(), 'closed')
  room.call(someone(), 'misconfigured')
  t.equal(room.breaker(), 'open')
})
