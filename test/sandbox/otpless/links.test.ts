import t, { type Test } from 'tap'
import { ask, start } from '../receiver.ts'
import { get, itemsOf, post, refused, statusOf, verifyCode, type Started } from './client.ts'

const redirectURI = 'https://shop.example/back?own=1'
const number = '+919999999900'
const form = { 'content-type': 'application/x-www-form-urlencoded' }

const initiate = (started: Started, kind: 'magiclink' | 'otplink', phoneNumber = number, more: object = {}) =>
  post(started, `/auth/v1/initiate/${kind}`, { phoneNumber, channels: ['SMS'], redirectURI, ...more })
const oauth = (started: Started, more: object = {}) =>
  post(started, '/auth/v1/initiate/oauth', { channel: 'WHATSAPP', redirectURI, ...more })

/** The link in the latest message to the number. */
const linkTo = async (started: Started, phoneNumber: string): Promise<string> =>
  String((await itemsOf(started, phoneNumber)).at(-1)?.['url'])

/** The person presses the button of the page. */
const press = (url: string, fields: Record<string, string> = {}) =>
  ask(url, 'POST', form, new URLSearchParams(fields).toString())
const codeIn = ({ headers }: { headers: Headers }): string =>
  new URL(headers.get('location') ?? '', 'https://nowhere.example').searchParams.get('code') ?? ''

/** A code of a new link to the number, and the request id. */
async function codeOf (started: Started, phoneNumber: string) {
  const { json: { requestId } } = await initiate(started, 'magiclink', phoneNumber)
  return { requestId, code: codeIn(await press(await linkTo(started, phoneNumber))) }
}

t.test('a magic link: the page consumes nothing, its form leads back with a code', async t => {
  const started = await start(t)
  const answer = await initiate(started, 'magiclink', number, { expiry: 60, metadata: { a: 'b' } })
  t.equal(answer.status, 200)
  t.strictSame(Object.keys(answer.json), ['requestId'])
  const { requestId } = answer.json
  const [item] = await itemsOf(started, number)
  t.match(item, { kind: 'message', provider: 'otpless', title: 'SMS', choices: [] })
  const url = String(item?.['url'])
  t.ok(url.startsWith(`${started.simulators.url}/otpless.me/`))
  t.match(item?.['text'], url)
  for (const method of ['HEAD', 'GET', 'GET', 'HEAD']) {
    const page = await ask(url, method)
    t.equal(page.status, 200, method)
    t.match(page.type, /^text\/html/)
    t.notMatch(page.text, /<script|code=|9999999900/)
    if (method === 'GET') t.match(page.text, /<form method="post">.*<button/)
  }
  t.match((await statusOf(started, requestId)).json, { status: 'PENDING' })

  const back = await press(url)
  t.equal(back.status, 303)
  const location = new URL(back.headers.get('location') ?? '')
  t.equal(`${location.origin}${location.pathname}`, 'https://shop.example/back')
  t.equal(location.searchParams.get('own'), '1')
  for (const method of ['HEAD', 'GET', 'POST']) t.equal((await ask(url, method)).status, 410, `${method} after the use`)

  const before = Date.now()
  const verified = await verifyCode(started, codeIn(back))
  t.equal(verified.status, 200)
  t.match(verified.json, {
    requestId, message: 'Code verified successfully', userDetails: {
      token: String, status: 'SUCCESS', completedAt: Number, network: { ip: String }, deviceInfo: { platform: String },
      identities: [{
        identityType: 'MOBILE', identityValue: '919999999900', channel: 'MAGIC_LINK', methods: ['SMS'], verified: true,
        verifiedTimestamp: Number,
      }],
    },
  })
  const { completedAt } = verified.json['userDetails'] as { completedAt: number }
  t.ok(Math.abs(completedAt - before) < 60_000, 'milliseconds')
  refused(t, await verifyCode(started, codeIn(back)), 400, '7302', 'a code works once')
  t.match((await statusOf(started, requestId)).json, { status: 'SUCCESS', identities: [{ channel: 'MAGIC_LINK' }] })
})

t.test('an app\'s own scheme, a link by e-mail, and the answer No', async t => {
  const started = await start(t)
  await initiate(started, 'magiclink', number, { redirectURI: 'com.example.app://back' })
  t.match((await press(await linkTo(started, number))).headers.get('location'), /^com\.example\.app:\/\/back\?code=/)

  const mail = await post(
    started, '/auth/v1/initiate/magiclink', { email: 'ada@example.com', channels: ['EMAIL'], redirectURI },
  )
  const { json: { url } } = await get(started, `/control/otpless/messages?requestId=${String(mail.json['requestId'])}`)
  const { json: { userDetails } } = await verifyCode(started, codeIn(await press(String(url))))
  t.match(userDetails, {
    identities: [{ identityType: 'EMAIL', identityValue: 'ada@example.com', methods: ['EMAIL'], verified: true }],
  })
  t.equal((await get(started, '/control/otpless/messages?requestId=x')).status, 404)

  const { json: { requestId } } = await initiate(started, 'magiclink')
  const no = await press(await linkTo(started, number), { choice: 'decline' })
  t.strictSame([no.status, no.headers.get('location')], [200, null])
  t.strictSame((await statusOf(started, requestId)).json, {
    status: 'DECLINE', message: 'Authentication failed. User declined the authentication.',
  })
})

t.test('an OTP link: the code in the message works as well', async t => {
  const started = await start(t)
  const { json: { requestId } } = await initiate(started, 'otplink', number, { otpLength: 4 })
  const [item] = await itemsOf(started, number)
  t.match(item, { code: '9900', url: String })
  refused(t, await post(started, '/auth/v1/verify/otp', { requestId, otp: '0000' }), 400, '7118')
  const verified = await post(started, '/auth/v1/verify/otp', { requestId, otp: '9900' })
  t.match(verified.json, { isOTPVerified: true })
  t.equal((await press(String(item?.['url']))).status, 410)

  await initiate(started, 'otplink')
  const { json: { userDetails } } = await verifyCode(started, codeIn(await press(await linkTo(started, number))))
  t.match(userDetails, { identities: [{ channel: 'OTP_LINK' }] })
})

t.test('OAuth: the person says which account it is', async t => {
  const started = await start(t)
  const link = async (more: object = {}) => {
    const { status, json } = await oauth(started, more)
    t.equal(status, 200)
    t.strictSame(Object.keys(json), ['requestId', 'link'])
    return { requestId: json['requestId'], url: String(json['link']) }
  }
  const { url } = await link()
  t.match((await ask(url, 'GET')).text, /<input name="phoneNumber"/)
  t.equal((await press(url)).status, 400, 'without an account')
  t.equal((await press(url, { phoneNumber: '' })).status, 400)
  const verified = await verifyCode(started, codeIn(await press(url, { phoneNumber: '+91 99999 99900' })))
  t.match(verified.json['userDetails'], {
    identities: [{ identityType: 'MOBILE', identityValue: '919999999900', channel: 'OAUTH', methods: ['WHATSAPP'] }],
  })
  for (const [fields, identity] of [
    [{ email: 'ada@example.com' }, { identityType: 'EMAIL', identityValue: 'ada@example.com' }],
    [{ phoneNumber: '+919999999991' }, { identityType: 'EMAIL' }],
    [{ phoneNumber: '+919999999901' }, { identityType: 'MOBILE', identityValue: '919999999902' }],
  ] as const) {
    const answer = await verifyCode(started, codeIn(await press((await link({ channel: 'GOOGLE' })).url, fields)))
    t.match(answer.json, { userDetails: { identities: [{ ...identity, methods: ['GOOGLE'] }] } })
  }

  const caller = await link({ channel: 'TRUE_CALLER' })
  const end = await press(caller.url, { phoneNumber: number })
  t.strictSame([end.status, end.headers.get('location')], [200, null], 'Truecaller has no code')
  t.match((await statusOf(started, caller.requestId)).json, {
    status: 'SUCCESS', identities: [{ channel: 'OAUTH', methods: ['TRUE_CALLER'] }],
  })
  for (const [phoneNumber, status] of [['+919999999999', 500], ['+919999999998', 200]] as const) {
    const { requestId, url: broken } = await link({ channel: 'TRUE_CALLER' })
    await press(broken, { phoneNumber })
    const answer = await statusOf(started, requestId)
    t.strictSame([answer.status, 'identities' in answer.json], [status, false], phoneNumber)
  }
  for (const fields of [{ phoneNumber: '+919999999990' }, { choice: 'decline' }]) {
    const refusing = await link()
    t.equal((await press(refusing.url, fields)).headers.get('location'), null)
    t.match((await statusOf(started, refusing.requestId)).json, { status: 'DECLINE' })
  }
})

t.test('each member that strays has its code', async t => {
  const started = await start(t)
  const cases: [object, string][] = [
    [{ phoneNumber: '919999999900' }, '7102'], [{ phoneNumber: undefined }, '7106'],
    [{ email: 'ada@example.com' }, '7106'], [{ phoneNumber: undefined, email: 'ada' }, '7104'],
    [{ phoneNumber: undefined, email: 'ada@example.com' }, '7105'], [{ channels: ['VOICE_CALL'] }, '7103'],
    [{ channels: [] }, '7103'], [{ redirectURI: undefined }, '7108'], [{ redirectURI: 'nowhere' }, '7108'],
    [{ expiry: 29 }, '7113'], [{ metadata: { a: 1 } }, '7101'], [{ other: 1 }, '7101'],
  ]
  for (const [more, code] of cases) {
    refused(t, await initiate(started, 'magiclink', number, more), 400, code, JSON.stringify(more))
    refused(t, await initiate(started, 'otplink', number, more), 400, code, JSON.stringify(more))
  }
  refused(t, await initiate(started, 'magiclink', number, { otpLength: 6 }), 400, '7101')
  refused(t, await initiate(started, 'otplink', number, { otpLength: 5 }), 400, '7116')
  for (const [more, code] of [
    [{ channel: undefined }, '7103'], [{ channel: 'SMS' }, '7103'], [{ channel: ['WHATSAPP'] }, '7103'],
    [{ redirectURI: undefined }, '7108'], [{ phoneNumber: number }, '7101'],
  ] as const) refused(t, await oauth(started, more), 400, code, JSON.stringify(more))
  for (const code of ['unknown', '', undefined, 5]) refused(t, await verifyCode(started, code), 400, '7114')
  refused(t, await post(started, '/auth/v1/verify/code', { code: 'x', requestId: 'y' }), 400, '7101')
})

t.test('scenarios of the start', async t => {
  const started = await start(t)
  for (const kind of ['magiclink', 'otplink'] as const) {
    refused(t, await initiate(started, kind, '+919999999991'), 400, '7103')
    for (const suffix of ['96', '99']) {
      t.equal((await initiate(started, kind, `+9199999999${suffix}`)).status, 500)
    }
    t.match((await initiate(started, kind, '+919999999998')).type, /^text\/html/)
    refused(t, await initiate(started, kind, '+919998881196'), 429, '7020')
    t.equal((await initiate(started, kind, '+919998882196')).status, 401)
    t.equal((await initiate(started, kind, '+919999999992')).status, 200)
    t.strictSame(await itemsOf(started, '+919999999992'), [], 'nothing arrives')
  }
})

t.test('scenarios of the code', async t => {
  let now = Date.now()
  const started = await start(t, { now: () => now, slowMs: 120 })
  const answers = async (phoneNumber: string) => verifyCode(started, (await codeOf(started, phoneNumber)).code)
  t.match((await answers('+919999999901')).json, { userDetails: { identities: [{ identityValue: '919999999902' }] } })
  refused(t, await answers('+919998882199'), 400, '7302')
  const unusual = await codeOf(started, '+919998881198')
  t.match((await verifyCode(started, unusual.code)).json, {
    requestId: unusual.requestId, message: null, userDetails: {
      token: null, identities: [null, { identityValue: 919998881198, verifiedTimestamp: String }],
    },
  })
  const flaky = await codeOf(started, '+919999999997')
  for (const status of [500, 500, 200]) t.equal((await verifyCode(started, flaky.code)).status, status)
  const slow = await codeOf(started, '+919999999993')
  const askedAt = performance.now()
  t.equal((await verifyCode(started, slow.code)).status, 200)
  t.ok(performance.now() - askedAt >= 115)
  const early = await codeOf(started, '+919999999995')
  t.ok(started.gateway.received.some(({ text }) => text.includes('SUCCESS')), 'SUCCESS is there before the redirect')
  t.equal((await verifyCode(started, early.code)).status, 200)

  // An OAuth link learns the number only when the person signs in.
  for (const [phoneNumber, status, errorCode] of [
    ['+919999999999', 500, undefined], ['+919998881199', 400, '7114'], ['+919998882199', 400, '7302'],
  ] as const) {
    const { json: { link } } = await oauth(started)
    const answer = await verifyCode(started, codeIn(await press(String(link), { phoneNumber })))
    t.strictSame([answer.status, answer.json['errorCode']], [status, errorCode])
  }
  const { json: { link } } = await oauth(started)
  const malformed = await verifyCode(started, codeIn(await press(String(link), { phoneNumber: '+919999999998' })))
  t.strictSame([malformed.status, 'userDetails' in malformed.json], [200, false])
  const { requestId } = await refuse(t, started)
  t.match((await statusOf(started, requestId)).json, { status: 'DECLINE' })

  const old = await codeOf(started, '+919999999904')
  now += 300_000
  refused(t, await verifyCode(started, old.code), 400, '7302', 'five minutes')
  const { json: { requestId: expired } } = await initiate(started, 'magiclink', number, { expiry: 60 })
  const url = await linkTo(started, number)
  now += 60_000
  t.equal((await press(url)).status, 410)
  refused(t, await statusOf(started, expired), 400, '7172')
})

/** With the suffix 90, who presses the button refuses. */
async function refuse (t: Test, started: Started) {
  const { json: { requestId } } = await initiate(started, 'magiclink', '+919999999990')
  const page = await press(await linkTo(started, '+919999999990'))
  t.strictSame([page.status, page.headers.get('location')], [200, null])
  return { requestId }
}
