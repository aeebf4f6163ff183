import { setImmediate as turn } from 'node:timers/promises'
import t, { type Test } from 'tap'
import twilio from 'twilio'
import type RequestClient from 'twilio/lib/base/RequestClient.js'
import { allowNull, openContracts, withoutContracts } from '../../helpers/contracts.ts'
import { ask, setting, start, until } from '../receiver.ts'

// The official client, whose requests go to the simulator: nothing but the origin is changed.

type Exchange = {
  method: string, path: string, status: number, answer: unknown, answerHeaders: Record<string, unknown>,
}

/** What every test of this file has received. */
const exchanges: Exchange[] = []

class Redirected extends twilio.RequestClient {
  readonly origin: string
  constructor (origin: string) {
    super()
    this.origin = origin
  }

  override async request<Data> (options: RequestClient.RequestOptions<Data>) {
    const { pathname, search } = new URL(options.uri)
    const answer = await super.request<Data>({ ...options, uri: `${this.origin}${pathname}${search}` })
    const body: unknown = answer.body
    exchanges.push({
      method: options.method.toUpperCase(), path: pathname, status: answer.statusCode,
      answer: typeof body === 'string' ? JSON.parse(body) : body,
      answerHeaders: { 'content-type': 'application/json' },
    })
    return answer
  }
}

async function build (t: Test, options: Parameters<typeof start>[1] = {}) {
  const started = await start(t, options)
  const { simulators } = started
  const open = (secret = setting(simulators, 'TWILIO_API_SECRET'), sid = setting(simulators, 'TWILIO_SERVICE_SID')) =>
    twilio(setting(simulators, 'TWILIO_API_KEY'), secret, {
      accountSid: `AC${'0'.repeat(32)}`, httpClient: new Redirected(setting(simulators, 'TWILIO_API_URL')),
    }).verify.v2.services(sid)
  const { verifications, verificationChecks } = open()
  return {
    ...started, open, verifications, verificationChecks,
    /** What is on the phone, oldest first. */
    async shown (phoneNumber: string): Promise<unknown[]> {
      const path = `/handset/items?phoneNumber=${encodeURIComponent(phoneNumber)}`
      const { json } = await ask(`${simulators.url}${path}`, 'GET')
      return json['data'] as unknown[]
    },
    /** What the device receives from a URL. */
    async visit (url: string): Promise<Record<string, string>> {
      const { text, status, type } = await ask(url, 'GET')
      t.match({ status, type }, { status: 200, type: /^text\/plain/ })
      return Object.fromEntries(new URLSearchParams(text))
    },
  }
}

const urlOf = ({ sna }: { sna: unknown }): string => (sna as { url: string }).url
const refused = (code: number, status: number) =>
  ({ code, status, message: /^[A-Z]/, moreInfo: `https://www.twilio.com/docs/errors/${code}` })

t.test('a code by each channel', async t => {
  const { verifications, verificationChecks, shown, simulators } = await build(t)
  const channels = [['sms', 'message', 'SMS'], ['call', 'call', 'Voice call'], ['whatsapp', 'message', 'WhatsApp']]
  for (const [at, [channel = '', kind, title]] of channels.entries()) {
    const to = `+1415555010${at * 2}`
    const created = await verifications.create({ to, channel, locale: 'en', tags: '{"plan":"pro"}' })
    t.match(created, {
      sid: /^VE[0-9a-f]{32}$/, to, channel, status: 'pending', valid: false, sna: null, lookup: {},
      serviceSid: setting(simulators, 'TWILIO_SERVICE_SID'), sendCodeAttempts: [{ attempt_sid: /^VL[0-9a-f]{32}$/ }],
    })
    t.ok(Math.abs(created.dateCreated.getTime() - Date.now()) < 60_000)
    const code = to.slice(-6)
    t.match(await shown(to), [{ kind, title, code, text: new RegExp(code) }])
    t.match(await verifications(created.sid).fetch(), { sid: created.sid, status: 'pending' })
    t.match(await verificationChecks.create({ verificationSid: created.sid, code: '111111' }), {
      sid: created.sid, to, channel, status: 'pending', valid: false, snaAttemptsErrorCodes: null,
    }, 'a wrong code is an answer, not an error')
    t.match(await verificationChecks.create({ to, code }), { sid: created.sid, status: 'approved', valid: true })
    await t.rejects(verificationChecks.create({ to, code }), refused(20404, 404), 'Twilio forgets what is approved')
    await t.rejects(verifications(created.sid).fetch(), refused(20404, 404))
  }
})

t.test('a second create within ten minutes continues the verification; five are allowed', async t => {
  const { verifications, verificationChecks, shown } = await build(t)
  const to = '+14155550110'
  const { sid } = await verifications.create({ to, channel: 'sms' })
  const again = await verifications.create({ to, channel: 'call' })
  t.match(again, { sid, channel: 'call', sendCodeAttempts: { length: 2 } })
  for (let sends = 3; sends <= 5; sends += 1) await verifications.create({ to, channel: 'sms' })
  await t.rejects(verifications.create({ to, channel: 'sms' }), refused(60203, 429))
  t.equal((await shown(to)).length, 5)
  t.match(await verificationChecks.create({ to, code: to.slice(-6) }), { sid, status: 'approved' })
  t.not((await verifications.create({ to, channel: 'sms' })).sid, sid, 'an approved one is over')
})

t.test('five wrong codes, then no more until the time is over', async t => {
  let now = Date.now()
  const { verifications, verificationChecks } = await build(t, { now: () => now })
  const to = '+14155550112'
  const { sid } = await verifications.create({ to, channel: 'sms' })
  for (let checks = 1; checks <= 5; checks += 1) {
    t.match(await verificationChecks.create({ to, code: '111111' }), { status: 'pending', valid: false })
  }
  await t.rejects(verificationChecks.create({ to, code: to.slice(-6) }), refused(60202, 429), 'not even the right one')
  await t.rejects(verificationChecks.create({ verificationSid: sid, code: to.slice(-6) }), refused(20404, 404))
  await t.rejects(verifications.create({ to, channel: 'sms' }), refused(60202, 429))
  now += 10 * 60_000
  const { sid: next } = await verifications.create({ to, channel: 'sms' })
  t.not(next, sid)
  now += 10 * 60_000 - 1
  t.match(await verificationChecks.create({ to, code: '111111' }), { sid: next, status: 'pending' })
  now += 1
  await t.rejects(verificationChecks.create({ to, code: to.slice(-6) }), refused(20404, 404), 'expired')
})

t.test('cancel and approve', async t => {
  const { verifications, verificationChecks } = await build(t)
  const to = '+14155550114'
  const { sid } = await verifications.create({ to, channel: 'sms' })
  t.match(await verifications(sid).update({ status: 'canceled' }), { sid, status: 'canceled', valid: false })
  await t.rejects(verificationChecks.create({ to, code: to.slice(-6) }), refused(20404, 404))
  await t.rejects(verifications(sid).update({ status: 'canceled' }), refused(20404, 404))
  const next = await verifications.create({ to, channel: 'sms' })
  t.not(next.sid, sid, 'the number is free again')
  t.match(await verifications(to).update({ status: 'approved' }), { sid: next.sid, status: 'approved', valid: true })
  await verifications.create({ to, channel: 'sms' })
  await t.rejects(verifications(to).update({ status: 'failed' as 'approved' }), refused(60200, 400))
})

t.test('a silent check', async t => {
  const { verifications, verificationChecks, visit, shown } = await build(t)
  const to = '+14155550116'
  const created = await verifications.create({ to, channel: 'sna' })
  t.match(created, { channel: 'sna', status: 'pending', lookup: { carrier: { type: 'mobile' } }, sna: { url: String } })
  t.match(await verificationChecks.create({ to }), {
    status: 'pending', valid: false, snaAttemptsErrorCodes: [{ attempt_sid: /^VL/, code: 60519 }],
  })
  t.strictSame(await visit(urlOf(created)), { ErrorCode: '0', ErrorDescription: 'Success', Carrier: 'VZW' })
  t.match(await visit(urlOf(created)), { ErrorCode: '-10' }, 'the URL works once')
  t.match(await verificationChecks.create({ to }), {
    sid: created.sid, channel: 'sna', status: 'approved', valid: true, snaAttemptsErrorCodes: { length: 0 },
  })
  t.strictSame(await shown(to), [])
  t.match(await verifications.create({ to, channel: 'auto', deviceIp: '192.0.2.1' }), { channel: 'sna' })
})

t.test('a silent check with a client token is proven by the device only', async t => {
  const { verifications, verificationChecks, visit, simulators } = await build(t)
  const to = '+14155550118'
  const created = await verifications.create({ to, channel: 'sna', enableSnaClientToken: true })
  const { SnaClientToken: snaClientToken = '' } = await visit(urlOf(created))
  t.match(await verificationChecks.create({ to }), { status: 'pending', valid: false })
  t.match(await verificationChecks.create({ to, snaClientToken: 'x' }), { status: 'pending', valid: false })
  t.match(await verificationChecks.create({ verificationSid: created.sid, snaClientToken }), { status: 'approved' })
  const other = await verifications.create({ to, channel: 'sna', enableSnaClientToken: true })
  const arrival = await ask(
    `${simulators.url}/handset/cellular`, 'POST', { 'content-type': 'application/json' }, { url: urlOf(other) },
  )
  t.match(arrival.json, { status: 200, code: /^[\w-]{32}$/ }, 'the simulated phone finds the token')
  t.match(await verificationChecks.create({ to, snaClientToken: String(arrival.json['code']) }), { status: 'approved' })
})

t.test('the service says how long its codes are', async t => {
  const { open } = await build(t)
  t.match(await open().fetch(), { friendlyName: 'Sandbox', codeLength: 6 })
  await t.rejects(open('another secret').fetch(), refused(20003, 401))
})

t.test('what is refused', async t => {
  const { verifications, verificationChecks, open, simulators } = await build(t)
  const to = '+14155550120'
  for (const [name, form] of Object.entries({
    To: { to: '14155550120', channel: 'sms' },
    Channel: { to, channel: 'pigeon' },
    DeviceIp: { to, channel: 'sms', deviceIp: 'here' },
    Tags: { to, channel: 'sms', tags: '{"a":1}' },
  })) {
    await t.rejects(verifications.create(form), { ...refused(60200, 400), message: `Invalid parameter: ${name}` })
  }
  await t.rejects(verifications.create({ to, channel: 'email' }), refused(60223, 400))
  await t.rejects(verifications.create({ to, channel: 'sms', customCode: '123456' }), refused(60204, 403))
  await t.rejects(verificationChecks.create({ code: '123456' }), refused(60221, 400))
  await t.rejects(verificationChecks.create({ to, code: '123456' }), refused(20404, 404))
  await verifications.create({ to, channel: 'sms' })
  await t.rejects(verificationChecks.create({ to, code: '123' }), refused(60200, 400))
  await t.rejects(verificationChecks.create({ to }), refused(60200, 400))
  await t.rejects(open('wrong').verifications.create({ to, channel: 'sms' }), refused(20003, 401))
  const other = open(undefined, `VA${'0'.repeat(32)}`)
  await t.rejects(other.verifications.create({ to, channel: 'sms' }), refused(20404, 404))
  const path = `${simulators.url}/v2/Services/${setting(simulators, 'TWILIO_SERVICE_SID')}/Verifications`
  const { TWILIO_API_KEY: key, TWILIO_API_SECRET: secret } = simulators.settings
  const authorization = `Basic ${Buffer.from(`${key}:${secret}`).toString('base64')}`
  const body = { To: to, Channel: 'sms' }
  const inJson = await ask(path, 'POST', { authorization, 'content-type': 'application/json' }, body)
  t.match(inJson, { status: 400, json: { code: 60200 } }, 'Twilio reads forms only')
  const unknown = await ask(`${path}/x/y?Token=z`, 'GET', { authorization })
  t.match(unknown, { status: 404, json: { code: 20404 } })
  t.notMatch(unknown.text, /Token|x\/y/)
})

t.test('scenarios of the start', async t => {
  const { verifications, simulators } = await build(t)
  const create = (to: string, channel = 'sms') => verifications.create({ to, channel })
  for (const to of ['+14155550196', '+14155550199']) await t.rejects(create(to), refused(20500, 500))
  await t.rejects(create('+14155581196'), refused(20429, 429))
  await t.rejects(create('+14155582196'), refused(20003, 401))
  await t.rejects(create('+14155550191'), refused(60205, 403))
  await t.rejects(create('+14155550191', 'call'), refused(60410, 403))
  await t.rejects(create('+14155550191', 'sna'), refused(60008, 403))
  t.match(await create('+14155550198'), { sid: undefined, status: 'pending' })
  const before = simulators.requests.length
  let isAnswered = false
  void create('+14155583196').catch(() => {}).finally(() => { isAnswered = true })
  await until(() => simulators.requests.length > before)
  await turn()
  t.equal(isAnswered, false)
})

t.test('scenarios of a check', async t => {
  const { verifications, verificationChecks, shown } = await build(t)
  const right = async (to: string) => {
    await verifications.create({ to, channel: 'sms' })
    return () => verificationChecks.create({ to, code: to.slice(-6) })
  }
  for (const to of ['+14155550101', '+14155581199']) {
    t.match(await (await right(to))(), { status: 'pending', valid: false }, `${to}: no code is correct`)
  }
  await t.rejects((await right('+14155582199'))(), refused(20404, 404))
  t.match(await (await right('+14155583199'))(), { status: 'failed', valid: false })
  for (const to of ['+14155550192', '+14155550190']) {
    t.match(await (await right(to))(), { status: 'pending' })
    t.strictSame(await shown(to), [], 'nothing arrives')
  }
  const flaky = await right('+14155550197')
  await t.rejects(flaky(), refused(20500, 500))
  await t.rejects(flaky(), refused(20500, 500))
  t.match(await flaky(), { status: 'approved' })
  for (const to of ['+14155550194', '+14155550195']) t.match(await (await right(to))(), { status: 'approved' })
  t.match(await (await right('+14155581198'))(), { status: 'approved', valid: null, snaAttemptsErrorCodes: null })
  const slow = await right('+14155550193')
  const begunAt = performance.now()
  t.match(await slow(), { status: 'approved' })
  t.ok(performance.now() - begunAt >= 145)
})

t.test('scenarios of a silent check', async t => {
  const { verifications, verificationChecks, visit, simulators } = await build(t, { silenceMs: 20 })
  for (const [to, errorCode, code] of [
    ['+14155550101', '0', 60500], ['+14155550199', '-10', 60534], ['+14155581191', '-10', 60531],
  ] as const) {
    const created = await verifications.create({ to, channel: 'sna' })
    t.match(await visit(urlOf(created)), { ErrorCode: errorCode })
    t.match(await verificationChecks.create({ to }), { status: 'pending', snaAttemptsErrorCodes: [{ code }] }, to)
  }
  const token = await verifications.create({ to: '+14155581199', channel: 'sna', enableSnaClientToken: true })
  const { SnaClientToken: snaClientToken = '' } = await visit(urlOf(token))
  t.match(await verificationChecks.create({ verificationSid: token.sid, snaClientToken }), { status: 'pending' })
  const silent = await verifications.create({ to: '+14155550192', channel: 'sna' })
  t.equal((await ask(urlOf(silent), 'POST')).status, 504, 'the network does not answer')
  t.match(await verificationChecks.create({ to: '+14155550192' }), { snaAttemptsErrorCodes: [{ code: 60519 }] })
  const slow = await verifications.create({ to: '+14155550193', channel: 'sna' })
  const begunAt = performance.now()
  t.match(await visit(urlOf(slow)), { ErrorCode: '0' })
  t.ok(performance.now() - begunAt >= 145)
  t.match(await visit(`${simulators.url}/m/id/unknown`), { ErrorCode: '-10' })
  const next = await verifications.create({ to: '+14155550101', channel: 'sms' })
  t.match(next, { channel: 'sms', sna: null }, 'the same verification goes on with a message')
})

t.test('every answer is what Twilio describes', { skip: withoutContracts('twilio_verify_v2.json') }, async t => {
  const contracts = await openContracts(['twilio_verify_v2.json'], { amend: allowNull })
  const described = exchanges.filter(({ status }) => status < 300)
  t.ok(described.length > 60)
  t.strictSame([...new Set(described.flatMap(exchange => {
    const found = contracts.find(exchange.method, exchange.path)
    if (found === undefined) return [`${exchange.method} ${exchange.path}`]
    return contracts.problemsOfAnswer(found.operation, { ...exchange, headers: {}, body: undefined })
      .map(problem => `${found.name} ${problem}`)
  }))], [])
  const limited = contracts.find('POST', `/v2/Services/VA${'0'.repeat(32)}/Verifications`)?.operation.responses[429]
  const schema = limited?.content?.['application/json']?.schema
  t.ok(schema, 'the shape of errors is described')
  const errors = exchanges.filter(({ status }) => status >= 400)
  t.strictSame([...new Set(errors.flatMap(({ answer }) => contracts.problemsOf(schema, answer, true)))], [])
})
