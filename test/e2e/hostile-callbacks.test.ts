import t from 'tap'
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
