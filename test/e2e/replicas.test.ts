import t from 'tap'
import { startReplicated } from '../faults/topology.ts'
import { startGateway, withWebhook } from '../helpers/gateway.ts'
import { until } from '../helpers/redis.ts'
import { startReceiver } from '../sandbox/receiver.ts'
import { codeFor, numberEnding } from './end-user.ts'

t.test('responses and webhooks wait for a replica, and a retry finds the same verification', async t => {
  const { master, replicas: [replica] } = await startReplicated(t, 1)
  const receiver = await startReceiver(t)
  let whenProviderIsAsked = () => {}
  const now = () => {
    whenProviderIsAsked()
    return Date.now()
  }
  const { shop, simulators } = await startGateway(t, {
    redisUrl: master.url, apps: withWebhook(receiver.url), environment: { REDIS_WAIT_REPLICAS: '1' },
    simulatorOptions: { now },
  })
  const phoneNumber = numberEnding('02')
  const create = () =>
    shop.create({ phoneNumber, workflow: ['otpless.otp'], reference: 'waits' }, { 'idempotency-key': 'waits' })
  const unsafe = { status: 503, body: { code: 'store_unavailable' }, headers: { 'retry-after': '1' } }

  replica?.pause()
  t.hasStrict(await create(), unsafe)
  t.hasStrict(await create(), unsafe, 'nor what was written before')
  const { body: { data: [found] } } = await shop.call('GET', '/verifications?reference=waits')
  replica?.resume()
  await until(async () => (await create()).status === 201, 'the replica has it')
  const { body } = await create()
  t.equal(body['id'], found.id, 'it is the one that was written')
  t.equal(simulators.requests.filter(({ path }) => path === '/auth/v1/initiate/otp').length, 1, 'one message')

  const submit = (code: string) => shop.call('POST', `/verifications/${body['id']}/check`, { code })
  whenProviderIsAsked = () => replica?.pause()
  t.hasStrict(await submit('000000'), unsafe, 'nor is a wrong code told before its count is safe')
  whenProviderIsAsked = () => {}
  replica?.resume()
  await until(async () => (await create()).status === 201, 'the replica has it')
  t.hasStrict(await submit('000001'), { status: 422, body: { code: 'code_incorrect', attemptsRemaining: 3 } })

  const check = () => submit(codeFor(phoneNumber))
  replica?.pause()
  t.hasStrict(await check(), unsafe)
  replica?.resume()
  await until(async () => (await check()).status !== 503, 'the replica has it')
  t.hasStrict(await shop.waitFor(body['id']), { status: 'verified' })
  await until(() => receiver.received.length === 1, 'the webhook is delivered')

  const { body: { id: canceled } } = await shop.create({ workflow: ['truecaller.web'] })
  replica?.pause()
  t.hasStrict(await shop.call('POST', `/verifications/${canceled}/cancel`), unsafe)
  t.hasStrict(await shop.call('GET', `/verifications/${canceled}`), { body: { status: 'canceled' } })
  t.equal(receiver.received.length, 1, 'no webhook is sent yet')
  replica?.resume()
  await until(() => receiver.received.length === 2, 'the webhook is delivered')

  replica?.pause()
  t.hasStrict(await shop.call('DELETE', `/verifications/${body['id']}`), unsafe)
  replica?.resume()
  const metrics: string = (await shop.call('GET', '/metrics')).body['text']
  t.match(metrics, /verigate_redis_errors_total\{code="UNREPLICATED"\} [1-9]/)
})
