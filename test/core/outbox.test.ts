import t from 'tap'
import type { Action } from '../../src/adapters/adapter.ts'
import { defaultEventTypes, webhookEventTypes, owe, remind, take, type Owing } from '../../src/core/outbox.ts'
import { createVerification, decide, type Event, type NewVerification, type Verification } from '../../src/core/verification.ts'

const action: Action = { type: 'submitCode', length: 6, channels: ['SMS'] }
const step = { method: 'otpless.otp', timeoutMs: 60_000, options: {}, isRepeatable: false, continueWhenRejected: false }
const request: NewVerification = {
  id: 'ver_x', appId: 'shop', phoneNumber: '+14155550100', reference: null, metadata: {}, locale: null, device: {}, returnUrl: null, key: null, includeProfile: true,
  workflow: [step, step], expiresAt: 600_000,
}
/** The news that a history leaves owed, and whether the last change asked for delivery. */
function tell (wants: NewVerification['wants'], ...events: Event[]): [string[], boolean] {
  let { next, effects } = createVerification(wants === undefined ? request : { ...request, wants }, 0)
  for (const event of events) {
    const decision = decide(next, event, 0)
    if (decision === null) throw new Error(`${event.type} does not apply`)
    ;({ next, effects } = decision)
  }
  return [owedBy(next), effects.includes('notify')]
}
const owedBy = (verification: Verification): string[] => (verification.news?.owed ?? []).map(({ type, revision }) => `${type} ${revision}`)
const started = (attempt: number): Event => ({ type: 'attemptStarted', attempt, state: { attempt }, action, attemptsRemaining: 5, resend: { left: 1, availableAt: 0, afterMs: 1 } })
const evidence: Event = { type: 'evidenceReceived', attempt: 0, evidence: { from: 'app', value: {} } }
const proven: Event = { type: 'numberProven', attempt: 0, phoneNumber: '+14155550100', profile: null, profileEvidence: { token: 't' }, signals: null }

t.test('what is news', async t => {
  t.strictSame(tell(webhookEventTypes), [['created 1'], true])
  t.strictSame(tell(webhookEventTypes, started(0)), [['created 1'], false], 'what the first attempt asks for is in the answer to create')
  t.strictSame(tell(webhookEventTypes, { type: 'startFailed', attempt: 0, reason: 'provider_error' }, started(1)), [['created 1', 'action_required 3'], true], 'a fallback')
  t.strictSame(tell(webhookEventTypes, started(0), { type: 'resendRequested', attempt: 0 }, { type: 'resent', attempt: 0, state: { again: true }, action }), [['created 1', 'action_required 4'], true])
  t.strictSame(tell(webhookEventTypes, started(0), evidence, { type: 'codeIncorrect', attempt: 0 }), [['created 1'], false], 'the same action once more is none')
  t.strictSame(tell(webhookEventTypes, started(0), evidence, proven)[0], ['created 1', 'verified 4'])
  t.strictSame(tell(webhookEventTypes, started(0), evidence, proven, { type: 'profileRead', profile: {} })[0], ['created 1', 'verified 4', 'profile_ready 5'])
  t.strictSame(tell(webhookEventTypes, started(0), evidence, proven, { type: 'profileFailed' })[0], ['created 1', 'verified 4'])
  t.strictSame(tell(webhookEventTypes, { type: 'canceled', reason: 'app_canceled' })[0], ['created 1', 'canceled 2'])
})

t.test('an app is told what it wants', async t => {
  t.strictSame(tell(undefined, { type: 'canceled', reason: 'app_canceled' }), [[], false], 'no webhook')
  t.strictSame(tell(defaultEventTypes, { type: 'canceled', reason: 'app_canceled' }), [['canceled 2'], true])
  t.strictSame(tell(['verified'], { type: 'canceled', reason: 'app_canceled' }), [[], false])
})

t.test('news are owed until somebody takes them over', async t => {
  const empty: Owing = { wanted: ['verified'], owed: [], dueAt: 0 }
  const owing = owe(empty, { type: 'verified', revision: 4 }, 1_000)
  t.match(owing, { owed: [{ revision: 4 }], dueAt: 6_000 })
  t.equal(owe(empty, { type: 'failed', revision: 4 }, 0), null)
  t.equal(owe(null, { type: 'verified', revision: 4 }, 0), null)
  t.equal(remind(owing, 5_999), null)
  t.match(remind(owing, 6_000), { dueAt: 11_000 })
  t.equal(remind(empty, 9_000), null)
  t.equal(take(owing, 3), null)
  t.match(take(owing, 4), { owed: [] })
  t.equal(take(take(owing, 4), 4), null, 'once')
})
