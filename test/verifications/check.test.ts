import t from 'tap'
import { ProviderError } from '../../src/core/errors.ts'
import { currentAttempt } from '../../src/core/verification.ts'
import { errorCode, goodCode, openTestbed } from '../helpers/verifications.ts'

const { setUp } = await openTestbed(t)
const good = { code: goodCode }

t.test('the correct code', async t => {
  const { create, gateway, toy, read, jobsOf } = setUp()
  const { id } = await create()
  const { verification, settled } = await gateway.check(id, good)
  t.ok(settled)
  t.match(verification, { status: 'verified', result: { method: 'toy.code' } })
  t.strictSame((await read(id)).record, verification)
  t.match(toy.calls.filter(({ call }) => call === 'resolve'), [{ evidence: good, repeated: false }])
  t.strictSame(await jobsOf(id), [])
  t.equal(await errorCode(gateway.check(id, good)), 'invalid_state', 'it has ended')
})

t.test('incorrect codes', async t => {
  const { create, gateway, read } = setUp()
  const { id } = await create()
  for (const attemptsRemaining of [2, 1, 0]) {
    const error = await gateway.check(id, { code: '000000' }).catch(error => error)
    t.match(error, { apiCode: 'code_incorrect', extra: { attemptsRemaining } })
    t.equal(/No attempts remaining/.test(error.message), attemptsRemaining === 0)
  }
  t.match((await read(id)).record, {
    attempts: [{ reason: 'code_attempts_exhausted' }, { method: 'other.code', phase: 'waiting' }],
  }, 'the next attempt has started')
})

t.test('a number with too many incorrect codes: the next one is not looked at', async t => {
  const { create, gateway, toy, pass } = setUp({ shop: { limits: { wrongCodesPerNumberPerHour: 1 } } })
  const { id } = await create()
  t.equal(await errorCode(gateway.check(id, { code: '000000' })), 'code_incorrect')
  pass(1)
  t.equal(await errorCode(gateway.check(id, good)), 'rate_limited')
  t.strictSame(toy.called('resolve'), ['toy.code'])
})

t.test('late evidence is refused, also when the sweeper has not ended the attempt yet', async t => {
  const { create, gateway, toy, read, pass, jobsOf } = setUp()
  const { id } = await create()
  pass(60_000)
  const error = await gateway.check(id, good).catch(error => error)
  t.match(error, { apiCode: 'invalid_state', extra: { verificationStatus: 'pending' } })
  t.strictSame(toy.called('resolve'), [])
  t.match((await read(id)).record.attempts, [{ reason: 'attempt_timeout' }, { phase: 'starting', isClaimed: false }])
  t.equal((await jobsOf(id)).length, 1, 'a job starts the next attempt')
})

t.test('evidence that the attempt does not accept', async t => {
  const { create, gateway, store, dispatch, transitions } = setUp()
  const { id } = await create()
  for (const evidence of [
    { token: 'x' }, {}, { authorizationCode: 'a', codeVerifier: 'b' },
    { payload: 'p', signature: 's', signatureAlgorithm: 'a' },
  ]) t.equal(await errorCode(gateway.check(id, evidence)), 'invalid_state')
  await dispatch.apply(await transitions.load(id), { type: 'nextRequested', reason: 'abandoned' })
  await t.rejects(gateway.check(id, good), { message: 'The attempt is still being started.' })
  await store.erase(id, { publish: 'erased' })
  t.equal(await errorCode(gateway.check(id, good)), 'gone')
})

t.test('a method that needs no evidence: nothing is queried', async t => {
  const { create, gateway, toy } = setUp()
  const pushed = await create({ workflow: ['toy.push'] })
  t.match(await gateway.check(pushed.id, {}), { settled: false, verification: { revision: pushed.revision } })
  t.strictSame(toy.called('resolve'), [])
})

t.test('the provider does not know yet', async t => {
  const { create, gateway, toy, read, now } = setUp()
  const { id } = await create({ workflow: ['toy.silent'] })
  t.match(await gateway.check(id, {}), { settled: false, verification: { status: 'pending' } })
  t.match((await read(id)).record.attempts, [{ evidence: { from: 'poll' }, leaseUntil: now() + 1_000 }])
  t.match(await gateway.check(id, {}), { settled: false }, 'it is being queried already')
  t.strictSame(toy.called('resolve'), ['toy.silent'])
  t.match(await gateway.check(id, good), { settled: true, verification: { status: 'verified' } }, 'evidence counts')
})

t.test('evidence that is already being checked', async t => {
  const { create, gateway, toy } = setUp()
  toy.answers.resolve = async () => ({ verdict: 'pending', retryAfterMs: 1_000 })
  const { id } = await create({ workflow: ['toy.silent'] })
  t.match(await gateway.check(id, good), { settled: false })
  t.match(await gateway.check(id, good), { settled: false }, 'the same')
  t.match(await gateway.check(id, {}), { settled: false })
  t.equal(await errorCode(gateway.check(id, { code: '1' })), 'invalid_state', 'other evidence')
  t.strictSame(toy.called('resolve'), ['toy.silent'])
})

t.test('evidence that was used before', async t => {
  const { create, gateway, toy } = setUp()
  const [first, second] = [await create({ workflow: ['toy.token'] }), await create({
    phoneNumber: '+14155550102', workflow: ['toy.token'],
  })]
  t.match(await gateway.check(first.id, { token: 'one' }), { verification: { status: 'verified' } })
  await t.rejects(gateway.check(second.id, { token: 'one' }), { message: 'This evidence was used before.' })
  t.equal(toy.called('resolve').length, 1)
  t.match(await gateway.check(second.id, { token: 'two' }), { verification: { status: 'verified' } })
})

t.test('evidence that the provider rejected as invalid is not used up', async t => {
  const { create, gateway } = setUp()
  for (const phoneNumber of ['+14155550100', '+14155550102']) {
    const { id } = await create({ phoneNumber, workflow: ['toy.token'] })
    t.match(await gateway.check(id, { token: 'forged' }), {
      settled: true, verification: { status: 'failed', reason: 'evidence_invalid' },
    })
  }
})

t.test('the provider fails: a job tries again', async t => {
  const { create, gateway, toy, read, jobsOf } = setUp()
  const { id } = await create()
  const details = { retryable: true, status: 503, retryAfterMs: 7_000 }
  toy.answers.resolve = async () => { throw new ProviderError('toy', 'resolve', 'provider_error', details) }
  t.match(await gateway.check(id, good), { settled: false, verification: { status: 'pending' } })
  t.match(await jobsOf(id), [{ delay: 7_000 }])
  t.match(currentAttempt((await read(id)).record)?.attempt, { phase: 'resolving', wasQueried: true })
  t.match(await gateway.check(id, good), { settled: false }, 'repeated by the app: in progress')
  t.equal(toy.called('resolve').length, 1)
})

t.test('the provider rejects the attempt: the next one starts within the request', async t => {
  const { create, gateway, toy, other, jobsOf } = setUp()
  const { id } = await create()
  toy.answers.resolve = async () => { throw new ProviderError('toy', 'resolve', 'evidence_expired') }
  t.match(await gateway.check(id, good), {
    settled: true, verification: { attempts: [{ reason: 'evidence_expired' }, { phase: 'waiting' }] },
  })
  t.strictSame(other.called('start'), ['other.code'])
  t.strictSame(await jobsOf(id), [])
})
