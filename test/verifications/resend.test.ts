import t from 'tap'
import { ProviderError } from '../../src/core/errors.ts'
import { availableActions } from '../../src/core/verification.ts'
import { StoreUnavailable } from '../../src/store/record-store.ts'
import { tooEarly } from '../../src/verifications/resend.ts'
import { errorCode, openTestbed, type SetUpOptions } from '../helpers/verifications.ts'

const { setUp } = await openTestbed(t)

async function wait (options?: SetUpOptions) {
  const room = setUp(options)
  const { id } = await room.create()
  const remaining = async () =>
    availableActions((await room.read(id)).record).find(({ action }) => action === 'resend')?.remaining ?? 0
  return { ...room, id, remaining }
}

t.test('too early: nothing is sent, and nothing is counted', async t => {
  const { gateway, id, toy, pass, read, remaining } = await wait()
  const before = await read(id)
  pass(28_500)
  t.match(await gateway.resend(id).catch(error => error), {
    apiCode: 'rate_limited', message: 'It can be sent again in 2 s.', extra: { retryAfterSeconds: 2 },
  })
  pass(1_499)
  t.match(await gateway.resend(id).catch(error => error), { extra: { retryAfterSeconds: 1 } })
  t.match(tooEarly('It can be sent', 0).extra, { retryAfterSeconds: 1 }, 'its time came after the decision')
  t.strictSame(toy.called('resend'), [])
  t.strictSame(await read(id), before)
  t.equal(await remaining(), 2)
})

t.test('the same attempt is sent again, as often as the method allows', async t => {
  const { gateway, id, toy, pass, now, remaining } = await wait()
  for (const left of [1, 0]) {
    pass(30_000)
    t.match(await gateway.resend(id), {
      attempts: [{ state: { sent: toy.calls.length }, resend: { left, availableAt: now() + 30_000 } }],
    })
    t.equal(await remaining(), left)
  }
  t.match(toy.calls.at(-1), { call: 'resend', attempt: { state: { sent: 2 } } }, 'with the state of the last one')
  pass(29_999)
  await t.rejects(gateway.resend(id), { message: 'The pending attempt cannot be sent again.' }, 'none is left')
  t.equal(toy.called('resend').length, 2)
})

t.test('a method that cannot send again, and a verification that has ended', async t => {
  const { create, gateway, id, toy } = await wait()
  const silent = await create({ workflow: ['toy.silent'], phoneNumber: '+14155550102' })
  t.equal(await errorCode(gateway.resend(silent.id)), 'invalid_state')
  await gateway.cancel(id)
  t.match(await gateway.resend(id).catch(error => error), {
    apiCode: 'invalid_state', extra: { verificationStatus: 'canceled' },
  })
  t.strictSame(toy.called('resend'), [])
})

t.test('two requests at once send once', async t => {
  const { gateway, id, toy, pass } = await wait()
  pass(30_000)
  const codes = await Promise.all([1, 2].map(() => errorCode(gateway.resend(id))))
  t.strictSame(codes.toSorted(), ['none', 'rate_limited'])
  t.equal(toy.called('resend').length, 1)
})

t.test('the provider fails: what was sent before stays valid', async t => {
  const { gateway, id, toy, pass, read } = await wait()
  pass(30_000)
  toy.answers.resend = async () => { throw new ProviderError('toy', 'resend', 'provider_error') }
  t.equal(await errorCode(gateway.resend(id)), 'provider_unavailable')
  t.match((await read(id)).record, { status: 'pending', attempts: [{ phase: 'waiting', state: { sent: 1 } }] })
  toy.answers.resend = async () => { throw new RangeError('a fault of the adapter') }
  pass(30_000)
  await t.rejects(gateway.resend(id), RangeError)
})

t.test('a provider id that belongs to another attempt', async t => {
  const { gateway, create, id, toy, pass, read } = await wait()
  toy.answers.start = async () => ({ state: null, action: { type: 'answerCall' }, id: 'one' })
  await create({ phoneNumber: '+14155550102' })
  pass(30_000)
  toy.answers.resend = async () => ({ state: { of: 'another' }, action: { type: 'answerCall' }, id: 'one' })
  t.equal(await errorCode(gateway.resend(id)), 'provider_unavailable')
  t.match((await read(id)).record, { attempts: [{ state: { sent: 1 } }] })
})

t.test('the answer survives a short outage of the store', async t => {
  let saves = 0
  const { gateway, id, toy, pass } = await wait({
    wrapStore: store => ({
      ...store,
      async save (...args) {
        saves += 1
        if (saves === 3) throw new StoreUnavailable('TIMEOUT')
        return store.save(...args)
      },
    }),
  })
  pass(30_000)
  t.match(await gateway.resend(id), { attempts: [{ state: { sent: 2 } }] })
  t.strictSame([saves, toy.called('resend').length], [4, 1])
})
