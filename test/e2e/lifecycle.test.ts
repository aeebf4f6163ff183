import t from 'tap'
import { request } from 'undici'
import { startGateway } from '../helpers/gateway.ts'

t.test('each method, from create to verified', async t => {
  const { shop, simulators } = await startGateway(t)

  t.test('truecaller.push', async t => {
    const created = await shop.create(
      { phoneNumber: '+14155550100', workflow: ['truecaller.push'], reference: 'signup-1', metadata: { plan: 'pro' } },
    )
    t.equal(created.status, 201)
    t.match(
      created.body, { status: 'pending', verified: false, nextAction: { type: 'approveOnDevice', app: 'truecaller' } },
    )
    const verification = await shop.waitFor(created.body.id)
    t.match(verification, {
      status: 'verified', verified: true, phoneNumber: '+14155550100', nextAction: null,
      result: { phoneNumber: '+14155550100', method: 'truecaller.push', provider: 'truecaller', profile: { name: {} } },
    })
  })

  t.test('truecaller.web discovers the number', async t => {
    const created = await shop.create({ workflow: ['truecaller.web'] })
    t.match(
      created.body,
      { status: 'pending', phoneNumber: null, nextAction: { type: 'openDeepLink', platforms: ['android'] } },
    )
    const opened = await request(`${simulators.url}/handset/open`, {
      method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(
        { url: created.body.nextAction.url, phoneNumber: '+14155550102' },
      ),
    })
    t.equal(opened.statusCode, 202)
    await opened.body.dump()
    t.match(
      await shop.waitFor(created.body.id),
      { status: 'verified', phoneNumber: '+14155550102', result: { method: 'truecaller.web' } },
    )
  })

  t.test('truid.phone_check v0.2: the app submits the code', async t => {
    const created = await shop.create({ phoneNumber: '+14155550104', workflow: ['truid.phone_check'] })
    t.match(created.body.nextAction, { type: 'openUrlOnCellular', finish: 'code' })
    let location = created.body.nextAction.url
    let cookie = ''
    let body: any
    for (let hops = 0; hops < 10; hops += 1) {
      const answer = await request(location, { headers: { cookie } })
      cookie = [answer.headers['set-cookie'] ?? []].flat().map(line => line.split(';')[0]).join('; ') || cookie
      if (answer.statusCode >= 300 && answer.statusCode < 400) {
        location = new URL(String(answer.headers.location), location).href
        await answer.body.dump()
        continue
      }
      body = await answer.body.json()
      break
    }
    t.type(body.code, 'string')
    const checked = await shop.call('POST', `/verifications/${created.body.id}/check`, { code: body.code })
    t.equal(checked.status, 200)
    t.match(
      checked.body,
      { status: 'verified', result: { method: 'truid.phone_check', provider: 'truid', phoneNumber: '+14155550104' } },
    )
  })

  t.test('otpless.token', async t => {
    const created = await shop.create({ phoneNumber: '+14155550106', workflow: ['otpless.token'] })
    t.match(created.body.nextAction, { type: 'submitToken', sdk: 'otpless', params: { appId: 'SANDBOXAPPID' } })
    const minted: any = await (await request(`${simulators.url}/handset/otpless/token`, {
      method: 'POST', headers: {
        'content-type': 'application/json',
      }, body: JSON.stringify({ phoneNumber: '+14155550106' }),
    })).body.json()
    const checked = await shop.call('POST', `/verifications/${created.body.id}/check`, { token: minted.token })
    t.equal(checked.status, 200)
    t.match(checked.body, { status: 'verified', result: { signals: { network: {}, device: {}, secure: {} } } })
  })

  t.test('otpless.otp', async t => {
    const created = await shop.create({ phoneNumber: '+14155550108', workflow: ['otpless.otp'] })
    const check = (code: string) => shop.call('POST', `/verifications/${created.body.id}/check`, { code })
    t.match(await check('000000'), { status: 422, body: { code: 'code_incorrect', attemptsRemaining: 4 } })
    t.match(await check('550108'), { status: 200, body: { status: 'verified' } })
    t.match(await check('550108'), { status: 200, body: { status: 'verified' } }, 'again')
    t.match(await check('000000'), { status: 409, body: { code: 'invalid_state', verificationStatus: 'verified' } })
  })
})
