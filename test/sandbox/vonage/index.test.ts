import { generateKeyPairSync } from 'node:crypto'
import { SignJWT } from 'jose'
import t, { type Test } from 'tap'
import { ask, setting, start, type Answer } from '../receiver.ts'
import { begin, call, itemsOf, openOnCellular, shownCode, type Started, silentAuth, sms } from './client.ts'

const id = 'c11236f4-00bf-4b89-84ba-88b25df97315'

/** An error in the documented shape. */
function refused (t: Test, { status, type, json }: Answer, expected: number, title: string, about = title): void {
  t.equal(status, expected, about)
  t.match(type, /^application\/problem\+json/, about)
  t.match(json, { title, type: /^https:\/\/developer\.vonage\.com\//, detail: String, instance: String }, about)
}

const check = (started: Started, { json: { request_id: id } }: Answer, code: unknown): Promise<Answer> =>
  call(started, `/v2/verify/${String(id)}`, { code })

t.test('only a JWT of the application is accepted', async t => {
  const started = await start(t)
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const key = Buffer.from(setting(started.simulators, 'VONAGE_PRIVATE_KEY'), 'base64')
  const own = await crypto.subtle.importKey(
    'pkcs8', key, { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' }, false, ['sign'],
  )
  const claims = { application_id: setting(started.simulators, 'VONAGE_APPLICATION_ID'), jti: 'one' }
  const sign = (more: object, { by = own, ageSeconds = 0 }: { by?: typeof own, ageSeconds?: number } = {}) => {
    const at = Math.floor(Date.now() / 1000) - ageSeconds
    return new SignJWT({ ...claims, ...more }).setProtectedHeader({ alg: 'RS256', typ: 'JWT' })
      .setIssuedAt(at).setExpirationTime(at + 900).sign(by)
  }
  const other = await crypto.subtle.importKey(
    'pkcs8', privateKey.export({ type: 'pkcs8', format: 'der' }), { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' },
    false, ['sign'],
  )
  const answerTo = (authorization: string) =>
    ask(`${started.simulators.url}/v2/verify/${id}`, 'DELETE', { authorization })
  refused(t, await answerTo(`Bearer ${await sign({})}`), 404, 'Not Found', 'accepted')
  for (const [about, authorization] of Object.entries({
    absent: '', basic: 'Basic YTpi', garbage: 'Bearer x.y.z', 'other key': `Bearer ${await sign({}, { by: other })}`,
    'other application': `Bearer ${await sign({ application_id: id })}`,
    'without jti': `Bearer ${await sign({ jti: undefined })}`,
  })) refused(t, await answerTo(authorization), 401, 'Unauthorized', about)
  const expired = await answerTo(`Bearer ${await sign({}, { ageSeconds: 901 })}`)
  t.match([expired.status, expired.json], [401, { type: /#jwt-expired$/, details: String }])
})

t.test('a request must be as documented', async t => {
  const started = await start(t)
  const step = sms('14155550100')
  const whatsapp = { channel: 'whatsapp', to: '14155550100' }
  const wrong: [name: string, body: object][] = [
    ['brand', { brand: undefined }], ['brand', { brand: '' }], ['brand', { brand: 'x'.repeat(19) }],
    ['brand', { brand: 'a:b' }],
    ['client_ref', { client_ref: 'att_1' }], ['client_ref', { client_ref: 'x'.repeat(41) }],
    ['channel_timeout', { channel_timeout: 14 }], ['channel_timeout', { channel_timeout: 901 }],
    ['channel_timeout', { channel_timeout: '60' }], ['code_length', { code_length: 3 }],
    ['code_length', { code_length: 11 }], ['code', { code: '12-4' }], ['locale', { locale: 'EN_us' }],
    ['body', { other: 1 }], ['workflow', { workflow: [] }], ['workflow', { workflow: [step, step, step, step] }],
    ['workflow.0.to', { workflow: [sms('+14155550100')] }], ['workflow.0.to', { workflow: [sms('0014155550100')] }],
    ['workflow.0.channel', { workflow: [{ ...step, channel: 'pigeon' }] }],
    ['workflow.0', { workflow: [{ ...silentAuth(step.to), sandbox: true }] }],
    ['workflow.0.redirect_url', { workflow: [{ ...silentAuth(step.to), redirect_url: 'app:done' }] }],
    ['workflow.0.from', { workflow: [whatsapp] }],
    ['workflow.0.from', { workflow: [{ ...whatsapp, from: '447700900998' }] }],
    ['workflow', { workflow: [step, silentAuth(step.to)] }],
  ]
  for (const [name, more] of wrong) {
    const answer = await begin(started, [step], more)
    const about = JSON.stringify(more)
    refused(t, answer, 422, 'Invalid params', about)
    const names = (answer.json['invalid_parameters'] as { name: string }[]).map(fault => fault.name)
    t.ok(names.includes(name), `${about}: ${name} among ${names.join(' ')}`)
  }
  refused(t, await call(started, '/v2/verify', '{'), 422, 'Invalid params', 'no JSON')
  refused(t, await call(started, `/v2/verify/${id}`, { code: '123' }), 422, 'Invalid params', 'short code')
  t.strictSame(await itemsOf(started, step.to), [])
  refused(t, await call(started, '/v2/verify/a/secret'), 404, 'Not Found')
  t.notMatch((await call(started, '/v2/verify/a/secret')).text, /secret/)
})

t.test('a number has one request at a time, and a code three tries', async t => {
  const started = await start(t)
  const step = sms('14155550100')
  const first = await begin(started, [step], { code_length: 6 })
  const second = await begin(started, [step])
  refused(t, second, 409, 'Conflict')
  t.equal(second.json['request_id'], first.json['request_id'])
  t.equal(await shownCode(started, step.to), '550100')
  for (const expected of [400, 400, 410, 410]) refused(t, await check(started, first, '9999'), expected, 'Invalid Code')
  refused(t, await check(started, first, '550100'), 410, 'Invalid Code', 'the workflow is terminated')
  const third = await begin(started, [step], { code: 'e4dR1Qz' })
  t.equal(await shownCode(started, step.to), 'e4dR1Qz', 'a code of the app')
  t.strictSame((await check(started, third, 'e4dR1Qz')).json, {
    request_id: third.json['request_id'], status: 'completed',
  })
  refused(t, await check(started, third, 'e4dR1Qz'), 404, 'Not Found')
})

t.test('an event ends with its time, and the next one begins', async t => {
  let passedMs = 0
  const started = await start(t, { now: () => Date.now() + passedMs })
  const steps = [silentAuth('14155550100'), sms('14155550100')]
  const answer = await begin(started, steps, { channel_timeout: 15 })
  passedMs = 59_000
  refused(t, await check(started, answer, '0100'), 409, 'Conflict', 'a silent authentication has 60 seconds')
  passedMs = 60_001
  const path = `/v2/verify/${String(answer.json['request_id'])}`
  refused(t, await call(started, path, undefined, 'DELETE'), 404, 'Not Found', 'the second event has begun')
  t.equal(await shownCode(started, '14155550100'), '0100')
  passedMs += 15_001
  refused(t, await check(started, answer, '0100'), 404, 'Not Found', 'a message has 15')
  const [, event, summary] = await started.gateway.first(3)
  t.match(event?.body, { channel: 'silent_auth', status: 'expired' })
  t.match([event?.body, summary?.body], [{ channel: 'silent_auth' }, { channel: 'sms', status: 'expired' }])
})

t.test('the phone gets a code for one attempt, and the URL is used up', async t => {
  const started = await start(t)
  const answer = await begin(started, [silentAuth('14155550100')])
  const { request_id: requestId, check_url: checkUrl } = answer.json
  t.notMatch(checkUrl, requestId)
  const opened = await openOnCellular(started, checkUrl)
  const { request_id: same, code } = JSON.parse(String(opened['body'])) as Record<string, unknown>
  t.match([opened['status'], same, code], [200, requestId, /^\w{8}$/])
  t.match(await openOnCellular(started, checkUrl), { status: 404 })
  refused(t, await check(started, answer, 'wrong'), 410, 'Invalid Code')
  refused(t, await check(started, answer, code), 410, 'Invalid Code', 'only one attempt')
})

t.test('why a silent authentication fails', async t => {
  const started = await start(t)
  const noCoverage = { coverage_check: false }
  const failures: Record<string, string> = {
    '01': 'Device MSISDN does not match.', 99: 'The silent auth verification cannot be completed.',
    91: 'Device number does not resolve to a supported Mobile Network Operator.',
  }
  for (const [suffix, description] of Object.entries(failures)) {
    const step = { ...silentAuth(`141555505${suffix}`), ...noCoverage }
    const plain = await begin(started, [step])
    const opened = await openOnCellular(started, plain.json['check_url'])
    t.match([opened['status'], opened['body']], [412, new RegExp(description)], suffix)
    const redirected = await begin(started, [{ ...step, redirect_url: 'https://app.example/done' }])
    const { location } = await openOnCellular(started, redirected.json['check_url'])
    t.equal(location, `https://app.example/done#error_description=${encodeURIComponent(description)}`)
    refused(t, await check(started, plain, '0101'), 404, 'Not Found', 'the request has failed')
  }
  refused(t, await begin(started, [silentAuth('14155550591')]), 412, 'Network not supported')
})

t.test('every suffix of the sandbox', async t => {
  const started = await start(t, { slowMs: 300, silenceMs: 20 })
  const starts: Record<string, number> = { 91: 422, 96: 500, 98: 202, 99: 500 }
  for (const [suffix, status] of Object.entries(starts)) {
    t.equal((await begin(started, [sms(`141555505${suffix}`)])).status, status, suffix)
  }
  for (const [digits, status] of [['8196', 429], ['8296', 401]] as const) {
    t.equal((await begin(started, [sms(`14155${digits.slice(0, 2)}5${digits.slice(2)}`)])).status, status, digits)
  }
  for (const suffix of ['01', '90', '92']) {
    const answer = await begin(started, [sms(`141555505${suffix}`)])
    t.equal(await shownCode(started, `141555505${suffix}`), undefined, suffix)
    refused(t, await check(started, answer, `05${suffix}`), 400, 'Invalid Code', suffix)
  }
  const flaky = await begin(started, [sms('14155550597')])
  const statuses = [500, 500, 200]
  for (const status of statuses) t.equal((await check(started, flaky, '0597')).status, status)
  const slow = await begin(started, [sms('14155550593')])
  const since = performance.now()
  t.equal((await check(started, slow, '0593')).status, 200)
  t.ok(performance.now() - since > 250)
  const silent = await begin(started, [silentAuth('14155551592')])
  t.match(await openOnCellular(started, silent.json['check_url']), { status: 504 })
})

t.test('the variants that say the same in another way, or refuse what the user brings', async t => {
  const started = await start(t)
  const unusual = await begin(started, [sms('14155581598')])
  t.strictSame(unusual.json['check_url'], null)
  const wrong = await check(started, unusual, '9999')
  t.match([wrong.status, wrong.json], [200, { title: 'Invalid Code' }])
  t.match((await check(started, unusual, '1598')).json, { request_id: null, status: 'completed' })
  refused(t, await check(started, await begin(started, [sms('14155581599')]), '1599'), 400, 'Invalid Code')
  refused(t, await check(started, await begin(started, [sms('14155582599')]), '2599'), 404, 'Not Found')
  for (const [number, description] of [
    ['14155581591', /IP Address does not resolve/], ['14155582591', /MSISDN does not match/],
  ] as const) {
    refused(t, await begin(started, [sms(number)]), 422, 'Invalid params')
    const { json: { check_url: checkUrl } } = await begin(started, [silentAuth(number)])
    t.match(await openOnCellular(started, checkUrl), { status: 412, body: description })
  }
})
