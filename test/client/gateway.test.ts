import t from 'tap'
import {
  CodeIncorrectError, InvalidStateError, ProblemError, RateLimitedError, Verigate, VerificationInProgressError,
  type Verification, type VerificationEvent,
} from '../../packages/client/src/index.ts'
import { codeFor, numberEnding } from '../e2e/end-user.ts'
import { keys, startGateway, withWebhook } from '../helpers/gateway.ts'
import { startReceiver } from '../sandbox/receiver.ts'

const workflow = ['otpless.otp']

t.test('a lifecycle', async t => {
  const { url } = await startGateway(t)
  const verigate = new Verigate({ url, apiKey: keys.shop })

  await t.test('a server creates and waits, a front end checks', async t => {
    const phoneNumber = numberEnding('02')
    const created = await verigate.create({ phoneNumber, workflow, reference: 'signup-1' })
    t.match(created, { status: 'pending', nextAction: { type: 'submitCode', length: 6 } })
    const seen: Verification[] = []
    const waiting = verigate.waitForResult(created.id, { onChange: one => { seen.push(one) } })
    const frontEnd = new Verigate({ url, clientSecret: created.clientSecret })
    await t.rejects(
      frontEnd.check(created.id, { code: '000001' }), { name: 'CodeIncorrectError', attemptsRemaining: 4 },
    )
    t.equal((await frontEnd.check(created.id, { code: codeFor(phoneNumber) })).status, 'verified')
    const result = await waiting
    t.match(result, { verified: true, result: { phoneNumber, method: 'otpless.otp' } })
    t.ok(seen.length >= 2 && seen.every(({ revision }, at) => at === 0 || revision > (seen[at - 1]?.revision ?? 0)))
    t.equal(seen.at(-1), result)
    t.match(await verigate.list({ reference: 'signup-1' }), [{ id: result.id, status: 'verified' }])
    t.same(await verigate.get(created.id), result)
    t.same(await verigate.waitForResult(created.id), result, 'at once')
  })

  await t.test('events, also from the middle', async t => {
    const phoneNumber = numberEnding('02')
    const { id, clientSecret } = await verigate.create({ phoneNumber, workflow })
    const frontEnd = new Verigate({ url, clientSecret })
    const events: VerificationEvent[] = []
    for await (const event of frontEnd.events(id)) {
      if (events.push(event) === 1) await frontEnd.check(id, { code: codeFor(phoneNumber) })
    }
    t.match(events[0], { type: 'verification.updated', verification: { id, status: 'pending' } })
    t.match(events.at(-1), { type: 'verification.verified', verification: { id, status: 'verified' } })
    const last = events.at(-1)?.id ?? 0
    const resumed = await Array.fromAsync(frontEnd.events(id, { lastEventId: last - 1 }))
    t.same(resumed.map(({ id }) => id), [last])
    t.same(await Array.fromAsync(frontEnd.events(id, { lastEventId: last })), [], 'the last event is known')
  })

  await t.test('a loop over events can be left, and aborted', async t => {
    const { id } = await verigate.create({ phoneNumber: numberEnding('02'), workflow })
    for await (const event of verigate.events(id)) {
      t.equal(event.verification.id, id)
      break
    }
    const controller = new AbortController()
    await t.rejects(async () => {
      for await (const { verification } of verigate.events(id, { signal: controller.signal })) {
        t.equal(verification.status, 'pending')
        controller.abort(new Error('enough'))
      }
    }, { message: 'enough' })
    await t.rejects(
      verigate.waitForResult(
        id, { signal: AbortSignal.timeout(200) },
      ), { name: 'TimeoutError' }, 'nor is waiting endless',
    )
    t.match(await verigate.next(id, { reason: 'abandoned', revision: 99 }), { status: 'failed', reason: 'abandoned' })
  })

  await t.test('a create that is repeated with its key returns the same verification', async t => {
    const body = { phoneNumber: numberEnding('02'), workflow }
    const { id } = await verigate.create(body, { idempotencyKey: 'signup-77' })
    t.equal((await verigate.create(body, { idempotencyKey: 'signup-77' })).id, id)
    const error = await verigate.create(body).catch((error: unknown) => error)
    t.ok(error instanceof VerificationInProgressError && error.verificationId === id, 'each call has its own key')
    t.equal((await verigate.cancel(id)).status, 'canceled')
    await verigate.erase(id)
    await t.rejects(verigate.waitForResult(id), { code: 'gone', status: 410 }, 'waiting cannot help')
    await t.rejects(Array.fromAsync(verigate.events(id)), { code: 'gone' })
  })

  await t.test('errors have a class, a code and the id of the request', async t => {
    const { id } = await verigate.create({ phoneNumber: numberEnding('02'), workflow })
    const errorOf = async (call: Promise<unknown>): Promise<unknown> => call.catch((error: unknown) => error)
    const early = await errorOf(verigate.resend(id))
    t.ok(early instanceof RateLimitedError && (early.retryAfter ?? 0) > 1)
    await verigate.cancel(id)
    const ended = await errorOf(verigate.check(id, { code: '123456' }))
    t.ok(ended instanceof InvalidStateError && ended.verificationStatus === 'canceled')
    t.notOk(ended instanceof CodeIncorrectError)
    const invalid = await errorOf(verigate.create({ phoneNumber: '+14155550102', locale: 'no locale' }))
    t.ok(invalid instanceof ProblemError && invalid.errors[0]?.field === 'locale')
    t.match(invalid, { code: 'invalid_request', status: 400, requestId: /^\S{10,}$/, retryAfter: null })
    await t.rejects(
      new Verigate({ url, apiKey: 'vgk_nobody' }).providers(), { name: 'ProblemError', code: 'unauthenticated' },
    )
  })

  await t.test('providers and eligibility', async t => {
    t.ok((await verigate.providers()).some(({ methods }) => methods.some(({ method }) => method === 'otpless.otp')))
    t.match(
      (await verigate.eligibility({ phoneNumber: numberEnding('02') })).find(({ method }) => method === 'otpless.otp'),
      { eligible: true, reason: null },
    )
  })
})

t.test('the delivery log', async t => {
  const receiver = await startReceiver(t, () => 204)
  const { url } = await startGateway(t, { apps: withWebhook(receiver.url) })
  const verigate = new Verigate({ url, apiKey: keys.shop })
  const { id } = await verigate.testWebhook()
  t.match(await verigate.replayDelivery(id), { id, type: 'webhook.test', status: 'pending' })
  t.match(await verigate.deliveries({ limit: 1 }), { data: [{ id }], nextCursor: null })
})
