import t from 'tap'
import { otpless } from '../../src/sandbox/otpless/index.ts'
import { telegram } from '../../src/sandbox/telegram/index.ts'
import { startGateway, type Answer } from '../helpers/gateway.ts'
import { until } from '../helpers/redis.ts'
import { begin, codeFor, itemsOf, numberEnding, post, readMetric } from './end-user.ts'

/** `telegram.code` in a gateway, against the simulator of Telegram Gateway. */

const gateway = await startGateway(t, { simulatorOptions: { simulators: [otpless, telegram], handsetDelayMs: 10 } })
const { url, shop, simulators } = gateway
const method = 'telegram.code'
const code = (body: Answer['body']): string => codeFor(String(body['phoneNumber']))
const revoked = (): number => simulators.requests.filter(({ path }) => path === '/revokeVerificationMessage').length

t.test('a code that Telegram shows verifies the number; the attempt has its cost and its receipts', async t => {
  const { id, phoneNumber, check } = await begin(gateway, method)
  await until(async () => (await itemsOf(simulators, phoneNumber)).length > 0, 'the message is on the phone')
  const [message] = await itemsOf(simulators, phoneNumber)
  const { nextAction, attempts: [attempt] } = await shop.waitFor(id, ({ attempts }) =>
    attempts[0].delivery?.status === 'read')
  t.match(nextAction, { type: 'submitCode', length: 6, channels: ['TELEGRAM'] })
  t.match(attempt, { delivery: { channel: 'telegram', at: String }, cost: { amount: 0.01, currency: 'USD' } })
  t.match(await check({ code: message?.code }), {
    status: 200, body: {
      status: 'verified',
      result: { phoneNumber, method, provider: 'telegram', assurance: { level: 2, possession: 'account' } },
    },
  })
  t.equal(await readMetric(url, 'verigate_callbacks_total{provider="telegram",result="accepted"}'), 3)
  t.ok(await readMetric(url, 'verigate_provider_balance{provider="telegram",currency="USD"}') > 90)
  t.equal(revoked(), 0, 'what is over is not revoked')
})

t.test('a wrong code can be corrected; five end the attempt, and the next method starts', async t => {
  const first = await begin(gateway, method)
  t.match(await first.check({ code: '000000' }), {
    status: 422, body: { code: 'code_incorrect', attemptsRemaining: 4 },
  })
  t.match(await first.check({ code: codeFor(first.phoneNumber) }), { status: 200, body: { status: 'verified' } })

  const phoneNumber = `${numberEnding('01').slice(0, -3)}501`
  const { check, read } = await begin(gateway, method, { phoneNumber, workflow: [method, 'otpless.otp'] })
  for (let left = 4; left > 0; left -= 1) {
    t.match(await check({ code: codeFor(phoneNumber) }), { status: 422, body: { attemptsRemaining: left } })
  }
  await check({ code: codeFor(phoneNumber) })
  const after = await read()
  t.match(after['attempts'], [
    { method, status: 'failed', reason: 'code_attempts_exhausted' }, { method: 'otpless.otp', status: 'pending' },
  ])
  t.match(await check({ code: code(after) }), { status: 200, body: { status: 'verified' } })
})

t.test('a number without a Telegram account continues with the next method', async t => {
  const phoneNumber = `${numberEnding('91').slice(0, -3)}591`
  const { read, check } = await begin(gateway, method, { phoneNumber, workflow: [method, 'otpless.otp'] })
  const body = await read()
  t.match(body['attempts'], [
    { method, status: 'failed', reason: 'number_not_registered', cost: null }, { method: 'otpless.otp' },
  ])
  t.match(await check({ code: code(body) }), { status: 200, body: { status: 'verified' } })
})

t.test('an expired code, and one that Telegram judges at the third request', async t => {
  const expired = await begin(gateway, method, { phoneNumber: '+14155582199' })
  t.match(await expired.check({ code: codeFor(expired.phoneNumber) }), {
    body: { status: 'failed', reason: 'evidence_expired' },
  })
  const flaky = await begin(gateway, method, { phoneNumber: numberEnding('97') })
  t.match(await flaky.check({ code: codeFor(flaky.phoneNumber) }), { status: 202, body: { status: 'pending' } })
  t.match(await shop.waitFor(flaky.id), { status: 'verified' })
})

t.test('a message of an attempt that ends early is revoked', async t => {
  const before = revoked()
  const { id } = await begin(gateway, method)
  t.equal((await shop.call('POST', `/verifications/${id}/cancel`)).status, 200)
  t.equal(revoked(), before + 1)
})

t.test('a message that is not delivered in its time, and a report that nobody signed', async t => {
  const { id } = await begin(gateway, method, { phoneNumber: '+14155581192' })
  await shop.waitFor(id, ({ attempts }) => attempts[0].delivery?.status === 'failed')
  await post(`${url}/callbacks/telegram/${'a'.repeat(48)}`, { delivery_status: { status: 'read' } })
  t.equal(await readMetric(url, 'verigate_callbacks_total{provider="telegram",result="signature_missing"}'), 1)
})
