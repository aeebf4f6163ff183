import t from 'tap'
import { start, until } from '../receiver.ts'
import { credentials, json, post, refused, type Started } from './client.ts'

const initiate = (started: Started, phoneNumber: string, more: object = {}) =>
  post(started, '/auth/v1/initiate/otp', { phoneNumber, channels: ['SMS'], ...more })
const verify = (started: Started, requestId: unknown, otp: unknown) =>
  post(started, '/auth/v1/verify/otp', { requestId, otp })

t.test('initiate, a wrong one, the right one, once', async t => {
  const started = await start(t)
  const channels = ['WHATSAPP', 'SMS', 'VOICE_CALL', 'VIBER']
  const answer = await initiate(started, '+15551234066', { channels, expiry: 60, metadata: { a: 'b' } })
  t.equal(answer.status, 200)
  t.strictSame(Object.keys(answer.json), ['requestId'])
  const { requestId } = answer.json
  refused(t, await verify(started, requestId, '000000'), 400, '7118')
  refused(t, await verify(started, requestId, '4066'), 400, '7118')
  const verified = await verify(started, requestId, '234066')
  t.equal(verified.status, 200)
  t.strictSame(verified.json, { requestId, isOTPVerified: true, message: 'OTP verified successfully' })
  refused(t, await verify(started, requestId, '234066'), 400, '7115')
})

t.test('four digits on demand, and by e-mail', async t => {
  const started = await start(t)
  const short = await initiate(started, '+15551234066', { otpLength: 4 })
  t.equal((await verify(started, short.json['requestId'], '4066')).status, 200)
  const mail = await post(started, '/auth/v1/initiate/otp', { email: 'ada@example.com', channels: ['EMAIL'] })
  t.equal((await verify(started, mail.json['requestId'], '000000')).status, 200)
})

t.test('it expires as asked, or after five minutes', async t => {
  let now = Date.now()
  const started = await start(t, { now: () => now })
  const minute = (await initiate(started, '+15551234066', { expiry: 60 })).json['requestId']
  const usual = (await initiate(started, '+15551234066')).json['requestId']
  now += 60_000
  refused(t, await verify(started, minute, '234066'), 400, '7303')
  now += 239_999
  t.equal((await verify(started, usual, '234066')).status, 200)
  now += 2 * 86_400_000
  refused(t, await verify(started, usual, '234066'), 400, '7136', 'forgotten')
})

t.test('each member that strays has its code', async t => {
  const started = await start(t)
  const cases: [object, string][] = [
    [{ phoneNumber: '15551234066' }, '7102'], [{ phoneNumber: 15551234066 }, '7102'], [
      { phoneNumber: '+1555123406a' }, '7102',
    ],
    [{ phoneNumber: undefined }, '7106'], [{ email: 'ada@example.com' }, '7106'],
    [{ phoneNumber: undefined, email: 'ada' }, '7104'], [{ phoneNumber: undefined, email: 'ada@example.com' }, '7105'],
    [
      { channels: undefined }, '7103',
    ], [{ channels: [] }, '7103'], [{ channels: 'SMS' }, '7103'], [{ channels: ['sms'] }, '7103'],
    [{ channels: ['EMAIL'] }, '7103'], [{ channels: [5] }, '7103'],
    [{ expiry: '60' }, '7113'], [{ expiry: 29 }, '7113'], [{ expiry: 86_401 }, '7113'], [{ expiry: 60.5 }, '7113'],
    [{ otpLength: 5 }, '7116'], [{ otpLength: '6' }, '7116'], [
      { metadata: { a: 1 } }, '7101',
    ], [{ templateId: 'x' }, '7101'],
  ]
  for (const [more, code] of cases) refused(
    t, await initiate(started, '+15551234066', more), 400, code, JSON.stringify(more),
  )
  refused(t, await post(started, '/auth/v1/initiate/otp', '{'), 400, '7101')
  refused(
    t, await post(started, '/auth/v1/initiate/otp', 'a=b', { 'content-type': 'application/x-www-form-urlencoded' }),
    400, '7101',
  )
  refused(t, await verify(started, 'unknown', '123456'), 400, '7136')
  refused(t, await verify(started, '', '123456'), 400, '7119')
  refused(t, await verify(started, undefined, '123456'), 400, '7119')
  refused(t, await verify(started, 'x', ''), 400, '7112')
  refused(t, await verify(started, 'x', undefined), 400, '7112')
  refused(t, await verify(started, 'x', 123456), 400, '7112')
  refused(t, await post(started, '/auth/v1/verify/otp', { requestId: 'x', otp: '1', phoneNumber: '+1' }), 400, '7101')
})

t.test('scenarios of the start call', async t => {
  const started = await start(t)
  refused(t, await initiate(started, '+15551234091'), 400, '7103')
  for (const suffix of ['96', '99']) {
    const answer = await initiate(started, `+155512340${suffix}`)
    t.equal(answer.status, 500)
    t.strictSame(answer.json, { message: 'Something went wrong. Please try again!' })
  }
  const malformed = await initiate(started, '+15551234098')
  t.equal(malformed.status, 200)
  t.match(malformed.type, /^text\/html/)
})

t.test('scenarios of the code', async t => {
  const started = await start(t)
  for (const suffix of ['01', '92', '90']) {
    const { json: { requestId } } = await initiate(started, `+155512340${suffix}`)
    refused(t, await verify(started, requestId, `2340${suffix}`), 400, '7118', 'never right')
  }
  for (const suffix of ['94', '95']) {
    const { json: { requestId } } = await initiate(started, `+155512340${suffix}`)
    t.equal((await verify(started, requestId, `2340${suffix}`)).status, 200, 'nothing but the webhook to repeat')
  }
  const { json: { requestId } } = await initiate(started, '+15551234097')
  for (const status of [500, 500, 200]) t.equal((await verify(started, requestId, '234097')).status, status)
})

t.test('slow: the answer waits, and nothing is used up by a caller who hung up', async t => {
  const started = await start(t, { slowMs: 120 })
  const { json: { requestId } } = await initiate(started, '+15551234093')
  const begunAt = performance.now()
  const impatient = new AbortController()
  const hungUp = fetch(`${started.simulators.url}/auth/v1/verify/otp`, {
    method: 'POST', headers: { ...json, ...credentials(started) },
    body: JSON.stringify({ requestId, otp: '234093' }), signal: impatient.signal,
  }).catch(() => 'hung up')
  await until(() => started.simulators.requests.at(-1)?.path === '/auth/v1/verify/otp')
  impatient.abort()
  t.equal(await hungUp, 'hung up')
  t.equal((await verify(started, requestId, '234093')).status, 200)
  t.ok(performance.now() - begunAt >= 115)
  refused(t, await verify(started, requestId, '234093'), 400, '7115')
})

t.test('other outcomes of 96, 98 and 99', async t => {
  const started = await start(t)
  refused(t, await initiate(started, '+15551281196'), 429, '7020')
  const rejected = await initiate(started, '+15551282196')
  t.equal(rejected.status, 401)
  t.strictSame(Object.keys(rejected.json), ['message', 'description'])
  const hanging = new AbortController()
  const unanswered = fetch(`${started.simulators.url}/auth/v1/initiate/otp`, {
    method: 'POST', signal: hanging.signal, headers: { ...json, ...credentials(started) },
    body: JSON.stringify({ phoneNumber: '+15551283196', channels: ['SMS'] }),
  }).then(({ status }) => status, () => 'none')
  await until(() => started.simulators.requests.length === 3)
  const { json: { requestId: expired } } = await initiate(started, '+15551282199')
  refused(t, await verify(started, expired, '282199'), 400, '7303')
  hanging.abort()
  t.equal(await unanswered, 'none')

  const unusual = await initiate(started, '+15551281198')
  const { requestId } = unusual.json
  t.strictSame(unusual.json, { requestId, message: null, errorCode: null })
  refused(t, await verify(started, requestId, '000000'), 200, '7118', 'an error inside a 200')
  const verified = await verify(started, requestId, '281198')
  t.strictSame(verified.json, { requestId: null, isOTPVerified: true, message: null, errorCode: null })
})

t.test('a limit to another provider leaves the number to this one', async t => {
  const started = await start(t)
  const { json: { requestId } } = await initiate(started, '+15551230391')
  t.equal((await verify(started, requestId, '230391')).status, 200)
  refused(t, await initiate(started, '+15551230491'), 400, '7103')
})
