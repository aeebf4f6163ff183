import t from 'tap'
import { Compile } from 'typebox/compile'
import { VerificationView } from '../../../src/api/schemas/verification.ts'
import { type Verification } from '../../../src/core/verification.ts'
import { viewVerification } from '../../../src/api/views/verification.ts'
import type { Action } from '../../../src/core/vocabulary.ts'
import { createVerification, decide } from '../../../src/core/decide.ts'
import type { Event } from '../../../src/core/events.ts'

const now = Date.UTC(2026, 2, 1, 12)
const at = '2026-03-01T12:00:00.000Z'
const schema = Compile(VerificationView)
const attemptId = (id: string, index: number): string => `att_${id}_${index}`
const view = (verification: Verification, options = {}): VerificationView => {
  const shown = viewVerification(verification, { attemptId, ...options })
  t.same(schema.Errors(shown), [], 'the view matches its schema')
  return shown
}

const step = (method: string) => (
  { method, timeoutMs: 60_000, options: { secret: 1 }, isRepeatable: false, continueWhenRejected: false }
)
const created: Verification = createVerification({
  id: 'ver_1', appId: 'app', phoneNumber: '+14155550100', reference: 'signup-1', metadata: { plan: 'pro' },
  locale: null, device: { ip: '203.0.113.7' },
  returnUrl: 'https://app.example/', webhookEvents: [], idempotency: null, includeProfile: true, minAssurance: 1,
  workflow: [step('otpless.otp'), step('truid.phone_check')], expiresAt: now + 600_000,
}, now).next
const after = (verification: Verification, ...events: Event[]): Verification => events.reduce((state, event) => {
  const decision = decide(state, event, now)
  if (decision === null) throw new Error(`${event.type} does not apply`)
  return decision.next
}, verification)
const started = (action: Action, attemptsRemaining: number | null = null): Event & { type: 'attemptStarted' } =>
  ({
    type: 'attemptStarted', attempt: 0, state: 'opaque', action, attemptsRemaining,
    resend: { left: 2, afterMs: 30_000 },
  })
const codeWanted = after(created, started({ type: 'submitCode', length: 6, channels: ['SMS'] }, 3))
const checking = after(
  codeWanted, { type: 'evidenceReceived', attempt: 0, evidence: { from: 'app', value: { code: '1' } } },
)
const assurance = { possession: 'message', binding: 'session', restricted: true } as const
const profile = { name: { first: 'Ada' }, email: 'ada@example.com' }
const verified = after(
  checking,
  { type: 'numberProven', attempt: 0, phoneNumber: '+14155550100', profile, signals: { carrier: 'x' }, assurance },
)

t.test('a new verification waits', async t => {
  t.same(view(created), {
    id: 'ver_1', status: 'pending', verified: false, reason: null, phoneNumber: '+14155550100', reference: 'signup-1',
    metadata: { plan: 'pro' }, nextAction: { type: 'wait', expiresAt: '2026-03-01T12:01:00.000Z' },
    availableActions: [{ action: 'next', availableAt: at }],
    workflow: [{ method: 'otpless.otp', timeoutSeconds: 60 }, { method: 'truid.phone_check', timeoutSeconds: 60 }],
    attempts: [{
      id: 'att_ver_1_0', method: 'otpless.otp', provider: 'otpless', status: 'pending', reason: null, startedAt: at,
      endedAt: null, delivery: null, cost: null,
    }],
    result: null, revision: 1, createdAt: at, updatedAt: at, expiresAt: '2026-03-01T12:10:00.000Z',
  })
})

t.test('the next action is the one of the attempt, with its end', async t => {
  const expiresAt = '2026-03-01T12:01:00.000Z'
  const actions: Action[] = [
    { type: 'approveOnDevice', app: 'truecaller' },
    { type: 'openDeepLink', url: 'truecallersdk://x', platforms: ['android'], notOpenedAfterMs: 600 },
    { type: 'openUrlOnCellular', url: 'https://x.example', finish: 'code' },
    { type: 'openUrl', url: 'https://x.example' },
    { type: 'submitCode', length: 6, channels: ['SMS'], autofill: { webOtp: '@app.example #code' } },
    { type: 'submitToken', sdk: 'otpless', params: { appId: 'a' } },
    { type: 'openMessageLink', channels: ['WHATSAPP'] },
    { type: 'answerCall' },
  ]
  for (const action of actions) t.same(
    view(after(created, started(action))).nextAction, { ...action, expiresAt }, action.type,
  )
  t.same(
    view(codeWanted).nextAction, { type: 'submitCode', length: 6, channels: ['SMS'], attemptsRemaining: 3, expiresAt },
  )
  t.same(view(after(created, started({ type: 'submitCode', length: 6, channels: [] }))).nextAction, {
    type: 'submitCode', length: 6, channels: [], expiresAt,
  }, 'a method without a limit of codes')
  t.same(view(checking).nextAction, { type: 'wait', expiresAt }, 'evidence is being checked')
  t.same(
    view(codeWanted).availableActions[1], { action: 'resend', availableAt: '2026-03-01T12:00:30.000Z', remaining: 2 },
  )
  const { attempts: [attempt] } = codeWanted
  if (attempt?.status !== 'pending' || attempt.phase !== 'waiting') throw new Error('the attempt does not wait')
  t.same(view({
    ...codeWanted, attempts: [{ ...attempt, action: null }],
  }).nextAction, { type: 'wait', expiresAt }, 'a start whose response was lost')
  t.same(
    view({ ...codeWanted, attempts: [] }).nextAction, { type: 'wait', expiresAt: '2026-03-01T12:10:00.000Z' },
    'between attempts',
  )
})

t.test('a verified verification has a result', async t => {
  const shown = view(verified)
  t.match(shown, { status: 'verified', verified: true, reason: null, nextAction: null })
  t.same(shown.availableActions, [])
  t.same(shown.result, {
    phoneNumber: '+14155550100', method: 'otpless.otp', provider: 'otpless', verifiedAt: at, profile, signals: {
      carrier: 'x',
    }, assurance: { level: 2, ...assurance },
  })
  t.equal(shown.attempts[0]?.endedAt, at)
  const withoutProfile = after(
    checking,
    { type: 'numberProven', attempt: 0, phoneNumber: '+14155550100', profile: null, signals: null, assurance },
  )
  t.match(view(withoutProfile), { result: { profile: null, signals: null } })
})

t.test('the cost of an attempt is for the app, not for its front end', async t => {
  const cost = { amount: 0.05, currency: 'EUR' }
  const paid = after(created, { ...started({ type: 'answerCall' }), cost })
  for (const verification of [paid, after(paid, { type: 'canceled', reason: 'app_canceled' })]) {
    t.match(view(verification).attempts, [{ cost }])
    t.match(view(verification, { masked: true }).attempts, [{ cost: null }])
  }
})

t.test('the other final states have a reason', async t => {
  t.match(view(after(created, { type: 'canceled', reason: 'app_canceled' })), {
    status: 'canceled', verified: false, reason: 'app_canceled', nextAction: null, result: null,
  })
  const second = view(after(codeWanted, { type: 'nextRequested', reason: 'app_not_installed' }))
  t.match(second.attempts, [{
    status: 'failed', reason: 'app_not_installed', endedAt: at,
  }, { id: 'att_ver_1_1', provider: 'truid', reason: null }])
  t.equal(second.reason, null, 'the attempt\'s reason is not the verification\'s')
})

t.test('the masked view shows an outage in place of a number without an account', async t => {
  const failed = (reason: 'number_not_registered' | 'provider_error'): Verification =>
    after(created, { type: 'startFailed', attempt: 0, reason }, { type: 'startFailed', attempt: 1, reason })
  const [unknown, outage] = [failed('number_not_registered'), failed('provider_error')]
  t.match(view(unknown), {
    reason: 'number_not_registered', attempts: [
      { reason: 'number_not_registered' }, { reason: 'number_not_registered' },
    ],
  }, 'the app sees it')
  t.strictSame(view(unknown, { masked: true }), view(outage, { masked: true }), 'a stranger cannot tell them apart')
  t.match(view(outage, { masked: true }), { reason: 'provider_unavailable', attempts: [{ reason: 'provider_error' }] })
  const pending = after(created, { type: 'startFailed', attempt: 0, reason: 'number_not_registered' })
  t.match(
    view(pending, { masked: true }), { status: 'pending', reason: null, attempts: [{ reason: 'provider_error' }, {}] },
  )
  const mismatch = after(checking, { type: 'attemptFailed', attempt: 0, reason: 'number_mismatch' })
  t.match(view(mismatch, { masked: true }), { reason: 'number_mismatch' }, 'other reasons stay')
})

t.test('the masked view has no number, reference, metadata, profile or signals', async t => {
  const shown = view(verified, { masked: true })
  t.match(shown, {
    phoneNumber: '+1********00', metadata: {}, reference: null,
    result: { phoneNumber: '+1********00', profile: null, signals: null, assurance: { level: 2 } },
  })
  const text = JSON.stringify(shown)
  for (const secret of ['4155550100', 'signup-1', 'pro"', 'Ada', 'carrier']) t.notOk(text.includes(secret), secret)
  t.equal(view({ ...created, phoneNumber: null }, { masked: true }).phoneNumber, null)
})

t.test('internal data is not shown', async t => {
  const text = JSON.stringify(view(codeWanted))
  for (
    const secret of ['opaque', 'secret', '203.0.113.7', 'app.example', 'appId']
  ) t.notOk(text.includes(secret), secret)
})

t.test('the delivery of a message is shown to front ends, too', async t => {
  const receipt = { status: 'delivered', channel: 'sms', at: now } as const
  const delivered = after(codeWanted, { type: 'deliveryReported', attempt: 0, delivery: receipt })
  const delivery = { status: 'delivered', channel: 'sms', at }
  for (const masked of [false, true]) t.match(view(delivered, { masked }).attempts, [{ delivery }])
  const ended = after(delivered, { type: 'attemptFailed', attempt: 0, reason: 'code_attempts_exhausted' })
  t.match(view(ended).attempts, [{ status: 'failed', delivery }, { delivery: null }])
})
