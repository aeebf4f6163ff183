import t, { type Test } from 'tap'
import { twilio } from '../../src/sandbox/twilio/index.ts'
import { startGateway, type Answer, type TestGateway } from '../helpers/gateway.ts'
import { itemsOf, numberEnding, post } from './end-user.ts'

// The provider; the API of Twilio Verify that the gateway itself serves is in twilio-client.test.ts.

const codes = ['twilio.sms', 'twilio.whatsapp', 'twilio.call']
const silent = 'twilio.sna'
const withoutToken = { method: silent, options: { clientToken: false } }

let serial = 70
/** A number of its own with the digits that choose another outcome of the suffix. */
const variantNumber = (digits: string, suffix: string): string => `+1415${serial += 1}${digits}1${suffix}`

/** A gateway whose clock runs ahead of the machine's by `aheadMs`. */
async function start (t: Test) {
  const clock = { aheadMs: 0 }
  const now = () => Date.now() + clock.aheadMs
  return { clock, ...await startGateway(t, { now, simulatorOptions: { simulators: [twilio], silenceMs: 100 } }) }
}
type Started = Awaited<ReturnType<typeof start>>

async function begin ({ shop }: Pick<TestGateway, 'shop'>, phoneNumber: string, ...workflow: unknown[]) {
  const { status, body } = await shop.create({ phoneNumber, workflow })
  if (status !== 201) throw new Error(`create answered ${status}`)
  const path = `/verifications/${body['id']}`
  return {
    body, path,
    check: (evidence: object): Promise<Answer> => shop.call('POST', `${path}/check`, evidence),
    end: () => shop.waitFor(String(body['id'])),
  }
}

/** The phone opens the URL of a verification over mobile data: the token that it received. */
async function visit ({ simulators }: Pick<TestGateway, 'simulators'>, { nextAction }: Answer['body']) {
  const { body } = await post(`${simulators.url}/handset/cellular`, { url: nextAction.url })
  return body['code']
}

const calls = ({ simulators }: Pick<TestGateway, 'simulators'>, path: RegExp): number =>
  simulators.requests.filter(request => request.method === 'POST' && path.test(request.path)).length

t.test('Twilio as a provider', async t => {
  const started = await start(t)
  await t.test('a code by each channel', t => testCodes(t, started))
  await t.test('five wrong codes, and a verification afterwards', t => testExhausted(t, started))
  await t.test('a silent check', t => testSilent(t, started))
  await t.test('from a silent check to a code', t => testFallback(t, started))
  await t.test('why nothing can be sent', t => testRefused(t, started))
  await t.test('a failure of Twilio costs no user a code', t => testFlaky(t, started))
  await t.test('cancel ends the verification at Twilio', t => testCancel(t, started))
  // The last one: afterwards the clock is ahead of everything that is due.
  await t.test('resend', t => testResend(t, started))
})

async function testCodes (t: Test, started: Started) {
  for (const method of codes) {
    const phoneNumber = numberEnding('02')
    const one = await begin(started, phoneNumber, method)
    t.hasStrict(one.body['nextAction'], { type: 'submitCode', length: 6, attemptsRemaining: 5 })
    const [message] = await itemsOf(started.simulators, phoneNumber)
    t.match(message, { code: phoneNumber.slice(-6) }, method)
    const wrong = await one.check({ code: '000 000' })
    t.hasStrict(wrong, { status: 422, body: { code: 'code_incorrect', attemptsRemaining: 4 } })
    t.hasStrict((await one.check({ code: message?.code })).body, {
      status: 'verified', result: {
        phoneNumber, method, assurance: { level: 2, possession: 'message', binding: 'session', restricted: true },
      },
    }, method)
  }
}

async function testExhausted (t: Test, started: Started) {
  const phoneNumber = numberEnding('02')
  const one = await begin(started, phoneNumber, 'twilio.sms')
  for (let left = 4; left >= 0; left -= 1) {
    t.hasStrict(await one.check({ code: '000000' }), { status: 422, body: { attemptsRemaining: left } })
  }
  t.hasStrict(await one.end(), { status: 'failed', reason: 'code_attempts_exhausted' })
  const again = await begin(started, phoneNumber, 'twilio.sms')
  const right = await again.check({ code: phoneNumber.slice(-6) })
  t.hasStrict(right.body, { status: 'verified' }, 'with tries of its own')
}

async function testResend (t: Test, started: Started) {
  const phoneNumber = numberEnding('02')
  const one = await begin(started, phoneNumber, 'twilio.sms')
  const resend = () => started.shop.call('POST', `${one.path}/resend`)
  t.hasStrict(await resend(), { status: 429 })
  started.clock.aheadMs += 30_000
  t.hasStrict(await resend(), { status: 200, body: { nextAction: { type: 'submitCode' } } })
  const messages = await itemsOf(started.simulators, phoneNumber)
  t.equal(messages.length, 2)
  t.hasStrict((await one.check({ code: messages[0]?.code })).body, { status: 'verified' }, 'the same code')
}

async function testSilent (t: Test, started: Started) {
  const phoneNumber = numberEnding('02')
  const one = await begin(started, phoneNumber, silent)
  t.hasStrict(one.body['nextAction'], { type: 'openUrlOnCellular', finish: 'code' })
  const token = await visit(started, one.body)
  t.hasStrict(await one.check({ code: token }), {
    status: 200, body: { status: 'verified', result: {
      phoneNumber, assurance: { level: 3, possession: 'sim', binding: 'session' },
    } },
  })

  const open = await begin(started, numberEnding('04'), withoutToken)
  t.hasStrict(open.body['nextAction'], { finish: 'none' })
  await visit(started, open.body)
  t.hasStrict((await open.check({})).body, { status: 'verified', result: { assurance: { level: 1, binding: 'none' } } })

  // A front end that submits nothing first, and the token afterwards.
  const early = await begin(started, numberEnding('08'), silent)
  t.hasStrict(await early.check({}), { status: 202, body: { status: 'pending' } })
  t.hasStrict((await early.check({ code: await visit(started, early.body) })).body, { status: 'verified' })

  // An attacker made the URL, and the victim's phone opened it.
  const relayed = await begin(started, numberEnding('06'), silent)
  await visit(started, relayed.body)
  t.hasStrict((await relayed.check({ code: 'guessed' })).body, {
    status: 'failed', reason: 'evidence_invalid', verified: false,
  })

  for (const [number, reason] of [
    [numberEnding('01'), 'number_mismatch'], [variantNumber('81', '91'), 'not_on_cellular'],
  ] as const) {
    const failing = await begin(started, number, withoutToken)
    await visit(started, failing.body)
    t.hasStrict((await failing.check({})).body, { status: 'failed', reason })
  }
}

async function testFallback (t: Test, started: Started) {
  for (const phoneNumber of [variantNumber('81', '91'), numberEnding('99')]) {
    const isOnWifi = phoneNumber.endsWith('91')
    const one = await begin(started, phoneNumber, withoutToken, 'twilio.whatsapp')
    await visit(started, one.body)
    const { body } = await one.check({})
    const reason = isOnWifi ? 'not_on_cellular' : 'provider_error'
    t.hasStrict(body['attempts'][0], { method: silent, status: 'failed', reason })
    if (!isOnWifi) continue
    t.hasStrict(body, { status: 'pending', nextAction: { type: 'submitCode' } })
    t.hasStrict((await one.check({ code: phoneNumber.slice(-6) })).body, {
      status: 'verified', result: { method: 'twilio.whatsapp' },
    })
  }
  // The front end gives up the silent check; its end at Twilio does not end the code that follows.
  const phoneNumber = numberEnding('02')
  const one = await begin(started, phoneNumber, silent, 'twilio.sms')
  t.hasStrict(await started.shop.call('POST', `${one.path}/next`, { reason: 'not_on_cellular' }), { status: 200 })
  t.hasStrict((await one.check({ code: phoneNumber.slice(-6) })).body, { status: 'verified' })
}

async function testRefused (t: Test, started: Started) {
  for (const method of [...codes, silent]) {
    const one = await begin(started, numberEnding('91'), method)
    t.hasStrict(await one.end(), { status: 'failed', reason: 'carrier_unsupported' }, method)
  }
  const one = await begin(started, variantNumber('82', '96'), 'twilio.sms')
  t.hasStrict(await one.end(), { attempts: [{ reason: 'provider_misconfigured' }] })
}

async function testFlaky (t: Test, started: Started) {
  const phoneNumber = numberEnding('97')
  const one = await begin(started, phoneNumber, 'twilio.sms')
  await one.check({ code: phoneNumber.slice(-6) })
  t.hasStrict(await one.end(), { status: 'verified' })
}

async function testCancel (t: Test, started: Started) {
  const { body, path } = await begin(started, numberEnding('02'), 'twilio.sms')
  const before = calls(started, /\/Verifications\/VE/)
  t.hasStrict(await started.shop.call('POST', `${path}/cancel`), { status: 200, body: { status: 'canceled' } })
  t.equal(calls(started, /\/Verifications\/VE/) - before, 1)
  t.notMatch(started.logs.join(''), new RegExp(String(body['phoneNumber']).slice(1)))
}
