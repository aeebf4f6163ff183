import t from 'tap'
import { ProviderError } from '../../src/core/errors.ts'
import { currentAttempt } from '../../src/core/verification.ts'
import { createCheck } from '../../src/verifications/check.ts'
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
})

t.test('a proof that is weaker than its method promised verifies only where that is enough', async t => {
  const { create, gateway, toy } = setUp()
  toy.answers.resolve = async ({ phoneNumber }) => ({
    verdict: 'proven', phoneNumber: phoneNumber ?? '',
    assurance: { possession: 'message', binding: 'none', restricted: true },
  })
  const { id } = await create({ minAssurance: 2 })
  t.match(await gateway.check(id, good), {
    settled: true, verification: {
      status: 'pending',
      attempts: [{ method: 'toy.code', status: 'failed', reason: 'evidence_invalid' }, { method: 'other.code' }],
    },
  })
  t.match(await gateway.check(id, good), { verification: { status: 'verified', result: { method: 'other.code' } } })
  const enough = await create()
  t.match(await gateway.check(enough.id, good), {
    verification: { status: 'verified', result: { assurance: { binding: 'none', restricted: true } } },
  })
})

t.test('a final verification knows the evidence that settled it', async t => {
  const { create, gateway, toy, read, sealer } = setUp()
  const { id } = await create()
  await gateway.check(id, { code: '000000' }).catch(() => null)
  const { verification } = await gateway.check(id, good)
  for (const evidence of [good, { code: '123 456' }, { code: '\u200e١٢٣٤٥٦\n' }, {}]) {
    t.strictSame(await gateway.check(id, evidence), { verification, settled: true }, JSON.stringify(evidence))
  }
  for (const evidence of [{ code: '000000' }, { code: '123457' }, { code: 'none' }, { token: goodCode }]) {
    const error = await gateway.check(id, evidence).catch(error => error)
    t.match(error, { apiCode: 'invalid_state', extra: { verificationStatus: 'verified' } }, JSON.stringify(evidence))
  }
  t.equal(toy.called('resolve').length, 2, 'the provider was not asked again')
  const { record } = await read(id)
  t.notMatch(JSON.stringify(record.attempts), goodCode, 'only a keyed hash is kept')
  t.match(record.attempts, [{ status: 'verified', evidenceHash: /^[\w-]{22}$/ }])
  t.match(sealer.keyedHashes('submitted', `${id} {"code":"${goodCode}"}`), [
    'evidenceHash' in Object(record.attempts[0]) ? Object(record.attempts[0]).evidenceHash : null,
  ])
})

t.test('evidence that ended a verification without proof, and one that it did not end', async t => {
  const { create, gateway, pass } = setUp()
  const forged = await create({ workflow: ['toy.token'] })
  t.match(await gateway.check(forged.id, { token: 'forged' }), { verification: { reason: 'evidence_invalid' } })
  t.match(await gateway.check(forged.id, { token: ' forged\n' }), { settled: true, verification: { status: 'failed' } })
  t.equal(await errorCode(gateway.check(forged.id, { token: 'other' })), 'invalid_state')

  const skipping = await create({ workflow: ['toy.token', 'toy.operator'] })
  t.match(
    await gateway.check(skipping.id, { token: 'forged' }), { verification: { attempts: [{}, { status: 'skipped' }] } },
  )
  t.match(await gateway.check(skipping.id, { token: 'forged' }), { settled: true }, 'an attempt was skipped after it')

  const wrong = await create({ workflow: ['toy.code'] })
  for (const code of ['000001', '000002', '000003']) await gateway.check(wrong.id, { code }).catch(() => null)
  t.match(await gateway.check(wrong.id, { code: '000003' }), { verification: { reason: 'code_attempts_exhausted' } })
  t.equal(await errorCode(gateway.check(wrong.id, { code: '000001' })), 'invalid_state')

  const canceled = await create({ workflow: ['toy.code'] })
  await gateway.cancel(canceled.id)
  t.match(await gateway.check(canceled.id, {}), { settled: true, verification: { status: 'canceled' } })
  t.equal(await errorCode(gateway.check(canceled.id, good)), 'invalid_state')

  const late = await create({ workflow: ['toy.code'] })
  pass(60_000)
  await gateway.sweep()
  t.match(await gateway.check(late.id, {}), { verification: { status: 'expired', reason: 'attempt_timeout' } })
  t.equal(await errorCode(gateway.check(late.id, good)), 'invalid_state')
})

t.test('the same code twice at once settles once, and both callers learn it', async t => {
  const { create, gateway, toy, read } = setUp()
  const { id } = await create()
  const results = await Promise.all([good, { code: '123-456' }, good].map(code => gateway.check(id, code)))
  t.equal(toy.called('resolve').length, 1)
  t.equal((await read(id)).record.status, 'verified')
  for (const { settled, verification } of results) t.equal(settled, verification.status === 'verified')
  t.match(await gateway.check(id, good), { settled: true, verification: { status: 'verified' } })
})

t.test('a typed code reaches the provider as plain digits', async t => {
  const { create, gateway, toy, read } = setUp()
  const { id } = await create()
  t.match(await gateway.check(id, { code: '\u200f ۱۲۳-۴۵۶\n' }), { verification: { status: 'verified' } })
  t.match(toy.calls.at(-1), { call: 'resolve', evidence: { code: '123456' } })

  const second = await create()
  for (const code of ['abc', ' ', '-', '\u200e']) {
    t.equal(await errorCode(gateway.check(second.id, { code })), 'invalid_request', JSON.stringify(code))
  }
  t.match((await read(second.id)).record.attempts, [{ phase: 'waiting', attemptsRemaining: 3 }], 'no try is used up')

  const silent = await create({ phoneNumber: '+14155550104', workflow: ['toy.silent'] })
  await gateway.check(silent.id, { code: ' a1-b2 \n' }).catch(() => null)
  t.match(toy.calls.at(-1), { call: 'resolve', evidence: { code: 'a1-b2' } }, 'a code that nobody types stays')
})

t.test('a token with white space around it is the same token', async t => {
  const { create, gateway, toy } = setUp()
  const [first, second] = [await create({ workflow: ['toy.token'] }), await create({
    phoneNumber: '+14155550102', workflow: ['toy.token'],
  })]
  t.match(await gateway.check(first.id, { token: 'one\n' }), { verification: { status: 'verified' } })
  t.match(toy.calls.at(-1), { evidence: { token: 'one' } })
  await t.rejects(gateway.check(second.id, { token: '\tone ' }), { message: 'This evidence was used before.' })
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

t.test('a method that judges codes itself: the answer is in the same write', async t => {
  let writes = 0
  const { create, gateway, toy, read, count, jobsOf, lines, pass } = setUp({
    wrapStore: store => ({ ...store, save: (...args) => { writes += 1; return store.save(...args) } }),
  })
  const workflow = ['toy.local', 'other.code']
  const { id } = await create({ workflow })
  const [calls, saved] = [lines.filter(({ msg }) => msg === 'provider call').length, writes]
  const error = await gateway.check(id, { code: '000000' }).catch(error => error)
  t.match(error, { apiCode: 'code_incorrect', extra: { attemptsRemaining: 2 } })
  const { verification } = await gateway.check(id, good)
  t.match(verification, { status: 'verified', result: { method: 'toy.local' } })
  t.strictSame([(await read(id)).record, writes - saved], [verification, 2], 'one write for each code')
  t.equal(lines.filter(({ msg }) => msg === 'provider call').length, calls, 'the provider has no part in it')
  t.equal(await count('verigate_provider_calls_total', { call: 'resolve' }), 0)
  t.strictSame(await gateway.check(id, good), { verification, settled: true })
  t.equal(await errorCode(gateway.check(id, { code: '000000' })), 'invalid_state')

  const guessed = await create({ workflow, phoneNumber: '+14155550103' })
  const guesses = ['000001', '000002', '000003', '000004', '000005'].map(code => gateway.check(guessed.id, { code }))
  const answers = await Promise.all(guesses.map(errorCode))
  t.strictSame(answers.toSorted(), [...Array(3).fill('code_incorrect'), ...Array(2).fill('invalid_state')])
  t.match((await read(guessed.id)).record, {
    attempts: [{ reason: 'code_attempts_exhausted' }, { method: 'other.code', phase: 'waiting' }],
  }, 'codes that arrive together have no more tries, and the next attempt has started')

  const late = await create({ workflow, phoneNumber: '+14155550104' })
  pass(60_000)
  t.equal(await errorCode(gateway.check(late.id, good)), 'invalid_state')
  t.match((await read(late.id)).record.attempts, [{ reason: 'attempt_timeout' }, { phase: 'waiting' }])
  t.strictSame(await jobsOf(late.id), [])
  t.notOk(toy.calls.some(({ repeated }) => repeated === true))
})

t.test('a method that judges codes itself: a number with too many incorrect codes', async t => {
  const { create, gateway } = setUp({ shop: { limits: { wrongCodesPerNumberPerHour: 2 } } })
  const { id } = await create({ workflow: ['toy.local'] })
  for (const answer of ['code_incorrect', 'code_incorrect', 'rate_limited']) {
    t.equal(await errorCode(gateway.check(id, { code: '000000' })), answer)
  }
  t.equal(await errorCode(gateway.check(id, good)), 'rate_limited', 'also the right one')
})

t.test('evidence that the attempt does not accept', async t => {
  const { create, gateway, store, dispatch, transitions } = setUp()
  const { id } = await create()
  for (const evidence of [
    { token: 'x' }, {}, { authorizationCode: 'a', codeVerifier: 'b' },
    { payload: 'p', signature: 's', signatureAlgorithm: 'a' },
  ]) t.equal(await errorCode(gateway.check(id, evidence)), 'invalid_state')
  await dispatch.apply(await transitions.load(id), { type: 'attemptFailed', attempt: 0, reason: 'abandoned' })
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

t.test('the evidence that settled it is known under each key of SEAL_KEYS', async t => {
  const { create, gateway, transitions, dispatch, start, resolve, providerCalls, adapters, sealer } = setUp()
  const { id } = await create()
  await gateway.check(id, good)
  const rotated = {
    keyedHash: () => 'of the newer key',
    keyedHashes: (purpose: string, text: string) => ['of the newer key', ...sealer.keyedHashes(purpose, text)],
  }
  const check = createCheck({ transitions, dispatch, start, resolve, providerCalls, adapters, sealer: rotated })
  t.match(await check(id, good), { settled: true })
  t.equal(await errorCode(check(id, { code: '000000' })), 'invalid_state')
})
