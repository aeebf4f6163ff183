import { randomBytes } from 'node:crypto'
import t from 'tap'
import { request } from 'undici'
import { simulators as every } from '../../src/sandbox/simulators.ts'
import { createIds } from '../../src/store/ids.ts'
import { partitions } from '../../src/store/keys.ts'
import { createSealer } from '../../src/store/sealing.ts'
import { startGateway, type TestGateway } from '../helpers/gateway.ts'
import { startCapturing, startFakeTruecaller } from './captured-callbacks.ts'
import { numberEnding, post } from './end-user.ts'

t.test('a callback that names another endpoint is not followed', async t => {
  const { approve, say, shop, simulators } = await startCapturing(t)
  const phoneNumber = numberEnding('02')
  const stranger = await startFakeTruecaller(t, phoneNumber)
  const { host, port } = new URL(simulators.url)
  const [bad, good] = [`127.0.0.1:${stranger.port}`, host]
  const fetches = () => simulators.requests.filter(({ path }) => path === '/v1/default').length
  const before = fetches()
  const hostile = [
    `http://${bad}/v1/default`, `https://${bad}/v1/default`, `http://${good}@${bad}/v1/default`,
    `http://${good}:x@${bad}/v1/default`,
    `http://user:pass@${good}/v1/default`,
    `http://${good}.evil.example/v1/default`, `http://${good}\\@${bad}/v1/default`, `http://${bad}#@${good}/v1/default`,
    `http://${bad}?@${good}/v1/default`,
    `http://localhost:${stranger.port}/v1/default`, `http://localhost:${port}/v1/default`,
    `http://127.0.0.1/v1/default`,
    `http://127.0.0.1.:${port}/v1/default`,
    `http://2130706433:${stranger.port}/v1/default`, `http://2130706433:${port}/v1/default`,
    `http://0x7f000001:${port}/v1/default`,
    `http://0177.0.0.1:${port}/v1/default`,
    `http://127.1:${port}/v1/default`, `http://[::1]:${stranger.port}/v1/default`,
    `http://[::ffff:127.0.0.1]:${port}/v1/default`,
    `http://[::ffff:7f00:1]:${stranger.port}/v1/default`,
    `http://0.0.0.0:${stranger.port}/v1/default`, 'http://169.254.169.254/v1/default',
    'https://profile4.truecaller.com.evil.example/v1/default',
    'https://profile4.truecaller.com@evil.example/v1/default', 'https://profile4-truecaller.com/v1/default',
    `HTTP://${good}/v1/default`,
    `http:${good}/v1/default`,
    `http:\\\\${good}\\v1\\default`, `//${bad}/v1/default`, ` http://${good}/v1/default`, `http://${good}/v1/default `,
    `http://${good}/v1/\tdefault`, `http://${good}/v1/default?to=${bad}`,
    `http://${good}/v1/default#x`, `http://${good}/v1/../v1/default`, `http://${good}/v1/%64efault`,
    `http://${good}//v1/default`,
    `http://${good}/`, `http://${good}/handset/open`,
    'file:///etc/passwd', 'gopher://127.0.0.1:6379/_INFO', 'data:application/json,{}', 'javascript:1', ' ',
    '/v1/default', 'not a url',
  ]
  await Promise.all(hostile.map(async endpoint => {
    const { id, nonce, grant } = await approve(phoneNumber)
    t.equal((await say({ requestId: nonce, accessToken: grant.body['accessToken'], endpoint })).status, 200)
    t.hasStrict(
      await shop.waitFor(id), { status: 'failed', verified: false, reason: 'evidence_invalid', result: null }, endpoint,
    )
  }))
  t.equal(stranger.count(), 0, 'the foreign server got no request')
  t.equal(fetches(), before, 'and no token was sent')

  simulators.fail({ provider: 'truecaller', path: '/v1/default', answer: 'redirect' })
  const { id, grant } = await approve(phoneNumber)
  await say({ ...grant.body })
  t.hasStrict(
    await shop.waitFor(id), {
      status: 'failed', reason: 'provider_unavailable', attempts: [{ reason: 'provider_bad_response' }],
    },
    'a redirect is not followed',
  )
  t.equal(fetches(), before + 1)
})

for (const [name, status] of [['well', 200], ['badly', 500]] as const) {
  t.test(`a callback that overtakes the answer to the create, which ends ${name}`, async t => {
    const phoneNumber = numberEnding('02')
    const provider = await startFakeTruecaller(t, phoneNumber, async body => {
      t.hasStrict(
        await post(
          `${gateway.url}/callbacks/truecaller`, { requestId: 'r', accessToken: 'early-token', state: body['state'] },
        ),
        { status: 200 },
      )
      return status
    })
    const origin = `http://127.0.0.1:${provider.port}`
    const gateway: TestGateway = await startGateway(t, {
      environment: {
        TRUECALLER_API_URL: origin, TRUECALLER_PROFILE_URL: origin,
        TRUECALLER_PROFILE_HOSTS: `127.0.0.1:${provider.port}`,
      },
    })
    const created = await gateway.shop.create({ phoneNumber, workflow: ['truecaller.push'] })
    t.equal(created.status, 201)
    t.hasStrict(
      await gateway.shop.waitFor(created.body['id']), { status: 'verified', attempts: [{ status: 'verified' }] },
    )
    t.equal(provider.count(), 2, 'one request, one profile')
  })
}

t.test('what strangers send as Twilio, Vonage, Telegram, an operator, Firebase or a declared provider', async t => {
  const gateway = await startGateway(t, { simulatorOptions: { simulators: every, handsetDelayMs: 60_000 } })
  const { shop, url, logs, simulators } = gateway
  const returnUrl = 'https://shop.example/verified'
  const methods = [
    'camara.number_verification', 'camara.sms', 'twilio.sms', 'twilio.sna', 'vonage.silent_auth', 'vonage.sms',
    'telegram.code', 'firebase.pnv', 'acme.sms',
  ]
  const made = await Promise.all(methods.map(async method => {
    const { status, body } = await shop.create({ phoneNumber: numberEnding('02'), workflow: [method], returnUrl })
    t.equal(status, 201, method)
    return { method, provider: method.slice(0, method.indexOf('.')), body }
  }))
  const keys = createIds(createSealer(gateway.environment['SEAL_KEYS'] ?? ''), { partitions, randomBytes })
  const revisions = () => Promise.all(made.map(async ({ body }) => {
    const { status, revision, nextAction } = (await shop.call('GET', `/verifications/${body['id']}`)).body
    return { status, revision, nextAction }
  }))
  const before = await revisions()
  const asked = simulators.requests.length
  const claims = {
    request_id: 'any', status: 'approved', verification_status: {
      status: 'code_valid', updated_at: 1, code_entered: '1',
    },
    delivery_status: { status: 'read', updated_at: 1 }, type: 'event', channel: 'sms', phone_number: '+14155550102',
    __proto__: { type: 'evidence', evidence: { code: '1' } },
  }
  const jwt = (header: object, payload: object, signature = '') =>
    [header, payload].map(part => Buffer.from(JSON.stringify(part)).toString('base64url')).concat(signature).join('.')
  const headers: Record<string, string>[] = [
    {}, { authorization: `Bearer ${jwt({ alg: 'none' }, { iat: Math.floor(Date.now() / 1_000) })}` },
    { authorization: `Bearer ${jwt({ alg: 'HS256' }, { iat: 1, payload_hash: '' }, 'AAAA')}` },
    { 'x-request-timestamp': String(Math.floor(Date.now() / 1_000)), 'x-request-signature': '0'.repeat(64) },
    { 'x-twilio-signature': 'AAAA' },
  ]
  const bodies = [
    claims, [], null, { ...claims, status: 'user_rejected', finalized_at: 'never' }, '"approved"',
  ]
  for (const { provider, body } of made) {
    // Its own key is known to the provider alone. Telegram signs besides, so that not even the key is enough.
    const other = made.find(one => one.provider !== provider)?.body['id']
    const paths = [
      `/callbacks/${provider}`, `/callbacks/${provider}/${'A'.repeat(48)}`,
      `/callbacks/${provider}/${keys.callbackKey(body['id'], 0, 'redirect')}`,
      `/callbacks/${provider}/${keys.callbackKey(other, 0, 'callback')}`,
      ...provider === 'telegram' ? [`/callbacks/telegram/${keys.callbackKey(body['id'], 0, 'callback')}`] : [],
    ]
    const sent = paths.flatMap(path => bodies.flatMap(each => headers.map(async more =>
      (await post(`${url}${path}`, each, more)).status)))
    t.strictSame([...new Set(await Promise.all(sent))], [200], provider)
  }
  const returned = await Promise.all([
    ['camara', 'code=stolen&state=none'], ['camara', 'code=stolen'], ['camara', 'error=access_denied&state='],
    ['camara', `code=stolen&iss=https://evil.example&state=${keys.callbackKey(made[0]?.body['id'], 0, 'redirect')}`],
    [`vonage/${'A'.repeat(48)}`, 'code=stolen'], ['acme', 'code=stolen'],
  ].map(async ([path = '', query = '']) => {
    const answer = await request(`${url}/callbacks/${path}?${query}`)
    await answer.body.dump()
    return String(answer.headers['location'] ?? answer.statusCode)
  }))
  t.strictSame(returned.filter(location => location.includes('stolen')), [], 'no foreign code reaches the app')
  t.strictSame(await revisions(), before, 'nothing has changed')
  t.strictSame(logs.filter(line => JSON.parse(line).level >= 50), [])
  t.notMatch(logs.join(''), /4155550102|stolen/)
  t.equal(simulators.requests.length, asked, 'no provider was asked')
})
