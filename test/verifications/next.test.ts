import t from 'tap'
import { ProviderError } from '../../src/core/errors.ts'
import { errorCode, openTestbed } from '../helpers/verifications.ts'

const { setUp } = await openTestbed(t)

t.test('the current attempt ends and the next one starts, in this process', async t => {
  const { create, gateway, toy, other, read, jobsOf } = setUp()
  const { id } = await create()
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
  const { create, gateway } = setUp()
  const { id } = await create()
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
  const { create, gateway, other } = setUp()
  other.answers.start = async () => { throw new ProviderError('other', 'start', 'number_not_registered') }
  const { id } = await create()
  t.match(await gateway.next(id, 'abandoned'), { status: 'failed', reason: 'number_not_registered' })
  await gateway.erase(id)
  t.equal(await errorCode(gateway.next(id, 'abandoned')), 'gone')
})
