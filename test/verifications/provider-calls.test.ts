import t from 'tap'
import type { Outcome } from '../../src/adapters/adapter.ts'
import { ProviderError } from '../../src/core/errors.ts'
import type { Reason } from '../../src/core/reasons.ts'
import { acceptedEvidence, callbackUrl } from '../../src/verifications/provider-calls.ts'
import { apply, asked, assurance, created, events, step } from '../core/fixtures.ts'
import { openTestbed, publicUrl, type SetUp } from '../helpers/verifications.ts'
import type { NewVerification, Verification } from '../../src/core/verification.ts'

const { setUp } = await openTestbed(t)
const evidence = { from: 'app', value: { code: '1' } } as const

/** A verification in its first step; it is stored nowhere. */
function prepare (method = 'toy.code', more: Partial<NewVerification> = {}) {
  const room = setUp()
  const starting = created({ id: room.ids.newId('shop', 2), workflow: [step(method), step('other.code')], ...more })
  return { ...room, starting, waiting: apply(starting, events.attemptStarted) }
}
const fail = (reason: Reason, retryable = false) => async () => {
  throw new ProviderError('toy', 'call', reason, { retryable })
}

t.test('what the adapter receives about an attempt', async t => {
  const { providerCalls, starting, waiting, ids } = prepare('toy.code', {
    returnUrl: 'https://shop.example/', locale: 'de', device: { ip: '192.0.2.7' },
    workflow: [step('toy.code', { options: { length: 4 } }), step('toy.operator')],
  })
  const { id } = waiting
  const [callbackKey, redirectKey] = [ids.callbackKey(id, 0, 'callback'), ids.callbackKey(id, 0, 'redirect')]
  const context = {
    id: ids.attemptId(id, 0), method: 'toy.code', phoneNumber: asked, options: { length: 4 }, locale: 'de',
    device: { ip: '192.0.2.7' }, state: null, startedAt: waiting.createdAt, expiresAt: waiting.createdAt + 60_000,
    callbackKey,
    callbackUrl: `${publicUrl}/callbacks/toy/${callbackKey}`, redirectKey,
    redirectUrl: `${publicUrl}/callbacks/toy/${redirectKey}`,
  }
  const { app, code, ...received } = providerCalls.contextOf(starting, 0)
  t.strictSame(received, context)
  t.strictSame(app, { name: 'Shop', host: 'shop.example' }, 'the page of the return URL')
  t.match(code.make(4), { code: /^\d{4}$/ })
  t.match(providerCalls.contextOf(waiting, 0), { ...context, state: { ref: 1 } })
  const ended = apply(waiting, events.attemptFailed)
  t.match(providerCalls.contextOf(ended, 0), { state: null, expiresAt: waiting.expiresAt })
  const fixed = providerCalls.contextOf(ended, 1)
  t.equal(fixed.id, ids.attemptId(id, 1))
  t.not(fixed.code.make(10).code, code.make(10).code, 'each attempt has its own code')
  t.equal(fixed.redirectUrl, `${publicUrl}/callbacks/toy`, 'a redirect URI that is registered')
  t.equal(fixed.redirectKey, ids.callbackKey(id, 1, 'redirect'), 'the key is returned in the query')
  t.match(prepare().providerCalls.contextOf(prepare().waiting, 0), { redirectUrl: null, redirectKey: null })
  t.throws(() => providerCalls.contextOf(waiting, 1), RangeError)
})

t.test('callbackUrl', async t => {
  t.equal(callbackUrl(publicUrl, 'toy', null), `${publicUrl}/callbacks/toy`)
  t.equal(callbackUrl(publicUrl, 'toy', 'a/b'), `${publicUrl}/callbacks/toy/a%2Fb`)
})

t.test('a start', async t => {
  const { providerCalls, starting, toy, metrics } = prepare()
  t.strictSame(await providerCalls.start(starting, 0), {
    type: 'attemptStarted', attempt: 0, state: { sent: 1 },
    action: { type: 'submitCode', length: 6, channels: ['SMS'] }, attemptsRemaining: 3,
    resend: { left: 2, afterMs: 30_000 },
  })
  toy.answers.start = async () => ({ state: 1, action: { type: 'answerCall' }, id: 'one', poll: { afterMs: 700 } })
  t.match(await providerCalls.start(starting, 0), { providerId: 'one', pollEveryMs: 700 })
  toy.answers.start = async () => ({
    state: 1, action: { type: 'answerCall' }, id: 'one', isIdOptional: true, expiresInMs: 5,
    cost: { amount: 1, currency: 'API' }, balance: { amount: 99, currency: 'API' },
  })
  t.match(await providerCalls.start(starting, 0), {
    providerId: 'one', isIdOptional: true, expiresInMs: 5, cost: { amount: 1, currency: 'API' },
  })
  t.match(await metrics.registry.metrics(), 'verigate_provider_balance{provider="toy",currency="API"} 99')
  const silent = prepare('toy.silent')
  t.match(await silent.providerCalls.start(silent.starting, 0), { attemptsRemaining: null, resend: null })
})

t.test('a start that fails is an event', async t => {
  const { providerCalls, starting, toy, ids } = prepare()
  for (const reason of ['provider_error', 'carrier_unsupported', 'provider_misconfigured'] as const) {
    toy.answers.start = fail(reason)
    t.strictSame(await providerCalls.start(starting, 0), { type: 'startFailed', attempt: 0, reason })
  }
  await providerCalls.start({ ...starting, id: ids.newId('shop', 2) }, 0)
  t.strictSame(
    await providerCalls.start(starting, 0), { type: 'attemptSkipped', attempt: 0, reason: 'provider_unavailable' },
    'the breaker is open: nothing was started',
  )
  t.equal(toy.calls.length, 4)
  const faulty = prepare()
  faulty.toy.answers.start = async () => { throw new RangeError('a fault of the adapter') }
  await t.rejects(faulty.providerCalls.start(faulty.starting, 0), RangeError)
})

t.test('a method that cannot serve the number is not started', async t => {
  const { providerCalls, starting, toy } = prepare('toy.code', { country: 'US', device: { ip: '192.0.2.7' } })
  toy.answers.canServe = async () => 'carrier_unsupported'
  t.strictSame(
    await providerCalls.start(starting, 0), { type: 'attemptSkipped', attempt: 0, reason: 'carrier_unsupported' },
  )
  t.strictSame(toy.questions, [
    { method: 'toy.code', phoneNumber: asked, country: 'US', device: { ip: '192.0.2.7' } },
  ])
  t.strictSame(toy.calls, [])
  toy.answers.canServe = fail('provider_error')
  t.match(await providerCalls.start(starting, 0), { type: 'attemptStarted' }, 'not known: it is tried')
  const discovering = prepare('toy.token')
  t.match(await discovering.providerCalls.start(discovering.starting, 0), { type: 'attemptStarted' })
  t.strictSame(discovering.toy.questions, [], 'it would discover the number')
})

t.test('a provider that is not configured any more', async t => {
  for (const method of ['absent.code', 'toy.absent']) {
    const { providerCalls, starting, waiting } = prepare(method)
    const reason = 'provider_misconfigured'
    t.strictSame(await providerCalls.start(starting, 0), { type: 'startFailed', attempt: 0, reason })
    t.strictSame(
      await providerCalls.resolve(waiting, 0, evidence, false), { type: 'attemptFailed', attempt: 0, reason },
    )
    t.match(await providerCalls.resend(waiting, 0).catch(error => error), { reason })
    await providerCalls.cancel(waiting, 0)
  }
})

t.test('a code that the gateway made is judged after its provider was removed, and is not sent again', async t => {
  const { providerCalls, waiting: { attempts: [first], ...waiting } } = prepare('absent.sms')
  const made = providerCalls.contextOf({ ...waiting, attempts: [first].flatMap(one => one ?? []) }, 0).code.make(6)
  const state = { codeHash: made.hash, codeLength: 6 }
  const sent = { ...waiting, attempts: [{ ...first, state }] } as Verification
  const submit = (code: string) =>
    providerCalls.resolve(sent, 0, { from: 'app', value: { code } }, false)
  t.match(await submit(made.code), { type: 'numberProven', phoneNumber: asked, assurance: { restricted: true } })
  t.strictSame(await submit(`${made.code}0`), { type: 'codeIncorrect', attempt: 0 })
  t.match(await providerCalls.resend(sent, 0).catch(error => error), { reason: 'provider_misconfigured' })
})

t.test('an answer to evidence becomes an event', async t => {
  const { providerCalls, waiting, toy } = prepare()
  const answered = async (outcome: Outcome) => {
    toy.answers.resolve = async () => outcome
    return providerCalls.resolve(waiting, 0, evidence, true)
  }
  const attempt = 0
  t.strictSame(await answered({ verdict: 'proven', phoneNumber: asked }), {
    type: 'numberProven', attempt, phoneNumber: asked, profile: null, signals: null, assurance,
  })
  const more = { profile: { gender: 'x' }, signals: { line: 'mobile' } }
  t.match(await answered({ verdict: 'proven', phoneNumber: asked, ...more }), more)
  const unsafe = { gender: 'x\u202e', name: { first: ' ' } }
  t.match(await answered({ verdict: 'proven', phoneNumber: asked, profile: unsafe }), { profile: { gender: /^x$/ } })
  const shown = { possession: 'sim', binding: 'none', restricted: true } as const
  t.match(
    await answered({ verdict: 'proven', phoneNumber: asked, assurance: shown }), { assurance: shown },
    'what this proof showed, not what the method usually does',
  )
  t.strictSame(await answered({ verdict: 'denied', reason: 'number_mismatch' }), {
    type: 'attemptFailed', attempt, reason: 'number_mismatch',
  })
  t.strictSame(await answered({ verdict: 'incorrect' }), { type: 'codeIncorrect', attempt })
  const pending = { type: 'stillPending', attempt, from: 'app', retryAfterMs: 900 }
  t.strictSame(await answered({ verdict: 'pending', retryAfterMs: 900 }), pending)
  const step = { state: { ref: 4 }, action: { type: 'answerCall' } } as const
  t.strictSame(await answered({ verdict: 'pending', retryAfterMs: 900, ...step }), { ...pending, ...step })
  t.match(toy.calls.at(-1), { evidence: { code: '1' }, repeated: true, attempt: { state: { ref: 1 } } })
})

t.test('an error that a later try may repair is thrown, any other ends the attempt', async t => {
  const { providerCalls, waiting, toy } = prepare()
  toy.answers.resolve = fail('provider_timeout', true)
  t.match(await providerCalls.resolve(waiting, 0, evidence, false).catch(error => error), { retryable: true })
  toy.answers.resolve = fail('evidence_expired')
  t.match(
    await providerCalls.resolve(waiting, 0, evidence, false), { type: 'attemptFailed', reason: 'evidence_expired' },
  )
  toy.answers.resolve = async () => { throw new RangeError('a fault of the adapter') }
  await t.rejects(providerCalls.resolve(waiting, 0, evidence, false), RangeError)
})

t.test('resend and cancel', async t => {
  const { providerCalls, waiting, toy, lines, adapters } = prepare()
  t.strictSame(await providerCalls.resend(waiting, 0), {
    type: 'resent', attempt: 0, state: { sent: 1 }, action: { type: 'submitCode', length: 6, channels: ['SMS'] },
  })
  toy.answers.resend = async () => ({ state: 1, action: { type: 'answerCall' }, id: 'two' })
  t.match(await providerCalls.resend(waiting, 0), { providerId: 'two' })
  await providerCalls.cancel(waiting, 0)
  t.match(toy.calls.at(-1), { call: 'cancel', attempt: { state: { ref: 1 } } })
  toy.answers.cancel = fail('provider_error')
  await providerCalls.cancel(waiting, 0)
  t.match(lines.at(-1), { verificationId: waiting.id, reason: 'provider_error', level: 40 })
  toy.answers.cancel = async () => { throw new RangeError('a fault of the adapter') }
  await providerCalls.cancel(waiting, 0)
  t.match(lines.at(-1), { verificationId: waiting.id, reason: 'internal', level: 40 })
  const guarded = adapters.get('toy')
  delete guarded?.cancel
  delete guarded?.resend
  await providerCalls.cancel(waiting, 0)
  t.match(await providerCalls.resend(waiting, 0).catch(error => error), { reason: 'provider_misconfigured' })
})

t.test('acceptedEvidence', async t => {
  const accepted = ({ waiting, adapters }: SetUp & { waiting: ReturnType<typeof created> }) =>
    acceptedEvidence(waiting, adapters)
  const { action } = events.attemptStarted
  t.strictSame(accepted(prepare('toy.silent')), { index: 0, evidence: ['code', 'none'], action })
  t.strictSame(accepted(prepare('absent.code')), { index: 0, evidence: [], action })
  const { starting, waiting, adapters } = prepare()
  t.equal(acceptedEvidence(starting, adapters), null, 'it is still starting')
  t.equal(acceptedEvidence(apply(waiting, events.canceled), adapters), null)
})
