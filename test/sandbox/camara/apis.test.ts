import { createHash } from 'node:crypto'
import t, { type Test } from 'tap'
import { createCamara } from '../../../src/sandbox/camara/index.ts'
import { type Exchange, openContracts, withoutContracts } from '../../helpers/contracts.ts'
import { ask, setting, until } from '../receiver.ts'
import {
  build, call, documents, latestMessage, numberVerification, oneTimePassword, simSwap, type Started, tokenOfClient,
  tokenOfPhone,
} from './client.ts'

/** Everything that was asked here, for the last test. */
const exchanges: Exchange[] = []

type Called = Awaited<ReturnType<typeof call>>

async function query (...parameters: Parameters<typeof call>): Promise<Called> {
  const exchange = await call(...parameters)
  exchanges.push(exchange)
  return exchange
}

/** The answer is an error in the documented shape. */
function refused (t: Test, { status, json }: Called, expected: number, code: string, about = code): void {
  t.equal(status, expected, about)
  t.match(json, { status: expected, code, message: String }, about)
}

const verify = (started: Started, token: string | null, body: unknown) =>
  query(started, 'POST', `${numberVerification}/verify`, { token, body })
const share = (started: Started, token: string | null) =>
  query(started, 'GET', `${numberVerification}/device-phone-number`, { token })

t.test('number verification: the number of the SIM, as it is or hashed, once for each token', async t => {
  const started = await build(t)
  const phoneNumber = '+14155550102'
  const hashed = createHash('sha256').update(phoneNumber).digest('hex')
  const other = '+14155550104'
  for (const [body, devicePhoneNumberVerified] of [
    [{ phoneNumber }, true], [{ phoneNumber: other }, false], [{ hashedPhoneNumber: hashed.toUpperCase() }, true],
    [{ hashedPhoneNumber: createHash('sha256').update(phoneNumber.slice(1)).digest('hex') }, false],
  ] as const) {
    const token = await tokenOfPhone(started, phoneNumber)
    t.strictSame((await verify(started, token, body)).json, { devicePhoneNumberVerified })
    refused(t, await verify(started, token, body), 401, 'UNAUTHENTICATED')
  }
  const scope = 'number-verification:device-phone-number:read'
  t.strictSame((await share(started, await tokenOfPhone(started, phoneNumber, scope))).json, {
    devicePhoneNumber: phoneNumber,
  })
  const odd = await tokenOfPhone(started, '+14155550101')
  t.strictSame((await verify(started, odd, { phoneNumber: '+14155550101' })).json, { devicePhoneNumberVerified: false })
  t.strictSame((await share(started, await tokenOfPhone(started, '+14155550101', scope))).json, {
    devicePhoneNumber: '+14155550102',
  })
})

t.test('number verification: a body that is refused does not use up the token', async t => {
  const started = await build(t)
  const token = await tokenOfPhone(started, '+14155550100')
  const hashedPhoneNumber = '0'.repeat(64)
  for (const body of [
    undefined, {}, { phoneNumber: '14155550100' }, { phoneNumber: 14155550100 }, { hashedPhoneNumber: 'x' },
    { phoneNumber: '+14155550100', hashedPhoneNumber }, { phoneNumber: '+14155550100', other: 1 }, [], 'text',
  ]) refused(t, await verify(started, token, body), 400, 'INVALID_ARGUMENT', JSON.stringify(body))
  t.equal((await verify(started, token, { phoneNumber: '+14155550100' })).status, 200)
  refused(t, await verify(started, null, {}), 401, 'UNAUTHENTICATED')
  refused(t, await share(started, 'unknown'), 401, 'UNAUTHENTICATED')
  refused(t, await share(started, await tokenOfPhone(started, '+14155550100')), 403, 'PERMISSION_DENIED')
  const text = { 'content-type': 'text/plain', authorization: `Bearer ${await tokenOfPhone(started, '+14155550100')}` }
  const url = `${setting(started.simulators, 'CAMARA_API_URL')}${numberVerification}/verify`
  t.equal((await ask(url, 'POST', text, 'x')).status, 415)
})

t.test('number verification: scenarios', async t => {
  const started = await build(t)
  const proofOf = async (phoneNumber: string) => {
    const token = await tokenOfPhone(started, phoneNumber)
    return () => verify(started, token, { phoneNumber })
  }
  for (const suffix of ['50194', '50195', '81198', '50391', '81188']) {
    const proof = await proofOf(`+141555${suffix}`)
    t.strictSame((await proof()).json, { devicePhoneNumberVerified: true }, suffix)
  }
  refused(
    t, await (await proofOf('+14155584191'))(), 403, 'NUMBER_VERIFICATION.USER_NOT_AUTHENTICATED_BY_MOBILE_NETWORK',
  )
  refused(t, await (await proofOf('+14155585191'))(), 404, 'IDENTIFIER_NOT_FOUND')
  t.strictSame((await (await proofOf('+14155550198'))()).json, { verified: true }, 'malformed')
})

const send = (started: Started, token: string, phoneNumber: string, message = 'Shop: {{code}} is your code') =>
  query(started, 'POST', `${oneTimePassword}/send-code`, { token, body: { phoneNumber, message } })
const validate = (started: Started, token: string, authenticationId: unknown, code: unknown) =>
  query(started, 'POST', `${oneTimePassword}/validate-code`, { token, body: { authenticationId, code } })

async function buildSms (t: Test, options: Parameters<typeof build>[1] = {}) {
  const started = await build(t, options)
  const token = await tokenOfClient(started, 'one-time-password-sms:send-validate')
  return {
    started, token,
    send: (phoneNumber: string, message?: string) => send(started, token, phoneNumber, message),
    validate: (id: unknown, code: unknown) => validate(started, token, id, code),
    shown: (phoneNumber: string) => latestMessage(started, phoneNumber),
  }
}

const expired = 'ONE_TIME_PASSWORD_SMS.VERIFICATION_EXPIRED'

t.test('one-time password: the message reaches the phone, and its code is right once', async t => {
  const sms = await buildSms(t)
  const { json: { authenticationId } } = await sms.send('+14155550100', '{{code}} or again {{code}}')
  t.match(await sms.shown('+14155550100'), { text: '550100 or again 550100', code: '550100', title: 'SMS' })
  refused(t, await sms.validate(authenticationId, '550101'), 400, 'ONE_TIME_PASSWORD_SMS.INVALID_OTP')
  const right = await sms.validate(authenticationId, '550100')
  t.equal(right.status, 204)
  t.equal(right.answer, undefined)
  refused(t, await sms.validate(authenticationId, '550100'), 400, expired)
  refused(t, await sms.validate('unknown', '550100'), 404, 'NOT_FOUND')
  for (const [phoneNumber, message] of [
    ['14155550100', '{{code}}'], ['+14155550100', 'no code'], ['+14155550100', `{{code}}${'x'.repeat(153)}`],
  ]) refused(t, await sms.send(String(phoneNumber), message), 400, 'INVALID_ARGUMENT')
  refused(t, await sms.validate(authenticationId, '12345678901'), 400, 'INVALID_ARGUMENT')
  const other = await tokenOfClient(sms.started, 'sim-swap')
  refused(t, await send(sms.started, other, '+14155550100'), 403, 'PERMISSION_DENIED')
  refused(t, await validate(sms.started, other, 'x', '1'), 403, 'PERMISSION_DENIED')
  refused(t, await send(sms.started, 'unknown', '+14155550100'), 401, 'UNAUTHENTICATED')
  refused(t, await validate(sms.started, 'unknown', 'x', '1'), 401, 'UNAUTHENTICATED')
})

t.test('one-time password: three tries, five minutes, and the latest code only', async t => {
  let now = Date.now()
  const sms = await buildSms(t, { now: () => now })
  const first = (await sms.send('+14155550100')).json['authenticationId']
  await sms.validate(first, '000000')
  await sms.validate(first, '000000')
  refused(t, await sms.validate(first, '000000'), 400, 'ONE_TIME_PASSWORD_SMS.VERIFICATION_FAILED')
  refused(t, await sms.validate(first, '550100'), 400, 'ONE_TIME_PASSWORD_SMS.VERIFICATION_FAILED')
  const second = (await sms.send('+14155550100')).json['authenticationId']
  refused(t, await sms.validate(first, '550100'), 400, expired)
  now += 299_999
  t.equal((await sms.validate(second, '550100')).status, 204)
  const third = (await sms.send('+14155550102')).json['authenticationId']
  now += 300_000
  const token = await tokenOfClient(sms.started, 'one-time-password-sms:send-validate')
  refused(t, await validate(sms.started, token, third, '550102'), 400, expired)
})

t.test('one-time password: codes for one number are limited', async t => {
  let now = Date.now()
  const sms = await buildSms(t, { now: () => now, simulators: [createCamara({ maxSends: 2 })] })
  const limit = 'ONE_TIME_PASSWORD_SMS.MAX_OTP_CODES_EXCEEDED'
  t.equal((await sms.send('+14155550100')).status, 200)
  t.equal((await sms.send('+14155550100')).status, 200)
  refused(t, await sms.send('+14155550100'), 403, limit)
  t.equal((await sms.send('+14155550102')).status, 200)
  now += 600_000
  const token = await tokenOfClient(sms.started, 'one-time-password-sms:send-validate')
  t.equal((await send(sms.started, token, '+14155550100')).status, 200)
})

t.test('one-time password: scenarios', async t => {
  const sms = await buildSms(t)
  for (const [suffix, status, code] of [
    ['50196', 500, 'INTERNAL'], ['50199', 500, 'INTERNAL'], ['81196', 429, 'TOO_MANY_REQUESTS'],
    ['82196', 401, 'UNAUTHENTICATED'], ['50191', 403, 'ONE_TIME_PASSWORD_SMS.PHONE_NUMBER_NOT_ALLOWED'],
    ['88191', 403, 'ONE_TIME_PASSWORD_SMS.PHONE_NUMBER_BLOCKED'], ['85191', 404, 'NOT_FOUND'],
    ['89191', 403, 'ONE_TIME_PASSWORD_SMS.MAX_OTP_CODES_EXCEEDED'],
  ] as const) {
    const answer = await sms.send(`+141555${suffix}`)
    refused(t, answer, status, code, suffix)
    t.equal(answer.answerHeaders['retry-after'], status === 429 ? '1' : undefined)
  }
  for (const number of ['+14155550192', '+14155550190', '+14155550101']) {
    const { json: { authenticationId } } = await sms.send(number)
    t.equal(await sms.shown(number), undefined, number)
    refused(t, await sms.validate(authenticationId, number.slice(-6)), 400, 'ONE_TIME_PASSWORD_SMS.INVALID_OTP')
  }
  for (const [number, code] of [
    ['+14155581199', 'ONE_TIME_PASSWORD_SMS.INVALID_OTP'], ['+14155582199', expired],
  ] as const) {
    const { json: { authenticationId } } = await sms.send(number)
    refused(t, await sms.validate(authenticationId, number.slice(-6)), 400, code)
  }
  t.notOk('authenticationId' in (await sms.send('+14155550198')).json, 'malformed')
  const unusual = (await sms.send('+14155581198')).json['authenticationId']
  t.type(unusual, 'number')
  t.equal((await sms.validate(String(unusual), '581198')).status, 204)
  const flaky = (await sms.send('+14155550197')).json['authenticationId']
  for (const status of [500, 500, 204]) t.equal((await sms.validate(flaky, '550197')).status, status)
  await sms.send('+14155550193')
  t.equal(await sms.shown('+14155550193'), undefined, 'slow')
  await until(async () => await sms.shown('+14155550193') !== undefined)
  const wifi = (await sms.send('+14155581191')).json['authenticationId']
  t.equal((await sms.validate(wifi, '581191')).status, 204, 'a message needs no mobile data')
})

t.test('one-time password: a start that is never answered', async t => {
  const sms = await buildSms(t)
  const { simulators } = sms.started
  const hanging = sms.send('+14155583196').then(({ status }) => status, () => 'none')
  await until(() => simulators.requests.some(({ path }) => path.endsWith('/send-code')))
  t.equal((await sms.send('+14155550100')).status, 200)
  await simulators.close()
  t.equal(await hanging, 'none')
})

t.test('SIM swap: of the number of the body, or of the token', async t => {
  const now = Date.parse('2026-10-01T12:00:00Z')
  const started = await build(t, { now: () => now })
  const token = await tokenOfClient(started, 'sim-swap')
  const check = (body: object, own = token) => query(started, 'POST', `${simSwap}/check`, { token: own, body })
  const date = (body: object, own = token) => query(started, 'POST', `${simSwap}/retrieve-date`, { token: own, body })
  for (const [phoneNumber, maxAge, swapped] of [
    ['+14155550100', undefined, false], ['+14155550100', 2400, false], ['+14155581188', 12, true],
    ['+14155581188', 11, false], ['+14155550101', undefined, true], ['+14155550101', 47, false],
    ['+14155585188', 2400, false],
  ] as const) t.strictSame((await check({ phoneNumber, maxAge })).json, { swapped }, `${phoneNumber} ${maxAge}`)
  for (const [phoneNumber, answer] of [
    ['+14155581188', { latestSimChange: '2026-10-01T00:00:00.000Z' }],
    ['+14155550100', { latestSimChange: '2025-08-27T12:00:00.000Z' }],
    ['+14155585188', { latestSimChange: null, monitoredPeriod: 120 }],
  ] as const) t.strictSame((await date({ phoneNumber })).json, answer)

  const phone = await tokenOfPhone(started, '+14155581188', 'sim-swap:check')
  t.strictSame((await check({}, phone)).json, { swapped: true })
  refused(t, await date({}, phone), 403, 'PERMISSION_DENIED')
  refused(t, await check({ phoneNumber: '+14155581188' }, phone), 422, 'UNNECESSARY_IDENTIFIER')
  const ofPhone = await tokenOfPhone(started, '+14155581188', 'sim-swap:retrieve-date')
  t.equal((await date({}, ofPhone)).status, 200)
  refused(t, await date({ phoneNumber: '+14155581188' }, ofPhone), 422, 'UNNECESSARY_IDENTIFIER')
  refused(t, await check({}, ofPhone), 403, 'PERMISSION_DENIED')
  for (const one of [check, date]) {
    refused(t, await one({}), 422, 'MISSING_IDENTIFIER')
    refused(t, await one({}, 'unknown'), 401, 'UNAUTHENTICATED')
    refused(t, await one({ phoneNumber: '+14155583188' }), 422, 'SERVICE_NOT_APPLICABLE')
    refused(t, await one({ phoneNumber: '+14155584188' }), 500, 'INTERNAL')
    refused(t, await one({ phoneNumber: '+14155585191' }), 404, 'IDENTIFIER_NOT_FOUND')
    refused(t, await one({ phoneNumber: '14155550100' }), 400, 'INVALID_ARGUMENT')
    refused(t, await one({ phoneNumber: '+14155550100', other: 1 }), 400, 'INVALID_ARGUMENT')
  }
  for (const maxAge of [0, 2401]) refused(t, await check({ phoneNumber: '+14155550100', maxAge }), 400, 'OUT_OF_RANGE')
})

t.test('the correlator comes back as it is, if it is one', async t => {
  const started = await build(t)
  const path = `${numberVerification}/device-phone-number`
  for (const correlator of ['', 'a:b;<c>/d.e_f{g}-1']) {
    t.equal((await query(started, 'GET', path, { token: null, correlator })).answerHeaders['x-correlator'], correlator)
  }
  const odd = await query(started, 'GET', path, { token: null, correlator: 'a b' })
  refused(t, odd, 400, 'INVALID_ARGUMENT')
  t.notOk('x-correlator' in odd.answerHeaders)
})

/** What the documents leave out, or what breaks them on purpose. */
function isOutside ({ path, status, answer, body }: Exchange): boolean {
  const isMalformed = status === 200 && /"(verified|id)":/.test(JSON.stringify(answer))
  const isUnusual = path.endsWith('/send-code') && JSON.stringify(body).includes('581198')
  return status === 500 || isMalformed || isUnusual || (path.includes('number-verification') && status === 404)
}

t.test('every answer is one of the official descriptions', { skip: withoutContracts(...documents) }, async t => {
  const { find, problemsOfAnswer, problemsOfRequest } = await openContracts(documents)
  const seen = new Set<string>()
  for (const exchange of exchanges.filter(one => !isOutside(one))) {
    const found = find(exchange.method, exchange.path.replace(/^\/[a-z-]+\/v\d+/, ''))
    if (found === undefined) throw new Error(exchange.path)
    seen.add(`${found.name} ${exchange.status}`)
    const about = `${found.name} ${exchange.status} ${JSON.stringify(exchange.body)}`
    t.strictSame(problemsOfAnswer(found.operation, exchange), [], about)
    if (exchange.status < 300) t.strictSame(problemsOfRequest(found.operation, exchange), [], about)
  }
  t.ok(exchanges.length > 100)
  const unseen: string[] = []
  for (const [method, path] of [
    ['POST', '/verify'], ['GET', '/device-phone-number'], ['POST', '/send-code'], ['POST', '/validate-code'],
    ['POST', '/check'], ['POST', '/retrieve-date'],
  ] as const) {
    const found = find(method, path)
    const statuses = Object.keys(found?.operation.responses ?? {})
    unseen.push(...statuses.map(status => `${found?.name} ${status}`).filter(name => !seen.has(name)))
  }
  t.strictSame(unseen, [
    'POST /validate-code 429', 'POST /check 429', 'POST /retrieve-date 429',
  ], 'every documented status, but rate limits without a number')
})
