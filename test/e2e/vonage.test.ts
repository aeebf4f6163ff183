import t, { type Test } from 'tap'
import { request } from 'undici'
import { otpless } from '../../src/sandbox/otpless/index.ts'
import { vonage } from '../../src/sandbox/vonage/index.ts'
import { startGateway, type Answer } from '../helpers/gateway.ts'
import { itemsOf, numberEnding, post } from './end-user.ts'

const silent = 'vonage.silent_auth'
const returnUrl = 'https://shop.example/verified'

let serial = 40
/** A number of its own with the digits that choose another outcome of the suffix; the 5 limits it to Vonage. */
const variantNumber = (digits: string, suffix: string): string => `+1415${serial += 1}${digits}5${suffix}`

/** A gateway whose clock runs ahead of the machine's by `aheadMs`. */
async function start (t: Test) {
  const clock = { aheadMs: 0 }
  const now = () => Date.now() + clock.aheadMs
  const simulators = [vonage, otpless]
  return { clock, ...await startGateway(t, { now, simulatorOptions: { simulators, silenceMs: 100, now } }) }
}
type Started = Awaited<ReturnType<typeof start>>

async function begin ({ shop }: Started, phoneNumber: string, workflow: string[], more: object = {}) {
  const { status, body } = await shop.create({ phoneNumber, workflow, ...more })
  if (status !== 201) throw new Error(`create answered ${status}`)
  const path = `/verifications/${body['id']}`
  const call = (verb: string, sent: object = {}): Promise<Answer> => shop.call('POST', `${path}/${verb}`, sent)
  return {
    body, id: String(body['id']), check: (evidence: object) => call('check', evidence),
    next: (reason: string) => call('next', { reason }), resend: () => call('resend'), cancel: () => call('cancel'),
    end: () => shop.waitFor(String(body['id'])),
    read: async () => (await shop.call('GET', path)).body,
    /** The state once it is about the next method. */
    moved: async () => (await shop.call('GET', `${path}?wait=20&revision=${body['revision']}`)).body,
  }
}

/** The phone opens the URL of a verification over mobile data: where that ended. */
const visit = async ({ simulators }: Started, { nextAction }: Answer['body']) =>
  (await post(`${simulators.url}/handset/cellular`, { url: nextAction.url })).body

const callsOf = ({ simulators }: Started, method: string): number =>
  simulators.requests.filter(({ method: one, path }) => one === method && path.startsWith('/v2/verify')).length

t.test('Vonage', async t => {
  const started = await start(t)
  await t.test('a code by each channel', t => testCodes(t, started))
  await t.test('three wrong codes', t => testExhausted(t, started))
  await t.test('a silent check, in an app and in a page', t => testSilent(t, started))
  await t.test('a silent check that proves nothing', t => testUnproven(t, started))
  await t.test('why nothing is started', t => testRefused(t, started))
  await t.test('a webhook that Vonage did not send', t => testForged(t, started))
  // The last ones: afterwards the clock is ahead of what is due.
  await t.test('one request for a number', t => testConcurrent(t, started))
  await t.test('resend', t => testResend(t, started))
})

async function testCodes (t: Test, started: Started) {
  for (const [method, isRestricted] of [
    ['vonage.sms', true], ['vonage.whatsapp', false], ['vonage.voice', true],
  ] as const) {
    const phoneNumber = numberEnding('02')
    const one = await begin(started, phoneNumber, [method])
    t.hasStrict(one.body['nextAction'], { type: 'submitCode', length: 6, attemptsRemaining: 3 })
    const [message] = await itemsOf(started.simulators, phoneNumber)
    const wrong = await one.check({ code: '000 000' })
    t.hasStrict(wrong, { status: 422, body: { code: 'code_incorrect', attemptsRemaining: 2 } })
    t.hasStrict((await one.check({ code: message?.code })).body, {
      status: 'verified', result: { phoneNumber, method, assurance: { level: 2, restricted: isRestricted } },
    }, method)
  }
}

async function testExhausted (t: Test, started: Started) {
  const phoneNumber = numberEnding('02')
  const one = await begin(started, phoneNumber, ['vonage.sms'])
  for (const left of [2, 1]) {
    t.hasStrict(await one.check({ code: '000000' }), { status: 422, body: { attemptsRemaining: left } })
  }
  await one.check({ code: '000000' })
  t.hasStrict(await one.end(), { status: 'failed', reason: 'code_attempts_exhausted' })
  const again = await begin(started, phoneNumber, ['vonage.sms'])
  t.hasStrict((await again.check({ code: phoneNumber.slice(-6) })).body, { status: 'verified' }, 'the number is free')
}

async function testSilent (t: Test, started: Started) {
  const inApp = await begin(started, numberEnding('02'), [silent])
  t.hasStrict(inApp.body['nextAction'], { type: 'openUrlOnCellular', finish: 'code' })
  const { code, location } = await visit(started, inApp.body)
  t.equal(location, null, 'an app reads JSON')
  t.hasStrict((await inApp.check({ code })).body, {
    status: 'verified', result: { assurance: { level: 3, possession: 'sim', binding: 'session' } },
  })

  const inPage = await begin(started, numberEnding('02'), [silent], { returnUrl })
  const end = new URL(String((await visit(started, inPage.body))['location']))
  t.equal(`${end.origin}${end.pathname}${end.search}`, `${returnUrl}?verification=${inPage.id}`)
  const fragment = new URLSearchParams(end.hash.slice(1))
  t.strictSame([...fragment.keys()], ['request_id', 'code'])
  t.hasStrict((await inPage.check({ code: fragment.get('code') })).body, { status: 'verified' })

  // An attacker made the URL, and the victim's phone opened it.
  const relayed = await begin(started, numberEnding('06'), [silent])
  await visit(started, relayed.body)
  t.hasStrict((await relayed.check({ code: 'guessed' })).body, { status: 'failed', reason: 'evidence_invalid' })
}

async function testUnproven (t: Test, started: Started) {
  // A signed webhook says what the phone shows.
  const other = await begin(started, numberEnding('01'), [silent, 'otpless.otp'], { returnUrl })
  const { hash } = new URL(String((await visit(started, other.body))['location']))
  t.match(hash, /^#error_description=Device/)
  t.hasStrict(await other.end(), { status: 'failed', reason: 'number_mismatch' })

  const onWifi = await begin(started, variantNumber('81', '91'), [silent, 'otpless.otp'])
  await visit(started, onWifi.body)
  t.hasStrict(await onWifi.moved(), {
    attempts: [{ status: 'failed', reason: 'evidence_invalid' }, { method: 'otpless.otp' }],
  })
}

async function testRefused (t: Test, started: Started) {
  for (const method of [silent, 'vonage.sms']) {
    const one = await begin(started, numberEnding('91'), [method])
    t.hasStrict(await one.end(), { status: 'failed', reason: 'carrier_unsupported' }, method)
  }
  const one = await begin(started, variantNumber('82', '96'), ['vonage.sms'])
  t.hasStrict(await one.end(), { attempts: [{ reason: 'provider_misconfigured' }] })
}

async function testForged (t: Test, started: Started) {
  const one = await begin(started, numberEnding('02'), ['vonage.sms'])
  const results = async () => (await (await request(`${started.url}/metrics`)).body.text()).split('\n')
    .filter(line => /^verigate_callbacks_total\{.*vonage.*signature_/.test(line))
  const body = { request_id: 'any', type: 'event', channel: 'sms', status: 'user_rejected' }
  for (const authorization of [undefined, 'Bearer eyJhbGciOiJub25lIn0.e30.']) {
    const answer = await request(`${started.url}/callbacks/vonage`, {
      method: 'POST', body: JSON.stringify(body),
      headers: { 'content-type': 'application/json', ...authorization === undefined ? {} : { authorization } },
    })
    t.equal(answer.statusCode, 200)
    await answer.body.dump()
  }
  t.match(await results(), [/signature_(missing|invalid)"} 1$/, /signature_(missing|invalid)"} 1$/])
  t.hasStrict(await one.read(), { status: 'pending' })
  t.notMatch(started.logs.join(''), new RegExp(String(one.body['phoneNumber']).slice(1)))
}

async function testConcurrent (t: Test, started: Started) {
  const early = await begin(started, numberEnding('02'), [silent, 'vonage.sms', 'otpless.otp'])
  t.hasStrict((await early.next('not_on_cellular')).body, {
    attempts: [{ reason: 'not_on_cellular' }, { reason: 'recently_tried' }, { status: 'pending' }],
  }, 'Vonage cancels nothing in the first 30 seconds')

  const phoneNumber = numberEnding('02')
  const one = await begin(started, phoneNumber, [silent, 'vonage.sms'])
  started.clock.aheadMs += 30_000
  const before = callsOf(started, 'DELETE')
  t.hasStrict((await one.next('not_on_cellular')).body, { nextAction: { type: 'submitCode' } })
  t.equal(callsOf(started, 'DELETE') - before, 1, 'the silent check was canceled before the message was asked for')
  t.hasStrict((await one.check({ code: phoneNumber.slice(-6) })).body, { status: 'verified' })

  const other = await begin(started, numberEnding('02'), ['vonage.sms'])
  started.clock.aheadMs += 30_000
  t.hasStrict((await other.cancel()).body, { status: 'canceled' })
  const again = await begin(started, String(other.body['phoneNumber']), ['vonage.voice'])
  t.hasStrict(again.body, { status: 'pending', nextAction: { type: 'submitCode' } })
}

async function testResend (t: Test, started: Started) {
  const phoneNumber = numberEnding('02')
  const one = await begin(started, phoneNumber, ['vonage.sms'])
  t.hasStrict(await one.resend(), { status: 429 })
  started.clock.aheadMs += 30_000
  t.hasStrict(await one.resend(), { status: 200, body: { nextAction: { type: 'submitCode' } } })
  const messages = await itemsOf(started.simulators, phoneNumber)
  t.equal(messages.length, 2)
  t.hasStrict((await one.check({ code: messages[1]?.code })).body, { status: 'verified' })
}
