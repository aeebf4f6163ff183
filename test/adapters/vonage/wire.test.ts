import { generateKeyPairSync } from 'node:crypto'
import { jwtVerify } from 'jose'
import t from 'tap'
import { vonage } from '../../../src/adapters/vonage/index.ts'
import { localeOf } from '../../../src/adapters/vonage/methods.ts'
import { isOwnUrl, judgeCheck, readCreated } from '../../../src/adapters/vonage/wire.ts'
import { anAttempt, endingOf, openAdapter, openIo, openVendor } from '../../../src/conformance/index.ts'
import { jumpWith } from '../../helpers/monotonic-clock.ts'
import {
  answerWell, applicationId, checkUrlAt, isCancel, isCheck, keys, phoneNumber, privateKey, problem, requestId, settings,
} from './documented.ts'

t.test('requests are those of the document', async t => {
  const vendor = await openVendor(t, answerWell)
  const now = Date.now()
  const adapter = openAdapter(vonage, settings(vendor), openIo(t, { now: () => now }))
  const about = { id: 'att_8_x-Y', phoneNumber, expiresAt: now + 300_900, locale: 'de-AT' }
  const redirectUrl = 'https://verify.example/callbacks/vonage/key'
  const silent = await adapter.start(anAttempt({ ...about, method: 'vonage.silent_auth', redirectUrl }))
  t.same(silent, {
    id: requestId, state: { requestId }, expiresInMs: 60_000,
    action: { type: 'openUrlOnCellular', url: checkUrlAt(vendor), finish: 'code' },
  })
  await adapter.start(anAttempt({ ...about, method: 'vonage.silent_auth' }))
  for (const method of ['vonage.sms', 'vonage.whatsapp', 'vonage.voice']) {
    t.match(await adapter.start(anAttempt({ ...about, method })), { id: requestId, expiresInMs: 300_000 })
  }
  await adapter.start(anAttempt({ ...about, method: 'vonage.sms', expiresAt: now + 5_000, locale: null }))
  await adapter.start(anAttempt({ ...about, method: 'vonage.sms', expiresAt: now + 3_600_000, locale: 'en' }))
  await adapter.resolve(anAttempt({ ...about, method: 'vonage.sms', state: { requestId } }), { code: ' ٠١٢-345 ' }, {
    repeated: false,
  })
  const to = '447700900000'
  const common = { brand: 'ACME', client_ref: 'att8xY' }
  const typed = { ...common, code_length: 6, channel_timeout: 300, locale: 'de-de' }
  const sms = [{ channel: 'sms', to }]
  t.strictSame(vendor.calls.map(({ body }) => body), [
    { ...common, workflow: [{ channel: 'silent_auth', to, redirect_url: redirectUrl }] },
    { ...common, workflow: [{ channel: 'silent_auth', to }] },
    { ...typed, workflow: sms },
    { ...typed, workflow: [{ channel: 'whatsapp', to, from: '447700400080' }] },
    { ...typed, workflow: [{ channel: 'voice', to }] },
    { ...common, code_length: 6, channel_timeout: 60, workflow: sms },
    { ...typed, channel_timeout: 600, locale: 'en-us', workflow: sms },
    { code: '012345' },
  ])
})

t.test('every request has a token of the application, which is used for five minutes', async t => {
  let now = Date.now()
  jumpWith(t, () => now)
  const vendor = await openVendor(t, answerWell)
  const adapter = openAdapter(vonage, settings(vendor), openIo(t, { now: () => now }))
  const start = () => adapter.start(anAttempt({ method: 'vonage.sms', phoneNumber }))
  await Promise.all([start(), start()])
  now += 240_000
  await adapter.cancel?.(anAttempt({ method: 'vonage.sms', state: { requestId } }))
  now += 60_000
  await start()
  const tokens = vendor.calls.map(({ headers: { authorization = '' } }) => authorization.replace(/^Bearer /, ''))
  t.equal(new Set(tokens).size, 2)
  t.equal(new Set(tokens.slice(0, 3)).size, 1)
  const claims = await Promise.all(tokens.map(async token => {
    const { payload, protectedHeader } = await jwtVerify(token, keys.publicKey, { currentDate: new Date(now) })
    t.strictSame(protectedHeader, { alg: 'RS256', typ: 'JWT' })
    return payload
  }))
  t.equal(new Set(claims.map(({ jti }) => jti)).size, 2)
  for (const { iat = 0, exp, jti, ...others } of claims) {
    t.equal(exp, iat + 900)
    t.match(jti, /^[0-9a-f]{32}$/)
    t.strictSame(others, { application_id: applicationId })
  }
})

t.test('why a request is not made', async t => {
  const created = { requestId: 'r', checkUrl: null }
  t.strictSame(readCreated(202, { request_id: 'r' }), created)
  t.strictSame(readCreated(200, { request_id: 'r', check_url: 'https://a' }), { ...created, checkUrl: 'https://a' })
  const invalid = (...names: string[]) => ({ invalid_parameters: names.map(name => ({ name, reason: 'It is wrong' })) })
  const cases: [status: number, body: unknown, reason: string][] = [
    [401, { details: 'The JWT provided has expired.' }, 'provider_misconfigured'],
    [402, { title: 'Low balance' }, 'provider_misconfigured'], [403, {}, 'provider_misconfigured'],
    [409, { request_id: 'another' }, 'recently_tried'],
    [412, { title: 'Network not supported' }, 'carrier_unsupported'],
    [422, invalid('to'), 'carrier_unsupported'], [422, invalid('workflow[0].to'), 'carrier_unsupported'],
    [422, invalid('brand'), 'provider_misconfigured'], [422, invalid('workflow.0.from'), 'provider_misconfigured'],
    [422, invalid('to', 'from'), 'provider_misconfigured'], [422, invalid('goto'), 'provider_bad_response'],
    [422, {}, 'provider_bad_response'], [422, { invalid_parameters: [null, {}] }, 'provider_bad_response'],
    [202, {}, 'provider_bad_response'], [302, { request_id: 'r' }, 'provider_bad_response'],
  ]
  for (const [status, body, reason] of cases) {
    t.equal(readCreated(status, body), reason, `${status} ${JSON.stringify(body)}`)
  }
})

t.test('a silent check without a URL, or with the URL of others, is not started', async t => {
  const vendor = await openVendor(t, answerWell)
  const adapter = openAdapter(vonage, settings(vendor), openIo(t))
  const attempt = anAttempt({ method: 'vonage.silent_auth', phoneNumber })
  vendor.answer = () => ({ status: 202, body: { request_id: requestId } })
  t.same(await endingOf(adapter.start(attempt), error => t.ok(error.isCarrierFault)), {
    failed: 'carrier_unsupported', retryable: false,
  })
  vendor.answer = () => ({ status: 202, body: { request_id: requestId, check_url: 'https://vonage.com.example/x' } })
  t.same(await endingOf(adapter.start(attempt)), { failed: 'provider_bad_response', retryable: false })
  vendor.answer = () => problem(412, 'precondition-failed')
  t.same(await endingOf(adapter.start(attempt), error => t.ok(error.isCarrierFault)), {
    failed: 'carrier_unsupported', retryable: false,
  })
})

t.test('which URLs a device may be sent to', async t => {
  const origin = 'http://127.0.0.1:8080'
  for (const url of [
    'https://api.nexmo.com/v2/verify/x/silent-auth/redirect', 'https://api-eu-3.vonage.com/v2/verify/x', `${origin}/x`,
  ]) t.ok(isOwnUrl(url, origin), url)
  for (const url of [
    'http://api.nexmo.com/x', 'https://api.nexmo.com:444/x', 'https://evilvonage.com/x', 'https://vonage.com.example/x',
    'https://a@api.nexmo.com/x', 'https://api.nexmo.com/x#y', 'javascript:alert(1)', 'https:api.nexmo.com/x', '', 'x',
    'http://127.0.0.1:8081/x',
  ]) t.notOk(isOwnUrl(url, origin), url)
})

t.test('what an answer to a code says', async t => {
  t.equal(judgeCheck(200, { request_id: 'r', status: 'completed' }, 'r'), 'completed')
  t.equal(judgeCheck(200, { status: 'completed' }, 'r'), 'completed', 'the id may be absent')
  const page = 'https://developer.vonage.com/en/api-errors/verify-v2'
  t.equal(judgeCheck(409, { type: `${page}#conflict` }, 'r'), 'busy')
  t.equal(judgeCheck(409, { type: `${page}#no-code` }, 'r'), 'evidence_invalid')
  t.equal(judgeCheck(422, {}, 'r'), 'provider_bad_response')
})

t.test('a new request replaces the one of a code that is sent again', async t => {
  const vendor = await openVendor(t, answerWell)
  const adapter = openAdapter(vonage, settings(vendor), openIo(t))
  const attempt = anAttempt({ method: 'vonage.sms', phoneNumber, state: { requestId } })
  t.match(await adapter.resend?.(attempt), { id: requestId, action: { type: 'submitCode' } })
  t.match(vendor.calls.map(({ method }) => method), ['DELETE', 'POST'])
  vendor.answer = call => isCancel(call) ? problem(404, 'request-not-found') : answerWell(vendor, call)
  await t.resolves(adapter.resend?.(attempt) ?? Promise.reject(), 'its time may be over')
  vendor.answer = () => ({ status: 401 })
  await t.rejects(adapter.cancel?.(attempt) ?? Promise.resolve(), { message: /provider_misconfigured/ })
})

t.test('the probe costs nothing, and shows whether the credentials are accepted', async t => {
  const vendor = await openVendor(t, answerWell)
  const adapter = openAdapter(vonage, settings(vendor), openIo(t))
  const probe = (): Promise<unknown> => adapter.probes?.['credentials']?.(anAttempt({})) ?? Promise.reject()
  await probe()
  t.match(vendor.calls, [{ method: 'POST', path: '/v2/verify/00000000-0000-0000-0000-000000000000' }])
  t.notOk(vendor.calls.some(isCheck))
  for (const [status, reason] of [[401, 'provider_misconfigured'], [200, 'provider_bad_response']] as const) {
    vendor.answer = () => ({ status })
    await t.rejects(probe(), { message: new RegExp(reason) }, String(status))
  }
})

t.test('webhooks change nothing without the signature secret, and WhatsApp needs a sender', async t => {
  const env = { VONAGE_APPLICATION_ID: applicationId, VONAGE_PRIVATE_KEY: privateKey }
  const adapter = openAdapter(vonage, env, openIo(t))
  const callback = { key: null, url: '', headers: {}, rawBody: Buffer.alloc(0), body: {} }
  t.same(await adapter.receive?.(callback), { type: 'refused', cause: 'secret_not_set' })
  t.strictSame(Object.keys(adapter.methods), ['vonage.silent_auth', 'vonage.sms', 'vonage.voice'])
})

t.test('settings that cannot work are named', async t => {
  const open = (more: object) => vonage.open({
    VONAGE_APPLICATION_ID: applicationId, VONAGE_PRIVATE_KEY: privateKey, ...more,
  }, { ...openIo(t), allowInsecure: false }, 'vonage')
  const elliptic = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
    .export({ type: 'pkcs8', format: 'der' }).toString('base64')
  t.ok(open({}))
  for (const [name, value] of [
    ['VONAGE_APPLICATION_ID', ''], ['VONAGE_PRIVATE_KEY', ''], ['VONAGE_PRIVATE_KEY', 'no key'],
    ['VONAGE_PRIVATE_KEY', elliptic],
    ['VONAGE_BRAND', 'a name that is too long'], ['VONAGE_BRAND', 'a:b'], ['VONAGE_WHATSAPP_FROM', 'ACME'],
    ['VONAGE_API_URL', 'http://api.nexmo.com'],
  ] as const) {
    t.throws(() => open({ [name]: value }), { message: new RegExp(`^${name} `) }, `${name}=${value.slice(0, 20)}`)
  }
})

t.test('the language of a message', async t => {
  for (const [tag, locale] of [
    ['de', 'de-de'], ['de-AT', 'de-de'], ['en', 'en-us'], ['EN-gb', 'en-gb'], ['pt_BR', 'pt-br'], ['zh-Hant', 'zh-cn'],
    ['nl-NL', 'nl-nl'], ['sq', null], ['', null], [null, null],
  ] as const) t.equal(localeOf(tag), locale, String(tag))
})
