import { createHash } from 'node:crypto'
import type { Examples } from './operations.ts'
import type { Assurance } from '../../core/assurance.ts'
import { createVerification, decide } from '../../core/decide.ts'
import type { Event } from '../../core/events.ts'
import type { NewVerification, Step, Verification } from '../../core/verification.ts'
import { phoneNumberExample as phoneNumber, verificationIdExample as id } from '../schemas/fields.ts'
import type { CreatedView, VerificationView } from '../schemas/verification.ts'
import { viewVerification } from '../views/verification.ts'

/**
 * The verifications of the documentation. Each one is a sequence of events that the core applies, so an example cannot
 * show an impossible state.
 */

const startedAt = Date.parse('2026-03-01T12:00:00.000Z')
const attemptId = (verification: string, index: number): string =>
  `att_${createHash('sha256').update(`${verification} ${index}`).digest('base64url').slice(0, 16)}`

const bySim: Assurance = { possession: 'sim', binding: 'session', restricted: false }
const byMessage: Assurance = { possession: 'message', binding: 'session', restricted: true }
const byApproval: Assurance = { possession: 'account', binding: 'none', restricted: false }

const step = (method: string, seconds: number): Step =>
  ({ method, timeoutMs: seconds * 1000, options: {}, isRepeatable: true, continueWhenRejected: false })
const silent = step('truid.phone_check', 60)
const otp = step('otpless.otp', 300)
const push = step('truecaller.push', 120)
const web = step('truecaller.web', 120)
const token = step('otpless.token', 300)
const oauth = step('otpless.oauth', 300)
const link = step('otpless.magic_link', 300)
const call = step('otpless.voice_approval', 120)

/** An event, this many seconds after the create. */
type Timed = [seconds: number, event: Event]
const starts = (
  seconds: number, attempt: number, action: Extract<Event, { type: 'attemptStarted' }>['action'],
): Timed =>
  [seconds, { type: 'attemptStarted', attempt, state: null, action, attemptsRemaining: null, resend: null }]
const asksForCode = (seconds: number, attempt: number): Timed => [seconds, {
  type: 'attemptStarted', attempt, state: null, action: {
    type: 'submitCode', length: 6, channels: ['SMS'],
  }, attemptsRemaining: 5,
  resend: { left: 2, afterMs: 30_000 },
}]
const opensUrl: Timed = [1, {
  type: 'attemptStarted', attempt: 0, state: null, attemptsRemaining: null, resend: null,
  action: {
    type: 'openUrlOnCellular',
    url: 'https://eu.api.tru.id/phone_check/v0.2/checks/c69bc0e6-a429-11ea-bb37-0242ac130002/redirect', finish: 'code',
  },
  cost: { amount: 1, currency: 'API' },
}]
const asksHandset = starts(1, 0, { type: 'approveOnDevice', app: 'truecaller' })
const opensLink = starts(
  0, 0,
  {
    type: 'openDeepLink',
    url: 'truecallersdk://truesdk/web_verify?type=btmsheet&'
      + 'requestNonce=Yd0cA4o5jCkYlY2xXzVb7QBmJ2kQhQAb3dE5fG7hJ9kLmNpQ&partnerKey=your-app-key&partnerName=Shop&'
      + 'lang=en&loginPrefix=continue&loginSuffix=verifymobile&ctaPrefix=continuewith',
    platforms: ['android'], notOpenedAfterMs: 600,
  },
)
const asksForToken = starts(0, 0, { type: 'submitToken', sdk: 'otpless', params: { appId: 'YOUR_APP_ID' } })
const followsUrl = starts(1, 0, { type: 'openUrl', url: 'https://otpless.com/?uri=myapp&request=4a6e1e7c' })
const followsLink = starts(1, 0, { type: 'openMessageLink', channels: ['WHATSAPP', 'SMS'] })
const answers = starts(1, 0, { type: 'answerCall' })
const delivers: Timed = [4, {
  type: 'deliveryReported', attempt: 0,
  delivery: { status: 'delivered', channel: 'sms', at: startedAt + 3_000 },
}]
const submits = (seconds: number, attempt: number): Timed => [
  seconds, { type: 'evidenceReceived', attempt, evidence: { from: 'app', value: {} } },
]
const proves = (
  seconds: number, attempt: number, assurance: Assurance, more: { proven?: string, profile?: object } = {},
): Timed => [seconds, {
  type: 'numberProven', attempt, phoneNumber: more.proven ?? phoneNumber, profile: more.profile ?? null, signals: null,
  assurance,
}]
const gaveUp: Timed = [9, { type: 'nextRequested', reason: 'not_on_cellular' }]
const profile = {
  name: {
    first: 'Ada', last: 'Example',
  }, email: 'ada@example.com', avatarUrl: 'https://www.example.com/avatars/3', company: 'Example Ltd',
  addresses: [{ countryCode: 'US', city: 'Springfield' }],
}

type Scenario = { workflow: Step[], discovers?: boolean, events: Timed[] }

function play ({ workflow, discovers = false, events }: Scenario): Verification {
  const request: NewVerification = {
    id, appId: 'shop', phoneNumber: discovers
      ? null
      : phoneNumber, reference: 'signup-8842', metadata: { plan: 'pro' }, locale: null, device: {},
    returnUrl: null, includeProfile: true, minAssurance: 1, workflow, webhookEvents: [], idempotency: null,
    expiresAt: startedAt + 600_000,
  }
  return events.reduce((verification, [seconds, event]) => {
    const decision = decide(verification, event, startedAt + seconds * 1000)
    if (decision === null) throw new TypeError(`${event.type} does not apply in this scenario`)
    return decision.next
  }, createVerification(request, startedAt).next)
}
const show = (summary: string, scenario: Scenario, masked = false) => (
  { summary, value: viewVerification(play(scenario), { attemptId, masked }) }
)

const otpScenario: Scenario = { workflow: [otp], events: [asksForCode(1, 0)] }
const silentScenario: Scenario = { workflow: [silent, otp], events: [opensUrl] }
const fallbackScenario: Scenario = { ...silentScenario, events: [opensUrl, gaveUp, asksForCode(10, 1)] }
const pushScenario: Scenario = { workflow: [push, otp], events: [asksHandset] }
const provenByPush: Timed[] = [asksHandset, submits(14, 0), proves(15, 0, byApproval, { profile })]

/** Verifications in every state that matters to an integrator. */
export const verifications = {
  submitCode: show('Pending: the user must type a code', otpScenario),
  delivered: show(
    'Pending: the code was delivered', { ...otpScenario, events: [...otpScenario.events, delivers] },
  ),
  openUrlOnCellular: show('Pending: the phone must open a URL over mobile data', silentScenario),
  approveOnDevice: show('Pending: the user must approve on the handset', pushScenario),
  openDeepLink: show(
    'Pending: the user must open a deep link; the number is not known yet',
    { workflow: [web], discovers: true, events: [opensLink] },
  ),
  submitToken: show(
    'Pending: the front end must run an SDK', { workflow: [token], discovers: true, events: [asksForToken] },
  ),
  openUrl: show(
    'Pending: the user must log in at another site',
    { workflow: [oauth], discovers: true, events: [followsUrl] },
  ),
  openMessageLink: show(
    'Pending: the user must open the link in a message', { workflow: [link], events: [followsLink] },
  ),
  answerCall: show('Pending: the user must answer a call', { workflow: [call], events: [answers] }),
  wait: show('Pending: evidence is being checked', { ...otpScenario, events: [asksForCode(1, 0), submits(20, 0)] }),
  fallback: show('Pending: the first method did not work, the next one started', fallbackScenario),
  resent: show(
    'Pending: the code was sent again',
    { ...otpScenario, events: [asksForCode(1, 0), [40, { type: 'resendRequested', attempt: 0 }]] },
  ),
  verified: show('Verified', { ...silentScenario, events: [opensUrl, submits(5, 0), proves(6, 0, bySim)] }),
  verifiedByFallback: show(
    'Verified by the second method',
    { ...fallbackScenario, events: [...fallbackScenario.events, submits(30, 1), proves(31, 1, byMessage)] },
  ),
  verifiedWithProfile: show('Verified, with a profile', { ...pushScenario, events: provenByPush }),
  numberMismatch: show(
    'Failed: another number was proven',
    { ...silentScenario, events: [opensUrl, submits(5, 0), proves(6, 0, bySim, { proven: '+14155550177' })] },
  ),
  userRejected: show(
    'Failed: the user refused',
    { ...pushScenario, events: [asksHandset, [8, { type: 'userRejected', attempt: 0, reason: 'user_rejected' }]] },
  ),
  providerUnavailable: show('Failed: no provider could be reached', {
    workflow: [silent, otp], events: [
      [5, { type: 'startFailed', attempt: 0, reason: 'provider_timeout' }],
      [6, { type: 'startFailed', attempt: 1, reason: 'provider_error' }],
    ],
  }),
  nothingLeft: show(
    'Failed: the attempt was abandoned, and no method is left',
    { ...otpScenario, events: [asksForCode(1, 0), [60, { type: 'nextRequested', reason: 'abandoned' }]] },
  ),
  expired: show(
    'Expired: no evidence was received in time', {
      ...otpScenario, events: [asksForCode(1, 0), [300, { type: 'timeElapsed' }]],
    },
  ),
  canceled: show(
    'Canceled by the app',
    { ...otpScenario, events: [asksForCode(1, 0), [20, { type: 'canceled', reason: 'app_canceled' }]] },
  ),
  masked: show(
    'As the holder of a client secret sees it', {
      ...silentScenario, events: [opensUrl, submits(5, 0), proves(6, 0, bySim)],
    },
    true,
  ),
} satisfies Examples<VerificationView>

/** Verifications by name, as responses to a create. */
export const created = (...names: (keyof typeof verifications)[]): Examples<CreatedView> =>
  Object.fromEntries(names.map(name => {
    const { summary, value } = verifications[name]
    return [
      `${name}Created`,
      { summary, value: { ...value, clientSecret: 'vcs_Yd0cA4o5jCkYlY2xXzVb7QBmJ2kQhZ0m3Vt8Qw1Lr5Xn7Kp2Sd9' } },
    ]
  }))

/** Verifications by name. */
export const states = (...names: (keyof typeof verifications)[]): Examples<VerificationView> =>
  Object.fromEntries(names.map(name => [name, verifications[name]]))
