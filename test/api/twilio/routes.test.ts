import t, { type Test } from 'tap'
import { request } from 'undici'
import { allowNull, openContracts, withoutContracts } from '../../helpers/contracts.ts'
import { keys, startGateway, testApps, withWebhook } from '../../helpers/gateway.ts'
import { until } from '../../helpers/redis.ts'
import { numberEnding, walk } from '../../e2e/end-user.ts'

const service = `VA${'1f'.repeat(16)}`
const account = `AC${'2e'.repeat(16)}`
const base = `/v2/Services/${service}`

type Answer = { status: number, headers: Record<string, unknown>, body: Record<string, any> }
type Form = Record<string, string>

/** Calls as Twilio documents them; each answer is compared with Twilio's own description where that is there. */
function callerOf (url: string, password = keys.shop) {
  const exchanges: [method: string, path: string, form: Form, answer: Answer][] = []
  async function call (method: string, path: string, form: Form = {}): Promise<Answer> {
    const { statusCode: status, headers, body } = await request(`${url}${path}`, {
      method: method as 'GET',
      headers: {
        authorization: `Basic ${Buffer.from(`${account}:${password}`).toString('base64')}`,
        ...method === 'POST' ? { 'content-type': 'application/x-www-form-urlencoded' } : {},
      },
      ...method === 'POST' ? { body: new URLSearchParams(form).toString() } : {},
    })
    const answer = { status, headers, body: await body.json() as Answer['body'] }
    exchanges.push([method, path, form, answer])
    return answer
  }
  return {
    exchanges, call,
    create: (To: string, Channel: string, more: Form = {}) =>
      call('POST', `${base}/Verifications`, { To, Channel, ...more }),
    check: (form: Form) => call('POST', `${base}/VerificationCheck`, form),
    fetch: (sid: string) => call('GET', `${base}/Verifications/${encodeURIComponent(sid)}`),
    update: (sid: string, Status: string) => call('POST', `${base}/Verifications/${sid}`, { Status }),
  }
}

const compat = { TWILIO_COMPAT: 'true' }
const open = async (t: Test, options: Parameters<typeof startGateway>[1] = {}) => {
  const gateway = await startGateway(t, { environment: compat, ...options })
  return { ...gateway, twilio: callerOf(gateway.url) }
}
const problem = (code: number, status: number) =>
  ({ status, body: { code, status, message: String, more_info: `https://www.twilio.com/docs/errors/${code}` } })

t.test('the gateway', async t => {
  const { twilio, shop, url, logs } = await open(t, { apps: withWebhook('https://shop.example/hooks') })
  const { create, check, fetch, update, call, exchanges } = twilio

  await t.test('a code by SMS', async t => {
    const to = numberEnding('00')
    const created = await create(to, 'sms', { Locale: 'de', Tags: '{"plan":"pro"}', DeviceIp: '192.0.2.7' })
    const { sid } = created.body
    t.match(created, {
      status: 201, body: {
        sid: /^VE[0-9a-f]{32}$/, service_sid: service, account_sid: account, to, channel: 'sms', status: 'pending',
        valid: false, lookup: {}, amount: null, payee: null, sna: null,
        send_code_attempts: [{ channel: 'sms', attempt_sid: /^VL[0-9a-f]{32}$/ }],
        url: `${url}${base}/Verifications/${sid}`, date_created: /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/,
      },
    })
    const { data: [own] } = (await shop.call('GET', `/verifications?reference=${sid}`)).body
    t.match(own, {
      status: 'pending', phoneNumber: to, metadata: { plan: 'pro' }, workflow: [{ method: 'otpless.otp' }],
      nextAction: { type: 'submitCode', channels: ['SMS'] },
    })
    t.match(await check({ To: to, Code: '111111' }), { status: 200, body: { sid, status: 'pending', valid: false } })
    t.match(await check({ To: to, Code: 'none' }), problem(60200, 400))
    t.match(await check({ To: to }), problem(60200, 400))
    t.match(await check({ VerificationSid: sid, To: numberEnding('00'), Code: to.slice(-6) }), problem(20404, 404))
    t.match(await check({ To: to, Code: to.slice(-6) }), {
      status: 200, body: { sid, to, channel: 'sms', status: 'approved', valid: true, sna_attempts_error_codes: null },
    })
    t.match(await check({ To: to, Code: to.slice(-6) }), problem(20404, 404), 'a code is good for one answer')
    t.match(await check({ VerificationSid: sid, Code: to.slice(-6) }), problem(20404, 404))
    t.match(await fetch(sid), { status: 200, body: { sid, status: 'approved', valid: true } })
    t.match(logs.filter(line => line.includes('VerificationCheck')).join(), new RegExp(own.id))
    t.match(JSON.parse(logs.find(line => line.includes('"created"')) ?? '{}'), {
      msg: 'request', verificationId: own.id, created: { app: 'shop', numberTag: String, method: 'otpless.otp' },
    })
    t.notMatch(logs.join(), new RegExp(keys.shop))
  })

  await t.test('the channels', async t => {
    for (const [channel, word] of [['call', 'VOICE_CALL'], ['whatsapp', 'WHATSAPP']] as const) {
      const { body: { sid, ...created } } = await create(numberEnding('00'), channel)
      t.match(created, { channel, status: 'pending' })
      const { data: [own] } = (await shop.call('GET', `/verifications?reference=${sid}`)).body
      t.match(own.nextAction, { type: 'submitCode', channels: [word] })
    }
    t.match(await create(numberEnding('00'), 'email'), problem(60200, 400))
    t.match(await create(numberEnding('00'), 'auto'), { body: { channel: 'sna', sna: { url: String } } })
    t.match(await create(numberEnding('91'), 'auto'), { body: { status: 'failed', send_code_attempts: [{}, {}] } })
  })

  await t.test('a silent check', async t => {
    const to = numberEnding('00')
    const { body: { sid, sna, channel } } = await create(to, 'sna')
    t.equal(channel, 'sna')
    t.match(await create(to, 'sna'), { status: 201, body: { sid, sna } }, 'its URL stays valid')
    const stronger = await create(to, 'sna', { EnableSnaClientToken: 'true' })
    t.match(stronger, { status: 201, body: { sid } })
    t.not(stronger.body['sna'].url, sna.url, 'a token is needed from now on')
    await walk(sna.url)
    const { data: [own] } = (await shop.call('GET', `/verifications?reference=${sid}`)).body
    t.match(own, { status: 'pending', workflow: [{ method: 'truid.phone_check' }] }, 'the former URL completes nothing')
  })

  await t.test('a silent check without a client token', async t => {
    const to = numberEnding('00')
    const { body: { sid, sna } } = await create(to, 'sna')
    await walk(sna.url)
    t.match(await check({ To: to }), { status: 200, body: { sid, channel: 'sna', status: 'approved', valid: true } })
  })

  await t.test('a silent check that ends before it is asked for', async t => {
    const to = numberEnding('00')
    const { body: { sid, sna } } = await create(to, 'sna')
    await walk(sna.url)
    await until(async () => (await fetch(sid)).body['status'] === 'approved', 'the gateway learns the result')
    t.match(await check({ To: to }), { status: 200, body: { sid, channel: 'sna', status: 'approved', valid: true } })
    t.match(await check({ To: to, Code: '123456' }), problem(20404, 404))
  })

  await t.test('a silent check whose phone brings a token back', async t => {
    const to = numberEnding('00')
    const { body: { sid, sna } } = await create(to, 'sna', { EnableSnaClientToken: 'true' })
    const arrival = await walk(sna.url)
    t.match(await check({ VerificationSid: sid }), { status: 200, body: { status: 'pending' } }, 'not without it')
    const SnaClientToken = String(arrival?.body['code'])
    t.match(await check({ VerificationSid: sid, SnaClientToken }), { status: 200, body: { status: 'approved' } })
    const { data: [own] } = (await shop.call('GET', `/verifications?reference=${sid}`)).body
    t.match(own.result.assurance, { level: 3 })
  })

  await t.test('again: the same channel sends again, another one replaces it under the same sid', async t => {
    const to = numberEnding('00')
    const { body: { sid } } = await create(to, 'sms')
    const early = await create(to, 'sms')
    t.match(early, problem(20429, 429))
    t.match(early.headers['retry-after'], /^\d+$/)
    t.match(await create(to, 'call'), { status: 201, body: { sid, channel: 'call', status: 'pending' } })
    const { data } = (await shop.call('GET', `/verifications?reference=${sid}`)).body
    t.match(data, [{ status: 'pending' }, { status: 'canceled', reason: 'superseded' }])
    t.match(await update(sid, 'approved'), problem(60204, 403), 'only a proof verifies')
    t.match(await update(sid, 'canceled'), { status: 200, body: { sid, status: 'canceled', valid: false } })
    t.match(await update(sid, 'canceled'), problem(20409, 409))
    t.match(await fetch(to), { status: 200, body: { sid, status: 'canceled' } })
    t.match(await create(to, 'sms'), { status: 201, body: { status: 'pending' } })
  })

  await t.test('two requests at the same time start one verification', async t => {
    const to = numberEnding('00')
    const both = await Promise.all([create(to, 'sms'), create(to, 'sms')])
    t.strictSame(both.map(({ status }) => status).sort(), [201, 429])
    t.ok([20429, 60212].includes(both.find(({ status }) => status === 429)?.body['code']))
  })

  await t.test('too many wrong codes', async t => {
    const to = numberEnding('00')
    const { body: { sid } } = await create(to, 'sms')
    for (const left of [4, 3, 2, 1]) {
      t.match(await check({ To: to, Code: '111111' }), { status: 200, body: { status: 'pending' } }, `${left} left`)
    }
    t.match(await check({ To: to, Code: '111111' }), { body: { status: 'max_attempts_reached', valid: false } })
    t.match(await check({ To: to, Code: to.slice(-6) }), problem(60202, 429))
    t.match(await fetch(sid), { body: { status: 'max_attempts_reached' } })
  })

  await t.test('a live verification of the other API is never taken over', async t => {
    const phoneNumber = numberEnding('00')
    const { body: { id } } = await shop.create({ phoneNumber, workflow: ['otpless.otp'] })
    t.match(await create(phoneNumber, 'sms'), problem(20409, 409))
    t.match(await check({ To: phoneNumber, Code: phoneNumber.slice(-6) }), problem(20404, 404))
    t.match(await fetch(id), problem(20404, 404))
    t.match((await shop.call('GET', `/verifications/${id}`)).body, { status: 'pending' })
  })

  await t.test('what cannot be mapped, or is wrong, says so', async t => {
    const to = numberEnding('00')
    for (const name of ['CustomCode', 'Amount', 'Payee', 'TemplateSid', 'RateLimits', 'AppHash', 'CustomMessage']) {
      const refused = await create(to, 'sms', { [name]: '1234' })
      t.match(refused, problem(60204, 403))
      t.match(refused.body['message'], new RegExp(name))
    }
    for (const [form, name] of [
      [{ Channel: 'sms' }, 'To'], [{ To: to }, 'Channel'], [{ To: '12', Channel: 'sms' }, 'To'],
      [{ To: to, Channel: 'sms', Tags: '[]' }, 'Tags'], [{ To: to, Channel: 'sms', DeviceIp: 'x' }, 'DeviceIp'],
      [{ To: to, Channel: 'sms', Colour: 'red' }, 'Colour'],
    ] as const) {
      const refused = await call('POST', `${base}/Verifications`, form)
      t.match(refused, problem(60200, 400))
      t.match(refused.body['message'], new RegExp(`^Invalid parameter: ${name} `))
    }
    t.match(await check({ Code: '123456' }), problem(60200, 400))
    t.match(await fetch(`VE${'0'.repeat(32)}`), problem(20404, 404))
    t.match(await call('GET', `${base}/Entities/x`), problem(20404, 404))
    t.match(await call('GET', '/v2/Templates'), problem(20404, 404))
    const { body: document } = await shop.call('GET', '/openapi.json')
    t.notOk(
      Object.keys(document['paths']).some(path => path.startsWith('/v2')), 'Twilio\'s description is the contract',
    )
    const outsider = callerOf(url, 'vgk_unknown')
    const refused = await outsider.create(to, 'sms')
    t.match(refused, problem(20003, 401))
    t.match(refused.headers['www-authenticate'], /^Basic /)
    t.match(await callerOf(url, keys.reader).create(to, 'sms'), problem(20403, 403))
  })

  const skip = withoutContracts('twilio_verify_v2.json')
  await t.test('every answer is what Twilio describes', { skip }, async t => {
    const contracts = await openContracts(['twilio_verify_v2.json'], { amend: allowNull })
    const problems = exchanges.filter(([, , , { status }]) => status < 300).flatMap(([method, path, form, answer]) => {
      const found = contracts.find(method, path)
      if (found === undefined) return [`${method} ${path}`]
      const exchange = {
        method, path, headers: { 'content-type': 'application/x-www-form-urlencoded' }, body: undefined,
        status: answer.status, answerHeaders: answer.headers, answer: answer.body,
      }
      return contracts.problemsOfAnswer(found.operation, exchange).map(
        text => `${found.name} ${text} ${form['Channel']}`,
      )
    })
    t.strictSame(problems, [])
    t.ok(exchanges.filter(([, , , { status }]) => status < 300).length > 20)
  })
})

t.test('limits, countries and the app\'s workflow are those of every create', async t => {
  const [shop, bank] = testApps
  const apps = [{
    ...shop!, deniedCountries: ['FR'], workflow: ['truid.phone_check', { method: 'otpless.otp', timeoutSeconds: 90 }],
    limits: { ...shop!.limits, messagesPerAppPerHour: 1, wrongCodesPerNumberPerHour: 1 },
  }, bank!]
  const { twilio: { create, check }, shop: client, logs } = await open(t, { apps })
  t.match(await create('+33612345678', 'sms'), problem(60605, 403))
  t.match(await create('+18005550100', 'sms'), problem(60410, 403))
  const to = numberEnding('00')
  t.match(await create(numberEnding('00'), 'sna'), { status: 201, body: { channel: 'sna' } })
  const { body: { sid } } = await create(to, 'sms')
  const { data: [own] } = (await client.call('GET', `/verifications?reference=${sid}`)).body
  t.match(own.workflow, [{ method: 'otpless.otp', timeoutSeconds: 90 }])
  t.match(await create(numberEnding('00'), 'sms'), problem(60203, 429))
  await check({ To: to, Code: '111111' })
  t.match(await check({ To: to, Code: to.slice(-6) }), problem(60202, 429))
  t.match(logs.filter(line => line.includes('"audit":"refused"')).join(), /country_not_allowed.*app_message_limit/s)
})

t.test('without TWILIO_COMPAT its paths do not exist', async t => {
  const { twilio } = await open(t, { environment: {} })
  t.match(await twilio.create('+14155550100', 'sms'), { status: 404, body: { code: 'not_found' } })
})

t.test('a code that the provider cannot judge now is not called wrong', async t => {
  const { twilio, simulators } = await open(t)
  const to = numberEnding('00')
  const { body: { sid } } = await twilio.create(to, 'sms')
  await simulators.close()
  t.match(await twilio.check({ To: to, Code: to.slice(-6) }), problem(20503, 503))
  t.match(await twilio.fetch(sid), { status: 200, body: { status: 'pending' } })
})
