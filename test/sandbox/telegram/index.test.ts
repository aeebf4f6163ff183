import { createHash, createHmac } from 'node:crypto'
import t from 'tap'
import { type Answer, ask, setting, start, until } from '../receiver.ts'

type Started = Awaited<ReturnType<typeof start>>

const json = { 'content-type': 'application/json' }
const bearer = ({ simulators }: Started) => ({ authorization: `Bearer ${setting(simulators, 'TELEGRAM_API_TOKEN')}` })

const call = (started: Started, method: string, body: unknown): Promise<Answer> =>
  ask(`${started.simulators.url}/${method}`, 'POST', { ...json, ...bearer(started) }, body)

async function resultOf (started: Started, method: string, body: object): Promise<Record<string, unknown>> {
  const answer = await call(started, method, body)
  if (answer.json['ok'] !== true) throw new Error(answer.text)
  return answer.json['result'] as Record<string, unknown>
}

const send = (started: Started, number: string, more: object = {}): Promise<Record<string, unknown>> =>
  resultOf(started, 'sendVerificationMessage', { phone_number: number, code_length: 6, ...more })

const statusOf = async (started: Started, sent: Record<string, unknown>, code?: string) =>
  resultOf(
    started, 'checkVerificationStatus', { request_id: sent['request_id'], ...code === undefined ? {} : { code } }
  )

async function itemsOf ({ simulators: { url } }: Started, phoneNumber: string) {
  const answer = await ask(`${url}/handset/items?phoneNumber=${encodeURIComponent(phoneNumber)}`, 'GET')
  return answer.json['data'] as Record<string, unknown>[]
}

t.test('a message is charged, shown on the phone, and its code is checked', async t => {
  const started = await start(t)
  const sent = await send(started, '+14155550142', { payload: 'mine' })
  t.match(sent, {
    request_id: /^\d+$/, phone_number: '+14155550142', request_cost: 0.01, remaining_balance: 99.99, payload: 'mine',
    delivery_status: { status: 'sent', updated_at: Number },
  })
  t.notOk('verification_status' in sent || 'is_refunded' in sent, 'what is not relevant is absent')
  await until(async () => (await itemsOf(started, '+14155550142')).length === 1)
  t.match(await itemsOf(started, '+14155550142'), [{ provider: 'telegram', kind: 'message', code: '550142' }])
  const wrong = await statusOf(started, sent, '000000')
  t.match(wrong['verification_status'], { status: 'code_invalid', code_entered: '000000', updated_at: Number })
  t.notOk('remaining_balance' in wrong, 'only with a charge')
  t.match((await statusOf(started, sent, '550142'))['verification_status'], { status: 'code_valid' })
  t.match((await statusOf(started, sent))['verification_status'], { status: 'code_valid' })
})

t.test('checkSendAbility is paid, the send with its id is free, and only once', async t => {
  const started = await start(t)
  const able = await resultOf(started, 'checkSendAbility', { phone_number: '14155550142' })
  t.match(able, { remaining_balance: 99.99, phone_number: '+14155550142' })
  t.notOk('delivery_status' in able)
  const request_id = able['request_id']
  const other = await call(
    started, 'sendVerificationMessage', { phone_number: '14155550144', code: '1234', request_id },
  )
  t.match(other.json, { ok: false, error: 'PHONE_NUMBER_MISMATCH' })
  const sent = await send(started, '14155550142', { request_id, code: '12345678' })
  t.notOk('remaining_balance' in sent)
  t.equal(sent['request_id'], request_id)
  const again = await call(
    started, 'sendVerificationMessage', { phone_number: '14155550142', code: '1234', request_id },
  )
  t.match(again.json, { ok: false, error: 'MESSAGE_ALREADY_SENT' })
  t.match((await statusOf(started, sent, '12345678'))['verification_status'], { status: 'code_valid' })
  t.equal((await send(started, '14155550146'))['remaining_balance'], 99.98, 'two fees in all')
})

t.test('parameters are read from the query, a form and JSON, and method names have no case', async t => {
  const started = await start(t)
  const { simulators: { url } } = started
  const query = new URLSearchParams({
    phone_number: '+14155550142', code_length: '4', access_token: setting(started.simulators, 'TELEGRAM_API_TOKEN'),
  })
  t.match((await ask(`${url}/sendverificationmessage?${query}`, 'GET')).json, { ok: true })
  const form = { 'content-type': 'application/x-www-form-urlencoded' }
  t.match((await ask(`${url}/sendVerificationMessage`, 'POST', form, query.toString())).json, { ok: true })
})

t.test('every error is { ok: false, error }, with the known words', async t => {
  const started = await start(t)
  const { simulators: { url } } = started
  t.match((await ask(`${url}/sendVerificationMessage`, 'POST', json, {})).json, { error: 'ACCESS_TOKEN_REQUIRED' })
  const wrong = { ...json, authorization: 'Bearer other' }
  t.match((await ask(`${url}/sendVerificationMessage`, 'POST', wrong, {})).json, { error: 'ACCESS_TOKEN_INVALID' })
  const good = { phone_number: '+14155550142', code_length: 6 }
  const cases: [method: string, body: object, error: string][] = [
    ['sendVerificationMessage', { ...good, phone_number: '04155' }, 'PHONE_NUMBER_INVALID'],
    ['sendVerificationMessage', { phone_number: '+14155550142' }, 'CODE_LENGTH_REQUIRED'],
    ['sendVerificationMessage', { ...good, code_length: 9 }, 'CODE_LENGTH_INVALID'],
    ['sendVerificationMessage', { ...good, code: '12a4' }, 'CODE_INVALID'],
    ['sendVerificationMessage', { ...good, ttl: 29 }, 'TTL_INVALID'],
    ['sendVerificationMessage', { ...good, ttl: 3601 }, 'TTL_INVALID'],
    ['sendVerificationMessage', { ...good, payload: 'ä'.repeat(65) }, 'PAYLOAD_INVALID'],
    ['sendVerificationMessage', { ...good, callback_url: 'http://example.com/' }, 'CALLBACK_URL_INVALID'],
    ['sendVerificationMessage', { ...good, callback_url: `https://e.com/${'x'.repeat(256)}` }, 'CALLBACK_URL_INVALID'],
    ['sendVerificationMessage', { ...good, sender_username: 'somebody' }, 'SENDER_NOT_OWNED'],
    ['sendVerificationMessage', { ...good, sender_username: '1' }, 'SENDER_USERNAME_INVALID'],
    ['sendVerificationMessage', { ...good, request_id: '1' }, 'REQUEST_ID_INVALID'],
    ['checkVerificationStatus', {}, 'REQUEST_ID_REQUIRED'],
    ['revokeVerificationMessage', { request_id: '1' }, 'REQUEST_ID_INVALID'],
  ]
  for (const [method, body, error] of cases) {
    t.strictSame((await call(started, method, body)).json, { ok: false, error }, JSON.stringify(body))
  }
})

t.test('too many wrong codes, a code after its time, and a message that was revoked', async t => {
  let now = Date.now()
  const started = await start(t, { now: () => now, slowMs: 60_000 })
  const sent = await send(started, '+14155550142', { ttl: 60 })
  const verdict = async (code: string) =>
    ((await statusOf(started, sent, code))['verification_status'] as { status: string }).status
  for (const _ of [1, 2, 3, 4]) t.equal(await verdict('1'), 'code_invalid')
  t.equal(await verdict('1'), 'code_max_attempts_exceeded')
  t.equal(await verdict('550142'), 'code_max_attempts_exceeded', 'also for the right one')
  const slow = await send(started, '+14155550193', { ttl: 60 })
  const revoked = await send(started, '+14155550193')
  t.equal(
    (await call(started, 'revokeVerificationMessage', { request_id: revoked['request_id'] })).json['result'], true,
  )
  t.match((await statusOf(started, revoked))['delivery_status'], { status: 'revoked' })
  now += 60_000
  t.match(await statusOf(started, slow), { is_refunded: true, delivery_status: { status: 'expired' } })
  t.match((await statusOf(started, slow, '550193'))['verification_status'], { status: 'expired' })
})

t.test('reports are signed by the hash of the token, in the order of the number', async t => {
  const started = await start(t)
  const { gateway, simulators } = started
  const callback_url = `${gateway.url}/callbacks/telegram/key`
  await send(started, '+14155550142', { callback_url })
  const reports = await gateway.first(3)
  const words = (list: typeof reports) =>
    list.map(({ body }) => (body['delivery_status'] as { status: string }).status)
  t.strictSame(words(reports), ['sent', 'delivered', 'read'])
  const key = createHash('sha256').update(setting(simulators, 'TELEGRAM_API_TOKEN')).digest()
  for (const { headers, text, path } of reports) {
    t.equal(path, '/callbacks/telegram/key')
    const timestamp = String(headers['x-request-timestamp'])
    t.match(timestamp, /^\d{10}$/)
    const signature = createHmac('sha256', key).update(`${timestamp}\n${text}`).digest('hex')
    t.equal(headers['x-request-signature'], signature)
  }
  await send(started, '+14155550195', { callback_url })
  t.strictSame(words((await gateway.first(6)).slice(3)), ['read', 'delivered', 'sent'])
  await send(started, '+14155550194', { callback_url })
  t.equal((await gateway.first(15)).length, 15, 'each three times')
  await send(started, '+14155581192', { callback_url })
  const [refunded] = (await gateway.first(16)).slice(15)
  t.match(refunded?.body, { is_refunded: true, delivery_status: { status: 'expired' } })
})

t.test('the suffix of a number decides how the calls end', async t => {
  const started = await start(t)
  const start_ = (number: string) => call(started, 'sendVerificationMessage', { phone_number: number, code_length: 6 })
  t.match((await start_('+14155550191')).json, { error: 'PHONE_NUMBER_NOT_FOUND' })
  t.match((await start_('+14155550199')).json, { error: 'INTERNAL_ERROR' })
  t.equal((await start_('+14155550196')).status, 500)
  t.match(await start_('+14155581196'), { status: 429, json: { error: 'FLOOD_WAIT_1' } })
  t.match((await start_('+14155582196')).json, { error: 'ACCESS_TOKEN_INVALID' })
  t.strictSame((await start_('+14155550198')).json, { ok: true })
  await t.rejects(
    fetch(`${started.simulators.url}/sendVerificationMessage`, {
      method: 'POST', headers: { ...json, ...bearer(started) }, signal: AbortSignal.timeout(100),
      body: JSON.stringify({ phone_number: '+14155583196', code_length: 6 }),
    }),
    'never answered',
  )
  const unusual = await send(started, '+14155581198')
  t.match(unusual, { phone_number: '14155581198', request_cost: '0.01', is_refunded: null, payload: null })
  const flaky = await send(started, '+14155550197')
  const check = (sent: Record<string, unknown>, code: string) =>
    call(started, 'checkVerificationStatus', { request_id: sent['request_id'], code })
  t.strictSame([(await check(flaky, '550197')).status, (await check(flaky, '550197')).status], [500, 500])
  t.match((await check(flaky, '550197')).json, { result: { verification_status: { status: 'code_valid' } } })
  const never = await send(started, '+14155550101')
  t.match((await check(never, '550101')).json, { result: { verification_status: { status: 'code_invalid' } } })
  t.match((await check(await send(started, '+14155581199'), '581199')).json, { error: 'REQUEST_ID_INVALID' })
  t.match((await check(await send(started, '+14155582199'), '582199')).json, {
    result: { verification_status: { status: 'expired' } },
  })
  for (const number of ['+14155550101', '+14155550192', '+14155550190']) {
    await send(started, number)
    t.strictSame(await itemsOf(started, number), [], `nothing reaches ${number}`)
  }
})
