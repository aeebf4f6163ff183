import { createHash } from 'node:crypto'
import type { Examples } from './operations.ts'
import { type Step, type Verification } from '../../core/verification.ts'
import { viewVerification } from '../views/verification.ts'
import type {
  CreatedView, CreateRequest, DeliveryView, Evidence, Liveness, NextRequest, ProviderList, Readiness, VerificationView,
} from '../schemas/requests.ts'
import { createVerification, decide } from '../../core/decide.ts'
import type { Event } from '../../core/events.ts'

/**
 * What the documentation shows. Verifications are told as stories, and the core itself says what became of them, so
 * that an example
 * cannot show what would never happen.
 */

const id = 'ver_Yd0cA4o5jCkYlY2xXzVb7QBmJ2kQhQ'
const phoneNumber = '+14155550100'
const startedAt = Date.parse('2026-03-01T12:00:00.000Z')
const attemptId = (verification: string, index: number): string =>
  `att_${createHash('sha256').update(`${verification} ${index}`).digest('base64url').slice(0, 16)}`

const step = (method: string, seconds: number): Step =>
  ({ method, timeoutMs: seconds * 1000, options: {}, isRepeatable: true, continueWhenRejected: false })
const silent = step('truid.phone_check', 60)
const otp = step('otpless.otp', 300)
const push = step('truecaller.push', 120)
const web = step('truecaller.web', 120)
const token = step('otpless.token', 300)

/** Something that happens so many seconds after the beginning. */
type Moment = [seconds: number, event: Event]
const starts = (
  seconds: number, attempt: number, action: Extract<Event, { type: 'attemptStarted' }>['action'],
): Moment =>
  [seconds, { type: 'attemptStarted', attempt, state: null, action, attemptsRemaining: null, resend: null }]
const asksForCode = (seconds: number, attempt: number): Moment => [seconds, {
  type: 'attemptStarted', attempt, state: null, action: {
    type: 'submitCode', length: 6, channels: ['SMS'],
  }, attemptsRemaining: 5,
  resend: { left: 2, availableAt: startedAt + (seconds + 30) * 1000, afterMs: 30_000 },
}]
const opensUrl = starts(
  1, 0,
  {
    type: 'openUrlOnCellular',
    url: 'https://eu.api.tru.id/phone_check/v0.2/checks/c69bc0e6-a429-11ea-bb37-0242ac130002/redirect', finish: 'code',
  },
)
const asksHandset = starts(1, 0, { type: 'approveOnDevice', app: 'truecaller' })
const opensLink = starts(
  0, 0,
  {
    type: 'openDeepLink',
    url: 'truecallersdk://truesdk/web_verify?type=btmsheet&requestNonce=Yd0cA4o5jCkYlY2xXzVb7QBmJ2kQhQAb3dE5fG7hJ9kLmNpQ&partnerKey=your-app-key&partnerName=Shop&lang=en&loginPrefix=continue&loginSuffix=verifymobile&ctaPrefix=continuewith',
    platforms: ['android'], notOpenedAfterMs: 600,
  },
)
const asksForToken = starts(0, 0, { type: 'submitToken', sdk: 'otpless', params: { appId: 'YOUR_APP_ID' } })
const brings = (seconds: number, attempt: number): Moment => [
  seconds, { type: 'evidenceReceived', attempt, evidence: { from: 'app', value: {} } },
]
const proves = (
  seconds: number, attempt: number, more: { proven?: string, profile?: object } = {},
): Moment => [seconds, {
  type: 'numberProven', attempt, phoneNumber: more.proven ?? phoneNumber, profile: more.profile ?? null, signals: null,
}]
const gaveUp: Moment = [9, { type: 'nextRequested', reason: 'not_on_cellular' }]
const profile = {
  name: {
    first: 'Ada', last: 'Example',
  }, email: 'ada@example.com', avatarUrl: 'https://www.example.com/avatars/3', company: 'Example Ltd',
  addresses: [{ countryCode: 'US', city: 'Springfield' }],
}

type Story = { workflow: Step[], discovers?: boolean, moments: Moment[] }

function tell ({ workflow, discovers = false, moments }: Story): Verification {
  const request = {
    id, appId: 'shop', phoneNumber: discovers
      ? null
      : phoneNumber, reference: 'signup-8842', metadata: { plan: 'pro' }, locale: null, device: {},
    returnUrl: null, includeProfile: true, workflow, webhookEvents: [], idempotency: null, expiresAt: startedAt + 600_000,
  }
  return moments.reduce((verification, [seconds, event]) => {
    const decision = decide(verification, event, startedAt + seconds * 1000)
    if (decision === null) throw new TypeError(`in this story there is no ${event.type}`)
    return decision.next
  }, createVerification(request, startedAt).next)
}
const show = (summary: string, story: Story, masked = false) => (
  { summary, value: viewVerification(tell(story), { attemptId, masked }) }
)

const otpStory: Story = { workflow: [otp], moments: [asksForCode(1, 0)] }
const silentStory: Story = { workflow: [silent, otp], moments: [opensUrl] }
const fallbackStory: Story = { ...silentStory, moments: [opensUrl, gaveUp, asksForCode(10, 1)] }
const pushStory: Story = { workflow: [push, otp], moments: [asksHandset] }
const provenByPush: Moment[] = [asksHandset, brings(14, 0), proves(15, 0, { profile })]

/** Verifications in all the states that matter to a reader. */
export const verifications = {
  submitCode: show('Pending: the user is to type a code', otpStory),
  openUrlOnCellular: show('Pending: the phone is to open a URL over mobile data', silentStory),
  approveOnDevice: show('Pending: the user is to approve on the handset', pushStory),
  openDeepLink: show(
    'Pending: a deep link is to be opened; the number is not known yet',
    { workflow: [web], discovers: true, moments: [opensLink] },
  ),
  submitToken: show(
    'Pending: the front end is to run an SDK', { workflow: [token], discovers: true, moments: [asksForToken] },
  ),
  wait: show('Pending: evidence is being checked', { ...otpStory, moments: [asksForCode(1, 0), brings(20, 0)] }),
  fallback: show('Pending: the first method did not work here, the next one started', fallbackStory),
  resent: show(
    'Pending: the code was sent again',
    { ...otpStory, moments: [asksForCode(1, 0), [40, { type: 'resendRequested', attempt: 0 }]] },
  ),
  verified: show('Verified', { ...silentStory, moments: [opensUrl, brings(5, 0), proves(6, 0)] }),
  verifiedByFallback: show(
    'Verified by the second method',
    { ...fallbackStory, moments: [...fallbackStory.moments, brings(30, 1), proves(31, 1)] },
  ),
  verifiedWithProfile: show('Verified, with a profile', { ...pushStory, moments: provenByPush }),
  numberMismatch: show(
    'Failed: another number was proven',
    { ...silentStory, moments: [opensUrl, brings(5, 0), proves(6, 0, { proven: '+14155550177' })] },
  ),
  userRejected: show(
    'Failed: the user said no',
    { ...pushStory, moments: [asksHandset, [8, { type: 'userRejected', attempt: 0, reason: 'user_rejected' }]] },
  ),
  providerUnavailable: show('Failed: no provider could be reached', {
    workflow: [silent, otp], moments: [
      [5, { type: 'startFailed', attempt: 0, reason: 'provider_timeout' }],
      [6, { type: 'startFailed', attempt: 1, reason: 'provider_error' }],
    ],
  }),
  nothingLeft: show(
    'Failed: given up, and no method is left',
    { ...otpStory, moments: [asksForCode(1, 0), [60, { type: 'nextRequested', reason: 'abandoned' }]] },
  ),
  expired: show(
    'Expired: nothing came in time', { ...otpStory, moments: [asksForCode(1, 0), [300, { type: 'timeElapsed' }]] },
  ),
  canceled: show(
    'Canceled by the app',
    { ...otpStory, moments: [asksForCode(1, 0), [20, { type: 'canceled', reason: 'app_canceled' }]] },
  ),
  masked: show(
    'As the holder of a client secret sees it', { ...silentStory, moments: [opensUrl, brings(5, 0), proves(6, 0)] },
    true,
  ),
} satisfies Examples<VerificationView>

/** The same as the answer to create tells them. */
export const created = (...names: (keyof typeof verifications)[]): Examples<CreatedView> =>
  Object.fromEntries(names.map(name => {
    const { summary, value } = verifications[name]
    return [
      `${name}Created`,
      { summary, value: { ...value, clientSecret: 'vcs_Yd0cA4o5jCkYlY2xXzVb7QBmJ2kQhZ0m3Vt8Qw1Lr5Xn7Kp2Sd9' } },
    ]
  }))

/** Some of them, by name. */
export const states = (...names: (keyof typeof verifications)[]): Examples<VerificationView> =>
  Object.fromEntries(names.map(name => [name, verifications[name]]))

/** Bodies of `POST /verifications`; in the sandbox each of them works as it is. */
export const createRequests: Examples<CreateRequest> = {
  otp: { summary: 'A code by SMS', value: { phoneNumber, workflow: ['otpless.otp'], reference: 'signup-8842' } },
  silentWithFallback: {
    summary: 'Silent check over mobile data, else a code', value: {
      phoneNumber: '+14155550102',
      workflow: [
        'truid.phone_check',
        { method: 'otpless.otp', timeoutSeconds: 120, options: { channels: ['SMS'], codeLength: 6 } },
      ],
      reference: 'signup-8843', metadata: { plan: 'pro' }, device: { ip: '203.0.113.7', platform: 'android' },
    },
  },
  discovery: {
    summary: 'Discovery: the number is not known yet', description: 'The user approves in the Truecaller app, which tells the number.',
    value: { workflow: ['truecaller.web'], locale: 'en', reference: 'signup-8844' },
  },
  sdk: {
    summary: 'A front-end SDK that gives a token', value: { workflow: ['otpless.token'], reference: 'signup-8845' },
  },
  standard: {
    summary: 'The workflow that the app has by default', value: { phoneNumber: '+14155550104', expiresInSeconds: 300 },
  },
  replace: {
    summary: 'Taking the place of a live verification of the number', value: {
      phoneNumber, workflow: ['otpless.otp'], onConflict: 'replace',
    },
  },
}

/** Bodies of `POST /verifications/{id}/check`. */
export const evidence: Examples<Evidence> = {
  code: { summary: 'The code that the user typed', value: { code: '550100' } },
  redirectCode: { summary: 'The one-time code of a redirect (`finish: "code"`)', value: { code: 'Qm5z1x8TnK3sVd0R' } },
  token: { summary: 'The token of the OTPLESS SDK', value: { token: '7f4c2a9be0d14c6f8a35b1e09d7c4f62' } },
  nothing: { summary: 'The device is done: ask the provider', value: {} },
}

/** Bodies of `POST /verifications/{id}/next`. */
export const nextRequests: Examples<NextRequest> = {
  notOnCellular: { summary: 'The phone is on Wi-Fi', value: { reason: 'not_on_cellular' } },
  appNotInstalled: { summary: 'The deep link did not open', value: { reason: 'app_not_installed' } },
  abandoned: { summary: 'The user wants another way', value: {} },
}

const webhookUrl = 'https://shop.example/hooks/verigate'
const delivery = (
  revision: number, more: Pick<DeliveryView, 'type' | 'status' | 'tries' | 'nextTryAt'>,
): DeliveryView => ({
  id: `whd_${id.slice(4)}_${revision}`, webhookId: `msg_${id.slice(4)}_${revision}`, verificationId: id, url: webhookUrl, ...more,
})
const tried = (
  at: string, statusCode: number | null, error: DeliveryView['tries'][number]['error'] = null,
): DeliveryView['tries'][number] =>
  ({ at: `2026-03-01T${at}Z`, statusCode, durationMs: 84, error })

/** Deliveries in each of their states, and a test. */
export const deliveries = {
  delivered: {
    summary: 'Delivered at the second try',
    value: delivery(
      4,
      {
        type: 'verification.verified', status: 'delivered',
        tries: [tried('12:00:06.120', 500), tried('12:00:11.402', 204)], nextTryAt: null,
      },
    ),
  },
  retried: {
    summary: 'Pending: tried, and to be tried again',
    value: delivery(
      4,
      {
        type: 'verification.verified', status: 'pending', tries: [tried('12:00:06.120', null, 'timeout')],
        nextTryAt: '2026-03-01T12:00:11.310Z',
      },
    ),
  },
  disabled: {
    summary: 'Failed: the endpoint answered 410', value: delivery(
      3, { type: 'verification.failed', status: 'failed', tries: [tried('12:00:06.120', 410)], nextTryAt: null },
    ),
  },
  replayed: {
    summary: 'About to be sent again',
    value: delivery(
      3,
      {
        type: 'verification.failed', status: 'pending', tries: [tried('12:00:06.120', 410)],
        nextTryAt: '2026-03-01T13:30:00.000Z',
      },
    ),
  },
  test: {
    summary: 'A test, about to be sent',
    value: {
      ...delivery(0, { type: 'webhook.test', status: 'pending', tries: [], nextTryAt: '2026-03-01T12:00:00.000Z' }),
      verificationId: null,
    },
  },
} satisfies Examples<DeliveryView>

/** What `GET /providers` tells. */
export const providers: Examples<ProviderList> = {
  providers: {
    summary: 'One provider is well, one is not', value: {
      data: [
        {
          provider: 'truid', methods: [
            {
              method: 'truid.phone_check', needsPhoneNumber: true, evidence: ['code', 'none'],
              nextActions: ['openUrlOnCellular'],
            },
          ],
          health: {
            breaker: 'open', errorRate: 0.8, lastSuccessAt: '2026-03-01T11:41:09.000Z',
            lastFailure: { at: '2026-03-01T11:59:58.000Z', reason: 'provider_timeout' },
          },
        },
        {
          provider: 'otpless', methods: [
            { method: 'otpless.otp', needsPhoneNumber: true, evidence: ['code'], nextActions: ['submitCode'] },
          ],
          health: { breaker: 'closed', errorRate: 0, lastSuccessAt: '2026-03-01T11:59:59.000Z', lastFailure: null },
        },
      ],
      nextCursor: null,
    },
  },
}

/** What `GET /livez` tells. */
export const liveness: Record<'ok' | 'stuck', Examples<Liveness>> = {
  ok: { ok: { summary: 'Alive', value: { status: 'ok', checks: { eventLoop: 'ok', workers: 'ok' } } } },
  stuck: {
    stuck: {
      summary: 'Its workers take no jobs any more',
      value: { status: 'stuck', checks: { eventLoop: 'ok', workers: 'stuck' } },
    },
  },
}

/** What `GET /readyz` tells. */
export const readiness: Record<'ready' | 'unavailable', Examples<Readiness>> = {
  ready: {
    ready: {
      summary: 'Ready',
      value: { status: 'ready', checks: { redis: 'ok', workers: 'ok', eventLoop: 'ok', draining: false } },
    },
  },
  unavailable: {
    stopping: {
      summary: 'About to stop',
      value: { status: 'unavailable', checks: { redis: 'ok', workers: 'ok', eventLoop: 'ok', draining: true } },
    },
    storeAway: {
      summary: 'Without its store',
      value: {
        status: 'unavailable', checks: { redis: 'unreachable', workers: 'ok', eventLoop: 'ok', draining: false },
      },
    },
  },
}
