import t from 'tap'
import { codesOf, findErrors, operationsOf, readDocument } from '../helpers/document.ts'
import { clientOf, keys, startGateway, withWebhook, type Answer, type Client } from '../helpers/gateway.ts'
import { until } from '../helpers/redis.ts'
import { simulators as every } from '../../src/sandbox/simulators.ts'
import { startReceiver } from '../sandbox/receiver.ts'
import { act, codeFor, numberEnding, openDeepLink } from './end-user.ts'
import { webhookEventNames } from '../../src/core/vocabulary.ts'

const document = await readDocument()
const patterns = operationsOf(document).map(
  place => ({ ...place, pattern: new RegExp(`^${place.path.replace(/\{\w+\}/g, '[^/]+')}$`) }),
)

t.test('responses and webhooks match the document', async t => {
  const receiver = await startReceiver(t, () => 204)
  const gateway = await startGateway(t, {
    apps: withWebhook(receiver.url, [...webhookEventNames]), simulatorOptions: { simulators: every },
  })
  const { url, simulators, bank } = gateway
  const seen = new Set<string>()

  const check = (method: string, path: string, { status, headers, body }: Answer): void => {
    const place = patterns.find(({ method: own, pattern }) => own === method && pattern.test(path.replace(/\?.*/, '')))
    const response = place?.operation.responses[status]
    const about = `${place?.call} ${status} ${body['code'] ?? ''}`
    seen.add(about.trim())
    if (response === undefined) {
      t.fail(`${about} is not documented`)
      return
    }
    const mediaTypes = Object.keys(response.content ?? {})
    const [mediaType = ''] = String(headers['content-type'] ?? '').split(';', 1)
    t.ok(
      mediaType === ''
        ? mediaTypes.length === 0
        : mediaTypes.includes(mediaType), `${about}: content type ${mediaType}`,
    )
    if (mediaType.endsWith('json')) t.same(findErrors(response.content?.[mediaType]?.schema, body), [], about)
    if (status >= 400) t.ok(codesOf(response).includes(body['code']), about)
    for (const name of ['x-request-id', 'www-authenticate', 'retry-after', 'location']) {
      if (name in headers) t.ok(Object.hasOwn(response.headers ?? {}, name), `${about}: ${name}`)
    }
  }
  const checked = (client: Client): Client => ({
    ...client,
    async call (method, path, ...rest) {
      const answer = await client.call(method, path, ...rest)
      check(method, path, answer)
      return answer
    },
    async create (...rest) {
      const answer = await client.create(...rest)
      check('POST', '/verifications', answer)
      return answer
    },
  })
  const [shop, reader, nobody, other] = [
    checked(gateway.shop), checked(clientOf(url, keys.reader)), checked(clientOf(url, null)), checked(bank),
  ]

  for (
    const workflow of [
      ['otpless.otp'], ['truid.phone_check', 'otpless.otp'], ['truecaller.push'], ['truecaller.web'], ['otpless.token'],
      ['twilio.sms'], ['twilio.sna'], ['telegram.code'], ['firebase.pnv'], ['vonage.silent_auth'],
      ['vonage.sms'], ['camara.sms'], ['acme.sms'],
    ]
  ) {
    const phoneNumber = numberEnding('02')
    const { body } = await shop.create(
      { workflow, metadata: { plan: 'pro' }, ...(/web|token|pnv/.test(String(workflow)) ? {} : { phoneNumber }) },
    )
    await checked(clientOf(url, body['clientSecret'])).call('GET', `/verifications/${body['id']}`)
    await act(shop, simulators, body, phoneNumber)
    await until(
      async () => (await shop.call('GET', `/verifications/${body['id']}`)).body['status'] === 'verified',
      `${workflow} is verified`,
    )
  }
  const phoneNumber = numberEnding('02')
  const key = { 'idempotency-key': phoneNumber }
  const { body: { id } } = await shop.create(
    { phoneNumber, workflow: ['truid.phone_check', 'otpless.otp'], reference: phoneNumber }, key,
  )
  await shop.create({ phoneNumber, workflow: ['otpless.otp'] })
  await shop.create({ phoneNumber, workflow: ['otpless.otp'] }, key)
  for (const body of [
    {}, { phoneNumber: 'nobody' }, {
      phoneNumber, workflow: ['acme.call'],
    }, { phoneNumber, workflow: 'otpless.otp' }, '{', { workflow: ['otpless.otp'] },
    { phoneNumber: numberEnding('96'), workflow: ['otpless.otp'] }, 'x'.repeat(70_000),
  ]) await shop.create(body)
  await shop.create('text', { 'content-type': 'text/plain' })
  await reader.create({ phoneNumber })
  await nobody.create({ phoneNumber })
  for (
    const query of [
      `reference=${phoneNumber}`, `phoneNumber=${encodeURIComponent(phoneNumber)}`, 'phoneNumber=nobody', '',
    ]
  ) await reader.call('GET', `/verifications?${query}`)
  await shop.call('POST', `/verifications/${id}/check`, {})
  await shop.call('POST', `/verifications/${id}/check`, { token: 'x' })
  await shop.call('POST', `/verifications/${id}/resend`)
  await shop.call('POST', `/verifications/${id}/next`, { reason: 'not_on_cellular' })
  await shop.call('POST', `/verifications/${id}/resend`)
  await shop.call('POST', `/verifications/${id}/check`, { code: 'wrong' })
  await shop.call('POST', `/verifications/${id}/next`, { reason: 'deadline' })
  await shop.call('POST', `/verifications/${id}/check`, { code: codeFor(phoneNumber) })
  for (const step of ['check', 'next', 'resend', 'cancel']) await shop.call('POST', `/verifications/${id}/${step}`)
  await other.call('GET', `/verifications/${id}`)
  const { body: canceled } = await shop.create({ phoneNumber: numberEnding('02'), workflow: ['otpless.otp'] })
  await shop.call('POST', `/verifications/${canceled['id']}/cancel`)
  await shop.call('GET', `/verifications/${canceled['id']}/events`)
  await shop.call('GET', `/verifications/${canceled['id']}/events?lastEventId=99`)
  await shop.call('DELETE', `/verifications/${canceled['id']}`)
  for (
    const [method, step] of [
      ['GET', ''], ['DELETE', ''], ['GET', '/events'], ['POST', '/check'], ['POST', '/cancel'],
    ] as const
  ) await shop.call(method, `/verifications/${canceled['id']}${step}`)
  const { body: refused } = await shop.create({ workflow: ['truecaller.web'] })
  await openDeepLink(simulators, refused['nextAction'].url, numberEnding('90'))

  await until(
    async () => (await shop.call('GET', '/webhooks/deliveries?limit=100')).body['data'].every(
      ({ status }: { status: string }) => status === 'delivered',
    ),
    'all deliveries are delivered',
  )
  const { body: test } = await shop.call('POST', '/webhooks/test')
  await shop.call('POST', `/webhooks/deliveries/${test['id']}/replay`)
  await shop.call('POST', '/webhooks/deliveries/whd_x/replay')
  await other.call('POST', '/webhooks/test')
  await shop.call('GET', '/webhooks/deliveries?limit=0')
  await shop.call('GET', '/providers')
  for (const path of ['/livez', '/readyz', '/metrics', '/callbacks/truid/x']) await nobody.call('GET', path)
  for (
    const path of ['/callbacks/truid', '/callbacks/nobody', '/callbacks/truid/x']
  ) await nobody.call('POST', path, {})
  await nobody.call('POST', '/callbacks/truid', '{')
  t.ok(seen.size >= 50, `${seen.size} kinds of responses`)

  await until(async () => receiver.received.some(({ text }) => text.includes('webhook.test')), 'the test event is sent')
  for (const { body, headers } of receiver.received) {
    const webhook = document.webhooks[String(body['type'])]?.post
    t.same(findErrors(webhook?.requestBody?.content['application/json']?.schema, body), [], String(body['type']))
    t.ok(webhook?.parameters?.every(({ name }) => typeof headers[name] === 'string'))
  }
  t.ok(new Set(receiver.received.map(({ body }) => body['type'])).size >= 5)
})
