import { Type } from 'typebox'
import t from 'tap'
import type { Adapter, EligibilityQuestion, Method, Outcome, Started } from '../../src/adapters/adapter.ts'
import {
  callDeadlineMs, collectMethods, createRoutingContext, guardAdapter, type GuardedAdapter,
} from '../../src/adapters/guard.ts'
import { ProviderError } from '../../src/core/errors.ts'
import { leaseMs } from '../../src/core/verification.ts'
import type { EligibilityReason, Reason } from '../../src/core/reasons.ts'
import { type Attributes } from '../../src/telemetry/tracing.ts'
import type { Money, ProviderCall } from '../../src/core/vocabulary.ts'
import { anAttempt } from '../../src/conformance/index.ts'

const attempt = anAttempt({ method: 'acme.otp', phoneNumber: '+14155550100' })
const subject = { id: 'ver_1' }
/** Another verification with each call. */
let serial = 1
const someone = () => ({ id: `ver_${serial += 1}` })
const started: Started = { state: null, action: { type: 'answerCall' } }

const method: Method = {
  needsPhoneNumber: true, evidence: ['code'], nextActions: ['answerCall'], userStep: 'approves a call',
  timeoutMs: 60_000, options: Type.Object({}),
  assurance: { possession: 'message', binding: 'session', restricted: true }, isRepeatable: false, sendsMessage: true,
}

/** An adapter whose answers the test sets, a clock that the test sets, and what was counted, logged and traced. */
function setUp (more: Partial<Adapter> = {}) {
  const clock = { now: Date.now(), reads: 0 }
  const calls: ProviderCall[] = []
  const balances: [string, Money][] = []
  const logged: object[] = []
  const spans: { name: string, attributes: Attributes }[] = []
  const answers = {
    start: async (): Promise<Started> => started, resolve: async (): Promise<Outcome> => ({ verdict: 'incorrect' }),
  }
  const adapter: Adapter = {
    provider: 'acme', methods: { 'acme.otp': method, 'acme.link': method },
    start: () => answers.start(), resolve: () => answers.resolve(), ...more,
  }
  const guarded: GuardedAdapter = guardAdapter(adapter, {
    now: () => {
      clock.reads += 1
      return clock.now
    },
    metrics: {
      countCall: call => { calls.push(call) }, recordBalance: (...balance) => { balances.push(balance) },
    },
    log: {
      info: (fields, message) => { logged.push({ ...fields, level: 'info', message }) },
      warn: (fields, message) => { logged.push({ ...fields, level: 'warn', message }) },
    },
    tracing: {
      trace (name, { attributes = {} }, work) {
        const span = { name, attributes: { ...attributes } }
        spans.push(span)
        return work(more => { Object.assign(span.attributes, more) })
      },
    },
  })
  return { guarded, calls, balances, logged, spans, clock, answers }
}

t.test('what the provider said is in the log line and in the health; wrong credentials are a warning', async t => {
  const { guarded, logged, answers, calls } = setUp()
  const vendor = { status: 401, code: 'invalid_client', text: 'Client authentication failed' }
  answers.start = async () => { throw new ProviderError('acme', 'start', 'provider_misconfigured', { vendor }) }
  await t.rejects(guarded.start(attempt, { id: 'ver_1' }))
  t.match(logged, [{ level: 'warn', message: 'provider call', reason: 'provider_misconfigured', vendor }])
  t.match(guarded.health().lastFailure, { reason: 'provider_misconfigured', vendor })
  t.notOk('vendor' in (calls[0] ?? {}), 'it is no label')
  answers.resolve = async () => ({ verdict: 'denied', reason: 'evidence_invalid', vendor })
  await guarded.resolve(attempt, {}, { repeated: false }, { id: 'ver_2' })
  t.match(logged[1], { level: 'info', result: 'denied', vendor })
  t.match(guarded.health().lastFailure, { reason: 'provider_misconfigured' }, 'a user\'s evidence is no failure')
  answers.resolve = async () => ({ verdict: 'incorrect' })
  await guarded.resolve(attempt, {}, { repeated: false }, { id: 'ver_3' })
  t.notOk('vendor' in (logged[2] ?? {}))
})

const failing = (reason: Reason) => async (): Promise<never> => { throw new ProviderError('acme', 'start', reason) }

t.test('every call is counted, logged and traced, with the verification that it is for', async t => {
  const { guarded, calls, logged, spans, clock, answers } = setUp({
    resend: async () => started, cancel: async () => {
      const until = performance.now() + 5
      while (performance.now() < until);
    },
  })
  t.equal(await guarded.start(attempt, subject), started)
  t.equal(clock.reads, 1, 'the clock is read once, at the end')
  t.equal(await guarded.resend?.(attempt, subject), started)
  t.same(await guarded.resolve(attempt, {}, { repeated: false }, subject), { verdict: 'incorrect' })
  answers.resolve = async () => ({ verdict: 'denied', reason: 'user_rejected' })
  await guarded.resolve(attempt, {}, { repeated: false }, subject)
  await guarded.cancel?.(attempt, subject)
  const call = { provider: 'acme', method: 'acme.otp', verificationId: 'ver_1', durationMs: 0 }
  const ok = { result: 'ok', reason: null, blame: 'none' } as const
  t.ok(calls.every(({ durationMs }) => Number.isInteger(durationMs) && durationMs >= 0))
  t.ok(Number(calls.at(-1)?.durationMs) >= 5, 'the duration of the call')
  t.strictSame(calls.map(recorded => ({ ...recorded, durationMs: 0 })), [
    { ...call, call: 'start', ...ok },
    { ...call, call: 'resend', ...ok },
    { ...call, call: 'resolve', ...ok },
    { ...call, call: 'resolve', result: 'denied', reason: 'user_rejected', blame: 'user' },
    { ...call, call: 'cancel', ...ok },
  ])
  t.strictSame(logged, calls.map(({ reason, blame, ...fields }) => ({
    ...fields, ...reason === null ? {} : { reason, blame }, level: 'info', message: 'provider call',
  })), 'with a reason, where there is one')
  const attributes = {
    'verigate.verification.id': 'ver_1', 'verigate.provider': 'acme', 'verigate.method': 'acme.otp',
  }
  t.strictSame(spans, calls.map(({ call, result, reason }) => ({
    name: `acme ${call}`,
    attributes: {
      ...attributes, 'verigate.result': result, ...reason === null ? {} : { 'verigate.reason': reason },
    },
  })))
  t.match(guarded.health(), { breaker: 'closed', errorRate: 0, lastFailure: null, lastSuccessAt: clock.now })
  t.strictSame(guarded.health().breakers.map(({ call }) => call), ['start', 'resolve', 'resend', 'cancel'])
  t.notOk(guarded.isOpen('acme.otp'))
})

t.test('a failed call is reported with who has to fix it', async t => {
  const { guarded, calls, logged, spans, answers } = setUp()
  for (const reason of ['carrier_unsupported', 'provider_timeout', 'provider_misconfigured'] as const) {
    answers.start = failing(reason)
    await t.rejects(guarded.start(attempt, subject), { message: new RegExp(`: ${reason}$`) })
  }
  t.match(calls, [
    { result: 'error', reason: 'carrier_unsupported', blame: 'user' },
    { result: 'error', reason: 'provider_timeout', blame: 'provider' },
    { result: 'error', reason: 'provider_misconfigured', blame: 'operator' },
  ])
  t.strictSame(logged, calls.map(fields =>
    ({ ...fields, level: fields.blame === 'operator' ? 'warn' : 'info', message: 'provider call' })))
  t.match(spans.at(-1)?.attributes, { 'verigate.result': 'error', 'verigate.reason': 'provider_misconfigured' })
  const faulty = setUp()
  faulty.answers.start = async () => { throw new TypeError('a fault of this program') }
  await t.rejects(faulty.guarded.start(attempt, subject), TypeError)
  t.match(faulty.calls, [{ result: 'error', reason: 'provider_error', blame: 'internal' }])
})

t.test('a local start and a local judgement are not calls', async t => {
  const local = {
    needsPhoneNumber: false, evidence: [], nextActions: [], timeoutMs: 1, options: Type.Object({}), isRepeatable: true,
    sendsMessage: false, startsLocally: true, judgesLocally: true, userStep: 'opens a link',
    assurance: { possession: 'account', binding: 'none', restricted: false } as const,
  }
  const { guarded, calls, spans, clock } = setUp({ methods: { 'acme.otp': local } })
  t.equal(await guarded.start(attempt, subject), started)
  await guarded.resolve(attempt, {}, { repeated: false }, subject)
  t.strictSame([calls, spans, clock.reads], [[], [], 0])
  const open = { ...guarded, isOpen: () => true }
  const { isOpen } = createRoutingContext(new Map([['acme', open]]), collectMethods([
    { provider: 'acme', methods: { 'acme.otp': local, 'acme.sms': method } },
  ]))
  t.strictSame(['acme.otp', 'acme.sms', 'absent.sms'].map(isOpen), [false, true, true], 'no breaker stops it')
})

t.test('only what the adapter can do is there', async t => {
  const { guarded } = setUp()
  t.strictSame([guarded.canServe, guarded.resend, guarded.cancel], [undefined, undefined, undefined])
})

t.test('it opens when half of at least ten verifications failed, for this kind of call', async t => {
  const { guarded, calls, answers } = setUp()
  for (let n = 0; n < 5; n += 1) await guarded.start(attempt, someone())
  answers.start = failing('provider_error')
  for (let n = 0; n < 5; n += 1) {
    t.equal(guarded.isOpen('acme.otp'), false)
    await t.rejects(guarded.start(attempt, someone()), /: provider_error$/)
  }
  t.ok(guarded.isOpen('acme.otp'))
  t.match(guarded.health(), {
    breaker: 'open', errorRate: 0.5, lastFailure: { reason: 'provider_error' },
    breakers: [{ call: 'start', breaker: 'open' }, { call: 'resolve', breaker: 'closed' }],
  })
  const before = calls.length
  await t.rejects(guarded.start(attempt, someone()), /: provider_unavailable$/)
  t.equal(calls.length, before, 'nothing was called')
  await guarded.resolve(attempt, {}, { repeated: false }, someone())
  t.equal(calls.length, before + 1, 'other calls are made')
})

t.test('one verification does not open it, however often it is tried', async t => {
  const { guarded, calls, answers } = setUp()
  answers.resolve = failing('provider_error')
  for (let n = 0; n < 50; n += 1) {
    await t.rejects(guarded.resolve(attempt, {}, { repeated: false }, { id: 'ver_1', isRetry: n > 0 }), /_error$/)
  }
  t.equal(calls.length, 50)
  t.match(guarded.health(), { breaker: 'closed', errorRate: 1 })
})

t.test('what one user or carrier causes counts neither way', async t => {
  const { guarded, answers } = setUp()
  const cases = [
    new ProviderError('acme', 'profile', 'provider_bad_response', { status: 404 }),
    new ProviderError('acme', 'profile', 'provider_bad_response', { status: 200 }),
    new ProviderError('acme', 'exchange', 'provider_misconfigured', { status: 403 }),
    new ProviderError('acme', 'check', 'provider_timeout', { isCarrierFault: true }),
    new TypeError('a fault of this program'),
  ]
  for (const error of cases) {
    answers.resolve = async () => { throw error }
    for (let n = 0; n < 12; n += 1) {
      await t.rejects(guarded.resolve(attempt, {}, { repeated: false }, someone()), { message: error.message })
    }
  }
  answers.resolve = async () => ({ verdict: 'denied', reason: 'evidence_invalid' })
  await guarded.resolve(attempt, {}, { repeated: false }, someone())
  t.match(guarded.health(), { breaker: 'closed', errorRate: 0, lastSuccessAt: null })
})

t.test('a documented refusal is the answer of a healthy provider', async t => {
  const { guarded, calls, answers } = setUp()
  answers.start = failing('number_not_registered')
  for (let n = 0; n < 30; n += 1) await t.rejects(guarded.start(attempt, someone()), /: number_not_registered$/)
  t.match(guarded.health(), { breaker: 'closed', errorRate: 0 })
  t.match(calls[0], { result: 'error', reason: 'number_not_registered' })
})

t.test('the failure of one method leaves the others of the provider as they are', async t => {
  const { guarded, answers } = setUp()
  answers.start = failing('provider_misconfigured')
  for (let n = 0; n < 2; n += 1) await t.rejects(guarded.start(attempt, someone()), /: provider_misconfigured$/)
  t.ok(guarded.isOpen('acme.otp'))
  t.notOk(guarded.isOpen('acme.link'))
  answers.start = async () => started
  t.same(await guarded.start({ ...attempt, method: 'acme.link' }, someone()), started)
  t.match(guarded.health(), { breaker: 'open', breakers: [{ call: 'start', breaker: 'open' }, { call: 'resolve' }] })
})

t.test('bad credentials open it after two verifications; later one call probes', async t => {
  const { guarded, clock, answers } = setUp()
  answers.start = failing('provider_misconfigured')
  for (const id of ['ver_1', 'ver_1', 'ver_2']) {
    t.notOk(guarded.isOpen('acme.otp'))
    await t.rejects(guarded.start(attempt, { id }), /: provider_misconfigured$/)
  }
  t.ok(guarded.isOpen('acme.otp'))
  t.equal(guarded.health().breaker, 'open')
  clock.now += 5_000
  t.notOk(guarded.isOpen('acme.otp'), 'a start is let through to probe')
  t.match(guarded.health(), {
    breaker: 'halfOpen', lastSuccessAt: null,
    lastFailure: { at: clock.now - 5_000, reason: 'provider_misconfigured' },
  })
  answers.start = async () => started
  const probe = guarded.start(attempt, someone())
  t.ok(guarded.isOpen('acme.otp'), 'one at a time')
  await probe
  t.match(guarded.health(), { breaker: 'closed', errorRate: 0, lastSuccessAt: clock.now })
})

t.test('a method can serve a number unless the provider gives a reason; no answer counts against it', async t => {
  let answer: () => Promise<EligibilityReason | null> = async () => 'not_on_cellular'
  const asked: EligibilityQuestion[] = []
  const { guarded, calls, spans } = setUp({
    canServe: question => () => {
      asked.push(question)
      return answer()
    },
  })
  const question = { method: 'acme.otp', phoneNumber: '+14155550100', country: 'US', device: { ip: '192.0.2.7' } }
  t.equal(await guarded.canServe?.(question, subject), 'not_on_cellular')
  t.strictSame(asked, [question])
  t.match(calls, [{ call: 'eligibility', result: 'ok', reason: null, blame: 'none', verificationId: 'ver_1' }])
  answer = async () => null
  t.equal(await guarded.canServe?.(question, { id: null }), null)
  t.match(calls.at(-1), { verificationId: null })
  t.strictSame(Object.keys(spans.at(-1)?.attributes ?? {}), [
    'verigate.provider', 'verigate.method', 'verigate.result',
  ], 'there is no verification')
  answer = async () => { throw new TypeError('a fault of this program') }
  t.equal(await guarded.canServe?.(question, subject), null)
  t.match(calls.at(-1), { result: 'error', blame: 'internal' })
  answer = () => new Promise(() => {})
  const before = performance.now()
  t.equal(await guarded.canServe?.(question, subject), null)
  t.ok(performance.now() - before < 3_000, 'it waits a second')
  t.match(calls.at(-1), { reason: 'provider_timeout', blame: 'provider' })
  t.match(guarded.health(), { breaker: 'closed', errorRate: 0, lastSuccessAt: null, lastFailure: null })
  t.strictSame(guarded.health().breakers.map(({ call }) => call), ['start', 'resolve'])
})

t.test('what the account of the provider holds is recorded with the call', async t => {
  const { guarded, balances, answers } = setUp({ resend: async () => started })
  const balance = { amount: 5, currency: 'EUR' }
  answers.start = async () => ({ ...started, balance })
  await guarded.start(attempt, subject)
  await guarded.resend?.(attempt, subject)
  t.strictSame(balances, [['acme', balance]])
})

t.test('what an adapter answers without a request is not a call', async t => {
  const { guarded, calls, spans } = setUp({ canServe: () => 'carrier_unsupported' })
  const question = { method: 'acme.otp', phoneNumber: '+14155550100', country: 'US', device: {} }
  t.equal(guarded.canServe?.(question, subject), 'carrier_unsupported')
  t.strictSame([calls, spans], [[], []])
})

t.test('a provider that does not say what it can serve is not asked for a while', async t => {
  const { guarded, calls, clock } = setUp({ canServe: () => failing('provider_error') })
  const question = { method: 'acme.otp', phoneNumber: '+14155550100', country: 'US', device: {} }
  for (let n = 0; n < 30; n += 1) await guarded.canServe?.(question, { id: null })
  t.equal(calls.length, 30, 'only verifications count')
  for (let n = 0; n < 30; n += 1) t.equal(await guarded.canServe?.(question, someone()), null)
  t.equal(calls.length, 40)
  t.notOk(guarded.isOpen('acme.otp'), 'starts are made')
  clock.now += 5_000
  await guarded.canServe?.(question, { id: null })
  t.equal(calls.length, 40, 'the probe is for a verification')
  await guarded.canServe?.(question, someone())
  t.equal(calls.length, 41)
})

t.test('the health shows the last failure of all methods and calls', async t => {
  const { guarded, clock, answers } = setUp()
  answers.start = failing('provider_error')
  answers.resolve = failing('provider_timeout')
  await t.rejects(guarded.resolve(attempt, {}, { repeated: false }, someone()))
  t.match(guarded.health().lastFailure, { reason: 'provider_timeout' })
  clock.now += 1
  await t.rejects(guarded.start(attempt, someone()))
  t.match(guarded.health().lastFailure, { reason: 'provider_error', at: clock.now })
  clock.now += 1
  await t.rejects(guarded.resolve(attempt, {}, { repeated: false }, someone()))
  t.match(guarded.health().lastFailure, { reason: 'provider_timeout', at: clock.now })
})

t.test('old failures are forgotten', async t => {
  const { guarded, clock, answers } = setUp()
  answers.start = failing('provider_error')
  for (let n = 0; n < 9; n += 1) await t.rejects(guarded.start(attempt, someone()))
  t.equal(guarded.health().errorRate, 1)
  clock.now += 36_000
  t.equal(guarded.health().errorRate, 0)
  await t.rejects(guarded.start(attempt, subject))
  t.notOk(guarded.isOpen('acme.otp'))
})

t.test('the calls of a process are over before another process takes their work over', async t => {
  const { start, eligibility, resend, resolve, cancel } = callDeadlineMs
  t.ok(start + eligibility < leaseMs.start)
  t.ok(resolve < leaseMs.resolve)
  t.ok(resend <= start && cancel <= start, 'a request waits for these')
})
