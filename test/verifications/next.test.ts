import fc from 'fast-check'
import t from 'tap'
import { ProviderError } from '../../src/core/errors.ts'
import type { Store } from '../../src/store/record-store.ts'
import type { Verification } from '../../src/core/verification.ts'
import { createNext } from '../../src/verifications/next.ts'
import { errorCode, goodCode, openTestbed } from '../helpers/verifications.ts'

const { setUp } = await openTestbed(t)

/** A verification whose code the provider judges only when `answer` is resolved. */
async function check (code: string) {
  const room = setUp()
  const { id, revision } = await room.create({ workflow: ['toy.code', 'other.silent'] })
  const [asked, answer] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  const judge = room.toy.answers.resolve
  room.toy.answers.resolve = async (...args) => {
    asked.resolve()
    await answer.promise
    return judge(...args)
  }
  const checking = room.gateway.check(id, { code }).catch(error => error)
  await asked.promise
  return { ...room, id, revision, answer, checking }
}

t.test('the current attempt ends and the next one starts, in this process', async t => {
  const { create, gateway, toy, other, read, jobsOf, pass } = setUp()
  const { id } = await create()
  pass(30_000)
  const verification = await gateway.next(id, 'not_on_cellular')
  t.match(verification.attempts, [
    { status: 'failed', reason: 'not_on_cellular' }, { method: 'other.code', phase: 'waiting' },
  ])
  t.strictSame((await read(id)).record, verification)
  t.strictSame([toy.called('cancel'), other.called('start')], [['toy.code'], ['other.code']])
  t.strictSame(await jobsOf(id), [])
})

t.test('the attempt is canceled at the provider before the next one starts', async t => {
  const { create, gateway, toy } = setUp()
  const { id } = await create({ workflow: ['toy.code', 'toy.silent'] })
  await gateway.next(id, 'abandoned')
  t.strictSame(toy.calls.map(({ call, attempt }) => `${call} ${attempt.method}`), [
    'start toy.code', 'cancel toy.code', 'start toy.silent',
  ])
})

t.test('also a rejection by the user continues, because the front end asked for it', async t => {
  const { create, gateway, pass } = setUp()
  const { id } = await create()
  pass(30_000)
  t.match(await gateway.next(id, 'user_rejected'), { status: 'pending' })
})

t.test('no step is left', async t => {
  const { create, gateway } = setUp()
  const { id } = await create({ workflow: ['toy.code'] })
  t.match(await gateway.next(id, 'app_not_installed'), { status: 'failed', reason: 'app_not_installed' })
  const error = await gateway.next(id, 'abandoned').catch(error => error)
  t.match(error, { apiCode: 'invalid_state', extra: { verificationStatus: 'failed' } })
})

t.test('a next step that fails', async t => {
  const { create, gateway, other, pass } = setUp()
  other.answers.start = async () => { throw new ProviderError('other', 'start', 'number_not_registered') }
  const { id } = await create()
  pass(30_000)
  t.match(await gateway.next(id, 'abandoned'), { status: 'failed', reason: 'number_not_registered' })
  await gateway.erase(id)
  t.equal(await errorCode(gateway.next(id, 'abandoned')), 'gone')
})

t.test('from one message to another there is a pause', async t => {
  const { create, gateway, toy, other, pass, read } = setUp()
  const { id } = await create({ workflow: ['toy.code', 'other.code', 'other.silent'] })
  pass(29_001)
  const error = await gateway.next(id, 'abandoned').catch(error => error)
  t.match(error, { apiCode: 'rate_limited', extra: { retryAfterSeconds: 1 } })
  t.strictSame([toy.called('cancel'), other.calls.length], [[], 0])
  pass(999)
  await gateway.next(id, 'abandoned')
  t.match(await gateway.next(id, 'abandoned'), { attempts: [{}, {}, { method: 'other.silent', phase: 'waiting' }] },
    'a silent method can start at once')
  t.match((await read(id)).record.attempts[0], { reason: 'abandoned' })
})

t.test('the pause begins again with a resend', async t => {
  const { create, gateway, pass } = setUp()
  const { id } = await create()
  pass(30_000)
  await gateway.resend(id)
  t.equal(await errorCode(gateway.next(id, 'abandoned')), 'rate_limited')
  pass(30_000)
  t.match(await gateway.next(id, 'abandoned'), { attempts: [{ reason: 'abandoned' }, { phase: 'waiting' }] })
})

t.test('a revision makes it conditional', async t => {
  const { create, gateway, pass, read } = setUp()
  const { id, revision } = await create({ workflow: ['toy.silent', 'toy.token', 'toy.code'] })
  pass(30_000)
  const twice = await Promise.allSettled([1, 2].map(() => gateway.next(id, 'abandoned', revision)))
  t.strictSame(twice.map(({ status }) => status).toSorted(), ['fulfilled', 'rejected'])
  t.match(twice.find(({ status }) => status === 'rejected'), { reason: { apiCode: 'invalid_state' } })
  const { attempts, revision: newest } = (await read(id)).record
  t.match(attempts, [{ reason: 'abandoned' }, { phase: 'waiting' }], 'one attempt ended')
  t.equal(await errorCode(gateway.next(id, 'abandoned', newest - 1)), 'invalid_state')
  t.equal((await gateway.next(id, 'abandoned', newest)).attempts.length, 3)
})

t.test('a code that is being checked is judged first', async t => {
  const { create, gateway, toy, other } = setUp()
  const answers: Record<string, { code: string, attempts: object[] }> = {
    verified: { code: goodCode, attempts: [{ status: 'verified' }] },
    pending: { code: '000000', attempts: [{ reason: 'abandoned' }, { method: 'other.silent', phase: 'waiting' }] },
  }
  for (const [status, { code, attempts }] of Object.entries(answers)) {
    const { id } = await create({ workflow: ['toy.code', 'other.silent'], onConflict: 'replace' })
    const [asked, answer] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    const judge = toy.answers.resolve
    toy.answers.resolve = async (...args) => {
      asked.resolve()
      await answer.promise
      return judge(...args)
    }
    const checking = gateway.check(id, { code }).catch(error => error)
    await asked.promise
    const next = gateway.next(id, 'abandoned')
    t.strictSame(other.called('start'), [], 'it waits')
    answer.resolve()
    t.match(await checking, status === 'verified'
      ? { verification: { status } }
      : { apiCode: 'code_incorrect', extra: { attemptsRemaining: 2 } })
    const { status: is, attempts: are } = await next
    t.match([is, are], [status, attempts])
    t.equal(are.length, attempts.length)
    toy.answers.resolve = judge
  }
})

t.test('the last wrong code ends the attempt: the next one is not ended with it', async t => {
  const { create, gateway, toy } = setUp()
  const { id } = await create({ workflow: ['toy.code', 'other.silent', 'other.token'] })
  for (const code of ['1', '2']) await gateway.check(id, { code }).catch(() => {})
  const [asked, answer] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  toy.answers.resolve = async () => {
    asked.resolve()
    await answer.promise
    return { verdict: 'incorrect' }
  }
  const checking = errorCode(gateway.check(id, { code: '3' }))
  await asked.promise
  const next = gateway.next(id, 'abandoned')
  answer.resolve()
  t.equal(await checking, 'code_incorrect')
  t.match((await next).attempts, [{ reason: 'code_attempts_exhausted' }, { method: 'other.silent' }])
  t.equal((await next).attempts.length, 2)
})

t.test('in whatever order: an accepted code is judged, and a wrong one is counted', async t => {
  const seen = new Set<string>()
  await fc.assert(fc.asyncProperty(fc.scheduler(), fc.boolean(), async (scheduler, isRight) => {
    const { create, gateway, toy, read, pass } = setUp({
      shop: { limits: { wrongCodesPerNumberPerHour: 1 } },
      wrapStore: (store: Store<Verification>) => ({
        ...store, load: scheduler.scheduleFunction(store.load), save: scheduler.scheduleFunction(store.save),
      }),
    })
    const { id } = await scheduler.waitFor(create({ workflow: ['toy.code', 'other.code', 'other.silent'] }))
    pass(30_000)
    const [checked, moved] = await scheduler.waitFor(Promise.all([
      errorCode(gateway.check(id, { code: isRight ? goodCode : '000000' })), errorCode(gateway.next(id, 'abandoned')),
    ]))
    const { record } = await read(id)
    const isJudged = toy.called('resolve').length === 1
    seen.add(`${isRight} ${isJudged}`)
    if (isJudged !== (checked !== 'invalid_state')) throw new Error(`check: ${checked}`)
    if (isJudged && (record.status === 'verified') !== isRight) throw new Error(`${record.status}`)
    if (isJudged && !isRight && checked !== 'code_incorrect') throw new Error(`check: ${checked}`)
    if (moved !== 'none' && !(isRight && moved === 'invalid_state')) throw new Error(`next: ${moved}`)
    if (record.status !== 'pending') return
    // The number has used up its one wrong code, so that no other method that takes codes starts for it.
    const isCounted = record.attempts[1]?.status === 'skipped'
    if (isCounted !== isJudged || record.attempts.length !== (isJudged ? 3 : 2)) throw new Error('counted wrongly')
  }), { numRuns: 60 })
  t.strictSame([...seen].toSorted(), ['false false', 'false true', 'true false', 'true true'], 'both orders occurred')
})

t.test('a provider that does not judge the code within ten seconds is not waited for any longer', async t => {
  const { gateway, id, other } = await check(goodCode)
  t.match(await gateway.next(id, 'abandoned'), {
    attempts: [{ status: 'failed', reason: 'abandoned' }, { method: 'other.silent', phase: 'waiting' }],
  })
  t.strictSame(other.called('start'), ['other.silent'])
})

t.test('a code that turns out to be wrong meanwhile: the revision is newer', async t => {
  const { gateway, id, answer, checking, read } = await check('000000')
  const { revision } = (await read(id)).record
  const next = errorCode(gateway.next(id, 'abandoned', revision))
  answer.resolve()
  t.match(await checking, { apiCode: 'code_incorrect' })
  t.equal(await next, 'invalid_state')
  t.match((await read(id)).record.attempts, [{ phase: 'waiting' }])
})

t.test('an older revision is refused at once, also while a code is being checked', async t => {
  const { gateway, id, answer, checking, revision } = await check(goodCode)
  t.equal(await errorCode(gateway.next(id, 'abandoned', revision)), 'invalid_state')
  answer.resolve()
  t.match(await checking, { verification: { status: 'verified' } })
})

t.test('a message of the change feed that got lost: the record is read again after a second', async t => {
  const { id, answer, checking, transitions, dispatch, start, now } = await check('000000')
  const waits: { timeoutMs: number, signal?: AbortSignal }[] = []
  const next = createNext({
    transitions, dispatch, start, now, changeFeed: {
      async once (_id, options) {
        waits.push(options)
        if (waits.length > 1) {
          answer.resolve()
          await checking
        }
        return null
      },
    },
  })
  t.match((await next(id, 'abandoned')).attempts, [{ reason: 'abandoned' }, { phase: 'waiting' }])
  t.ok(waits.length > 1 && waits.every(({ timeoutMs }) => timeoutMs === 1_000))
  t.ok(waits.at(-1)?.signal?.aborted === true, 'nothing listens any longer')
})
