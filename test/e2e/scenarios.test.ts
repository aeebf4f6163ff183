import t from 'tap'
import { scenarios } from '../../src/sandbox/scenarios.ts'
import { simulators as every } from '../../src/sandbox/simulators.ts'
import { startGateway } from '../helpers/gateway.ts'
import { act } from './end-user.ts'

type Suffix = (typeof scenarios)[number]['suffix']
/**
 * Status, reason, and the attempt's own reason where it is another. `silence` ends by the clock, and so does `outage`:
 * the provider has not judged what the user brought.
 */
type End = 'verified' | 'silence' | 'outage' | { status: string, reason: string, attempt?: string }
type Journey = {
  method: string, options?: Record<string, unknown>, discovers?: true, isIndian?: true, returnUrl?: string
  ends: Record<Suffix, End>
}

/** An outage needs the time in which the user does their part, however busy the machine is. */
const secondsOf = { silence: 2, outage: 6 }
const failed = (reason: string, attempt = reason): End => ({ status: 'failed', reason, attempt })
const noAnswer = failed('provider_unavailable', 'provider_error')
const badAnswer = failed('provider_unavailable', 'provider_bad_response')
const good = {
  97: 'verified', 96: 'verified', 95: 'verified', 94: 'verified', 93: 'verified', 92: 'silence', even: 'verified',
} as const

const phoneCheck: Journey['ends'] = {
  ...good, 99: noAnswer, 98: badAnswer, 96: noAnswer, 91: failed(
    'carrier_unsupported',
  ), 90: 'silence', odd: failed('number_mismatch'),
}
const returnUrl = 'https://shop.example/verified'
const link: Journey['ends'] = {
  ...good, 99: noAnswer, 98: badAnswer, 96: noAnswer, 91: failed('carrier_unsupported'), 90: 'silence',
  odd: failed('number_mismatch'),
}
const typed: Journey['ends'] = {
  ...good, 99: noAnswer, 98: badAnswer, 96: noAnswer, 91: failed('number_not_registered'), 90: 'silence',
  odd: failed('code_attempts_exhausted'),
}
// That the network found no number, and that it failed, is the same event.
const silentAuth: Journey['ends'] = { ...phoneCheck, 99: failed('evidence_invalid') }
const journeys: Record<string, Journey> = {
  'truecaller.push': {
    method: 'truecaller.push',
    ends: {
      ...good, 99: noAnswer, 98: badAnswer, 96: noAnswer, 91: failed('number_not_registered'), 90: 'silence',
      odd: failed('number_mismatch'),
    },
  },
  // Its start sends no request, so 96 has nothing to refuse. With 99 the profile never arrives.
  'truecaller.web': {
    method: 'truecaller.web',
    ends: {
      ...good, 99: 'outage', 98: badAnswer, 91: failed('app_not_installed'), 90: failed('user_rejected'),
      odd: failed('number_mismatch'),
    },
  },
  'truecaller.web, discovering': {
    method: 'truecaller.web', discovers: true,
    ends: {
      ...good, 99: 'outage', 98: badAnswer, 91: failed('app_not_installed'), 90: failed('user_rejected'),
      odd: 'verified',
    },
  },
  // The code is exchanged when the user has agreed, so with 99 the provider never judges it.
  'truecaller.oauth': {
    method: 'truecaller.oauth',
    ends: {
      ...good, 99: 'outage', 98: badAnswer, 91: failed('app_not_installed'), 90: failed('user_rejected'),
      odd: failed('number_mismatch'),
    },
  },
  // With 99 the SDK fails by itself. No request follows, so nothing is malformed but the evidence.
  'truecaller.payload': {
    method: 'truecaller.payload',
    ends: {
      ...good, 99: 'silence', 98: failed('evidence_invalid'), 91: failed('app_not_installed'),
      90: failed('user_rejected'), odd: failed('number_mismatch'),
    },
  },
  'truecaller.missed_call': {
    method: 'truecaller.missed_call', isIndian: true,
    ends: { ...good, 99: 'outage', 98: badAnswer, 91: 'silence', 90: 'silence', odd: failed('number_mismatch') },
  },
  'truid.phone_check v0.2': { method: 'truid.phone_check', options: { version: 'v0.2' }, ends: phoneCheck },
  'truid.phone_check v0.1': { method: 'truid.phone_check', options: { version: 'v0.1' }, ends: phoneCheck },
  'truid.subscriber_check v0.2': {
    method: 'truid.subscriber_check', options: { version: 'v0.2' }, ends: phoneCheck,
  },
  'truid.subscriber_check v0.1': {
    method: 'truid.subscriber_check', options: { version: 'v0.1' }, ends: phoneCheck,
  },
  'otpless.token': {
    method: 'otpless.token',
    ends: { ...good, 99: 'outage', 98: badAnswer, 91: 'silence', 90: 'silence', odd: failed('number_mismatch') },
  },
  'otpless.otp': {
    method: 'otpless.otp',
    ends: {
      ...good, 99: noAnswer, 98: badAnswer, 96: noAnswer, 91: failed('carrier_unsupported'), 90: 'silence',
      odd: failed('code_attempts_exhausted'),
    },
  },
  'otpless.magic_link': { method: 'otpless.magic_link', returnUrl, ends: link },
  'otpless.otp_link': { method: 'otpless.otp_link', returnUrl, ends: link },
  // Its start knows no number. With 91 the account has an e-mail address only.
  'otpless.oauth': {
    method: 'otpless.oauth', discovers: true, returnUrl,
    ends: { ...good, 99: 'outage', 98: badAnswer, 91: failed('evidence_invalid'), 90: 'silence', odd: 'verified' },
  },
  'otpless.oauth, Truecaller': {
    method: 'otpless.oauth', returnUrl, options: { channel: 'TRUE_CALLER' },
    ends: {
      ...good, 99: 'outage', 98: badAnswer, 91: failed('evidence_invalid'), 90: failed('user_rejected'),
      odd: failed('number_mismatch'),
    },
  },
  'otpless.voice_approval': {
    method: 'otpless.voice_approval', ends: { ...link, 90: failed('user_rejected') },
  },
  'otpless.sna': { method: 'otpless.sna', ends: link },
  // Only the redirect says what is wrong, and the front end passes it on where `next` has a word for it. Its start
  // sends no request: with 96 the code cannot be exchanged. The operator may not ask the user, so nobody refuses.
  'camara.number_verification': {
    method: 'camara.number_verification', returnUrl,
    ends: {
      ...phoneCheck, 99: failed('abandoned'), 96: 'outage', 91: failed('not_on_cellular'),
      90: failed('carrier_unsupported'),
    },
  },
  'camara.sms': { method: 'camara.sms', ends: { ...typed, 91: failed('carrier_unsupported') } },
  'twilio.sms': { method: 'twilio.sms', ends: { ...typed, 91: failed('carrier_unsupported') } },
  'twilio.whatsapp': { method: 'twilio.whatsapp', ends: { ...typed, 91: failed('carrier_unsupported') } },
  'twilio.call': { method: 'twilio.call', ends: { ...typed, 91: failed('carrier_unsupported') } },
  // With 99 the phone receives no token, and Twilio is asked with the token only.
  'twilio.sna': { method: 'twilio.sna', ends: { ...phoneCheck, 99: 'silence' } },
  'vonage.silent_auth': { method: 'vonage.silent_auth', ends: silentAuth },
  'vonage.silent_auth, redirecting': { method: 'vonage.silent_auth', returnUrl, ends: silentAuth },
  'vonage.sms': { method: 'vonage.sms', ends: { ...typed, 91: failed('carrier_unsupported') } },
  'vonage.whatsapp': { method: 'vonage.whatsapp', ends: { ...typed, 91: failed('carrier_unsupported') } },
  'vonage.voice': { method: 'vonage.voice', ends: { ...typed, 91: failed('carrier_unsupported') } },
  'telegram.code': { method: 'telegram.code', ends: typed },
  // The gateway makes the code and judges it, so there is no result call that could fail.
  'acme.sms': { method: 'acme.sms', ends: typed },
  // The SDK fails by itself with 99. The token of 98 names no number.
  'firebase.pnv': {
    method: 'firebase.pnv',
    ends: {
      ...good, 99: 'silence', 98: badAnswer, 91: failed('carrier_unsupported'),
      90: failed('user_rejected'), odd: failed('number_mismatch'),
    },
  },
  'firebase.pnv, discovering': {
    method: 'firebase.pnv', discovers: true,
    ends: {
      ...good, 99: 'silence', 98: badAnswer, 91: failed('carrier_unsupported'),
      90: failed('user_rejected'), odd: 'verified',
    },
  },
}

t.test('each method ends as the number\'s suffix says', async t => {
  const { shop, simulators } = await startGateway(t, { simulatorOptions: { simulators: every } })
  const digitsOf = { odd: '01', even: '02' } as const

  async function run (
    { method, options = {}, discovers, returnUrl }: Journey, suffix: Suffix, number: string, end: End,
  ) {
    const isByClock = end === 'silence' || end === 'outage'
    const item = { method, options, ...(isByClock ? { timeoutSeconds: secondsOf[end] } : {}) }
    const created = await shop.create(
      {
        workflow: [item], metadata: { suffix },
        ...discovers ? {} : { phoneNumber: number }, ...returnUrl === undefined ? {} : { returnUrl },
      },
    )
    const controller = new AbortController()
    const acting = act(shop, simulators, created.body, number, { signal: controller.signal })
    const verification = await shop.waitFor(created.body['id'])
    controller.abort()
    await acting
    return { created, verification }
  }

  // So many faults at once would stop the calls to a provider that did nothing else.
  await Promise.all(
    Array.from(
      { length: 20 }, (_, n) => shop.create({ phoneNumber: `+1415${55_570 + n}02`, workflow: ['otpless.otp'] }),
    ),
  )
  const rows = Object.entries(journeys).flatMap(([name, journey], place) => scenarios.map(({ suffix, meaning }) => {
    const ending = `1${suffix === 'odd' || suffix === 'even' ? digitsOf[suffix] : suffix}`
    const number = journey.isIndian ? `+9198765${50 + place}${ending}` : `+14155${50 + place}0${ending}`
    const end = journey.ends[suffix]
    return { name: `${name}, ${suffix}: ${meaning}`, journey, suffix, number, end }
  }))
  const runAll = (some: typeof rows) => Promise.all(some.map(async row =>
    ({ ...row, ...await run(row.journey, row.suffix, row.number, row.end) })))
  // The keys of Firebase are those of every token, so a fault of them delays all others.
  const { keysFail = [], others = [] } = Object.groupBy(rows, ({ journey, suffix }) =>
    journey.method === 'firebase.pnv' && suffix === '97' ? 'keysFail' : 'others')
  const ended = [...await runAll(others), ...await runAll(keysFail)]

  for (const { name, journey, suffix, number, end, created, verification } of ended) {
    t.test(name, async t => {
      t.equal(created.status, 201)
      const { attempts, nextAction, availableActions, metadata } = verification
      const method = journey.method
      t.strictSame([attempts.length, nextAction, availableActions, metadata], [1, null, [], { suffix }])
      t.hasStrict(attempts[0], { method, provider: method.split('.')[0] })
      t.equal(verification['verified'], verification['status'] === 'verified')
      if (end === 'verified') {
        const proven = journey.discovers && suffix === 'odd' ? `${number.slice(0, -1)}2` : number
        t.hasStrict(
          verification,
          { status: 'verified', reason: null, phoneNumber: proven, result: { phoneNumber: proven, method } },
        )
        t.hasStrict(attempts[0], { status: 'verified', reason: null })
      } else if (end === 'silence' || end === 'outage') {
        const expected = end === 'silence'
          ? { status: 'expired', reason: 'attempt_timeout' }
          : { status: 'failed', reason: 'provider_unavailable' }
        t.hasStrict(verification, { ...expected, result: null })
        t.hasStrict(attempts[0], { ...expected, ...end === 'outage' ? { reason: 'provider_timeout' } : {} })
        const lateMs = Date.parse(attempts[0].endedAt) - Date.parse(attempts[0].startedAt) - secondsOf[end] * 1000
        t.ok(lateMs >= 0 && lateMs <= 60_000, `ended ${lateMs} ms after its time`)
      } else {
        t.hasStrict(
          verification,
          { status: end.status, reason: end.reason, result: null, phoneNumber: journey.discovers ? null : number },
        )
        t.hasStrict(attempts[0], { status: 'failed', reason: end.attempt })
      }
    })
  }
})
