import t, { type Test } from 'tap'
import { request } from 'undici'
import { until } from '../helpers/redis.ts'
import { startGateway, type TestGateway } from '../helpers/gateway.ts'
import { act, numberEnding, post, pressAt, walk } from './end-user.ts'

/** The methods of OTPLESS in which a person does something outside of the front end. */

const returnUrl = 'https://shop.example/verified'
type Item = { id: string, kind: string, text: string, code?: string, url?: string, choices: { id: string }[] }

/** What the phone shows of OTPLESS, once something has arrived. */
async function itemsOn ({ simulators }: TestGateway, phoneNumber: string): Promise<Item[]> {
  let items: Item[] = []
  await until(async () => {
    const { body } = await request(`${simulators.url}/handset/items?phoneNumber=${encodeURIComponent(phoneNumber)}`)
    const read = await body.json() as { data: (Item & { provider: string })[] }
    items = read.data.filter(({ provider }) => provider === 'otpless')
    return items.length > 0
  }, 'something arrives on the phone')
  return items
}

async function choose ({ simulators }: TestGateway, { id }: Item, choice: string): Promise<void> {
  const { body } = await request(`${simulators.url}/handset/items/${id}`, {
    method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ choice }),
  })
  await body.dump()
}

const beManual = async ({ simulators }: TestGateway, phoneNumber: string): Promise<void> => {
  const { body } = await request(`${simulators.url}/handset/mode`, {
    method: 'PUT', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ phoneNumber, manual: true }),
  })
  await body.dump()
}

t.test('a person signs in with OTPLESS', async t => {
  const gateway = await startGateway(t)
  await t.test('by a magic link', t => testMagicLink(t, gateway))
  await t.test('by a link or a code', t => testOtpLink(t, gateway))
  await t.test('with WhatsApp or Truecaller', t => testOauth(t, gateway))
  await t.test('by approving a call', t => testCall(t, gateway))
  await t.test('silently', t => testSilent(t, gateway))
  await t.test('by the code of another request, not', t => testOtherCode(t, gateway))
  await t.test('by the first of two links', t => testResend(t))
  await t.test('by an ID token, once', t => testIdToken(t, gateway))
  await t.test('by the next method, where this one is not possible', t => testFallback(t, gateway))
})

async function testMagicLink (t: Test, gateway: TestGateway) {
  const { shop, simulators } = gateway
  const phoneNumber = numberEnding('02')
  const created = await shop.create({ phoneNumber, workflow: ['otpless.magic_link'], returnUrl })
  t.match(created.body, { status: 'pending', nextAction: { type: 'openMessageLink', channels: ['SMS'] } })
  const { id } = created.body
  const [message] = await itemsOn(gateway, phoneNumber)
  const link = message?.url ?? ''
  for (const method of ['GET', 'HEAD', 'GET'] as const) await (await request(link, { method })).body.dump()
  const returned = await pressAt(link)
  t.equal(returned?.verification, id)
  const exchanges = () => simulators.requests.filter(({ path }) => path === '/auth/v1/verify/code').length
  t.equal(exchanges(), 0, 'neither a scanner nor the redirect uses up the code')
  t.match(await shop.waitFor(id, ({ attempts }) => attempts[0].delivery !== null), {
    status: 'pending', attempts: [{ delivery: { status: /delivered|read/, channel: 'sms' } }],
  }, 'and no webhook verifies it')
  const code = returned?.code

  const other = await shop.create({ phoneNumber: numberEnding('04'), workflow: ['otpless.magic_link'], returnUrl })
  const verified = await shop.call('POST', `/verifications/${id}/check`, { code })
  t.match(verified, { status: 200, body: {
    status: 'verified', result: {
      phoneNumber, method: 'otpless.magic_link', assurance: { level: 2, possession: 'message', binding: 'session' },
    },
  } })
  const stolen = await shop.call('POST', `/verifications/${other.body['id']}/check`, { code })
  t.match(stolen, { status: 409 }, 'the code is good for one verification')
  t.match(await shop.create({ phoneNumber: numberEnding('06'), workflow: ['otpless.magic_link'] }), { status: 422 })
}

async function testOtpLink (t: Test, gateway: TestGateway) {
  const { shop } = gateway
  const start = async (suffix: string) => {
    const phoneNumber = numberEnding(suffix)
    const workflow = [{ method: 'otpless.otp_link', options: { channels: ['WHATSAPP'] } }]
    const { body: { id } } = await shop.create({ phoneNumber, workflow, returnUrl })
    const [message] = await itemsOn(gateway, phoneNumber)
    return { message, check: (code?: string) => shop.call('POST', `/verifications/${id}/check`, { code }) }
  }
  const typed = await start('08')
  t.match(await typed.check('000000'), { status: 422, body: { code: 'code_incorrect', attemptsRemaining: 4 } })
  t.match(await typed.check(` ${typed.message?.code?.replace(/^.../, '$&-')} `), { body: { status: 'verified' } })
  const opened = await start('10')
  const returned = await pressAt(opened.message?.url ?? '')
  t.match(
    await opened.check(returned?.code), { body: { status: 'verified', result: { assurance: { restricted: false } } } },
  )
}

async function testOauth (t: Test, gateway: TestGateway) {
  const { shop } = gateway
  const start = async (channel: string) => {
    const workflow = [{ method: 'otpless.oauth', options: { channel } }]
    const { body } = await shop.create({ workflow, returnUrl })
    t.match(body, { status: 'pending', phoneNumber: null, nextAction: { type: 'openUrl' } }, channel)
    return body
  }
  const whatsApp = await start('WHATSAPP')
  const code = (await pressAt(whatsApp['nextAction'].url, { phoneNumber: '+14155570102' }))?.code
  const checked = await shop.call('POST', `/verifications/${whatsApp['id']}/check`, { code })
  t.match(checked.body, { status: 'verified', phoneNumber: '+14155570102', result: { assurance: { level: 2 } } })

  const truecaller = await start('TRUE_CALLER')
  await pressAt(truecaller['nextAction'].url, { phoneNumber: '+14155570104' })
  t.match(await shop.waitFor(truecaller['id']), {
    status: 'verified', phoneNumber: '+14155570104', result: { assurance: { level: 1, binding: 'none' } },
  }, 'without the front end')

  const google = await start('GOOGLE')
  const email = (await pressAt(google['nextAction'].url, { email: 'someone@example.com' }))?.code
  const denied = await shop.call('POST', `/verifications/${google['id']}/check`, { code: email })
  t.match(denied.body, { status: 'failed', reason: 'evidence_invalid' }, 'an e-mail address is no number')
}

async function testCall (t: Test, gateway: TestGateway) {
  const { shop } = gateway
  const outcomes = { approve: { status: 'verified' }, decline: { status: 'failed', reason: 'user_rejected' } }
  for (const [choice, outcome] of Object.entries(outcomes)) {
    const phoneNumber = numberEnding('12')
    await beManual(gateway, phoneNumber)
    const { body } = await shop.create({ phoneNumber, workflow: ['otpless.voice_approval'] })
    t.match(body['nextAction'], { type: 'answerCall' })
    const [call] = await itemsOn(gateway, phoneNumber)
    if (call !== undefined) await choose(gateway, call, choice)
    t.match(await shop.waitFor(body['id']), outcome, choice)
  }
}

async function testSilent (t: Test, { shop }: TestGateway) {
  const outcomes: [suffix: string, outcome: object][] = [
    ['14', { status: 'verified', result: { assurance: { level: 1, possession: 'sim' } } }],
    ['01', { status: 'failed', reason: 'number_mismatch' }],
  ]
  for (const [suffix, outcome] of outcomes) {
    const { body } = await shop.create({ phoneNumber: numberEnding(suffix), workflow: ['otpless.sna'] })
    t.match(body['nextAction'], { type: 'openUrlOnCellular', finish: 'none' })
    await walk(body['nextAction'].url)
    t.match(await shop.waitFor(body['id']), outcome, suffix)
  }
}

async function testOtherCode (t: Test, gateway: TestGateway) {
  const { shop } = gateway
  const [own, other] = await Promise.all([numberEnding('16'), numberEnding('18')].map(async phoneNumber => {
    const { body } = await shop.create({ phoneNumber, workflow: ['otpless.magic_link'], returnUrl })
    const [message] = await itemsOn(gateway, phoneNumber)
    return { id: body['id'], link: message?.url ?? '' }
  }))
  const code = (await pressAt(other?.link ?? ''))?.code
  t.match(code, /^\w{8,}$/)
  await pressAt(own?.link ?? '')
  t.match((await shop.call('POST', `/verifications/${own?.id}/check`, { code })).body, {
    verified: false, attempts: [{ status: 'failed', reason: 'evidence_invalid' }],
  })
}

async function testResend (t: Test) {
  let aheadMs = 0
  const gateway = await startGateway(t, { now: () => Date.now() + aheadMs })
  const { shop } = gateway
  const phoneNumber = numberEnding('02')
  const { body: { id } } = await shop.create({ phoneNumber, workflow: ['otpless.magic_link'], returnUrl })
  aheadMs += 30_000
  t.equal((await shop.call('POST', `/verifications/${id}/resend`)).status, 200)
  const messages = await itemsOn(gateway, phoneNumber)
  t.equal(messages.length, 2)
  const returned = await pressAt(messages[0]?.url ?? '')
  t.equal(returned?.verification, id)
  t.match((await shop.call('POST', `/verifications/${id}/check`, { code: returned?.code })).body, { verified: true })
}

async function testIdToken (t: Test, { shop, simulators }: TestGateway) {
  const phoneNumber = numberEnding('02')
  const { body: { token, idToken } } = await post(`${simulators.url}/handset/otpless/token`, { phoneNumber })
  const start = async () => {
    const { body: { id } } = await shop.create({ phoneNumber, workflow: ['otpless.token'] })
    return (evidence: unknown) => shop.call('POST', `/verifications/${id}/check`, { token: evidence })
  }
  const first = await start()
  t.match((await first(idToken)).body, { status: 'verified', result: { method: 'otpless.token', phoneNumber } })
  const second = await start()
  for (const used of [idToken, token]) {
    t.match(await second(used), { status: 409, body: { verificationStatus: 'pending' } })
  }
}

async function testFallback (t: Test, { shop, simulators }: TestGateway) {
  for (const [first, phoneNumber, reason] of [
    ['otpless.sna', '+14155550491', 'carrier_unsupported'],
    ['otpless.magic_link', '+14155551491', 'carrier_unsupported'],
    ['otpless.voice_approval', '+14155552491', 'carrier_unsupported'],
    ['otpless.sna', '+14155581491', 'not_on_cellular'], ['otpless.sna', '+14155582491', 'not_on_cellular'],
  ] as const) {
    const { status, body } = await shop.create({ phoneNumber, workflow: [first, 'truecaller.push'], returnUrl })
    t.equal(status, 201)
    if (body['attempts'].length === 1) await act(shop, simulators, body, phoneNumber)
    t.match(await shop.waitFor(body['id']), {
      status: 'verified', attempts: [{ method: first, status: 'failed', reason }, { method: 'truecaller.push' }],
    }, `${first} ${phoneNumber}`)
  }
}
