import { phoneNumberExample as phoneNumber, verificationIdExample as id } from '../schemas/fields.ts'
import type { CreateRequest, EligibilityQuestion, Evidence, NextRequest } from '../schemas/requests.ts'
import type { DeliveryView, EligibilityList, Liveness, ProviderList, Readiness } from '../schemas/responses.ts'
import type { Examples } from './operations.ts'

/** Bodies of `POST /verifications`. Each one works unchanged in the sandbox. */
export const createRequests: Examples<CreateRequest> = {
  otp: { summary: 'A code by SMS', value: { phoneNumber, workflow: ['otpless.otp'], reference: 'signup-8842' } },
  silentWithFallback: {
    summary: 'Silent check over mobile data, with a code as fallback', value: {
      phoneNumber: '+14155550102',
      workflow: [
        'truid.phone_check',
        { method: 'otpless.otp', timeoutSeconds: 120, options: { channels: ['SMS'], codeLength: 6 } },
      ],
      reference: 'signup-8843', metadata: { plan: 'pro' }, device: { ip: '203.0.113.7', platform: 'android' },
    },
  },
  discovery: {
    summary: 'Discovery: the number is not known yet',
    description: 'The user approves in the Truecaller app, which returns the number.',
    value: { workflow: ['truecaller.web'], locale: 'en', reference: 'signup-8844' },
  },
  sdk: {
    summary: 'A front-end SDK that returns a token', value: { workflow: ['otpless.token'], reference: 'signup-8845' },
  },
  standard: {
    summary: 'The default workflow of the app', value: { phoneNumber: '+14155550104', expiresInSeconds: 300 },
  },
  strong: {
    summary: 'Only methods that an attacker cannot relay', value: {
      phoneNumber: '+14155550106', minAssurance: 2, reference: 'signup-8846',
    },
  },
  replace: {
    summary: 'Replace a live verification of the number', value: {
      phoneNumber, workflow: ['otpless.otp'], onConflict: 'replace',
    },
  },
}

/** Bodies of `POST /verifications/{id}/check`. */
export const evidence: Examples<Evidence> = {
  code: { summary: 'The code that the user typed', value: { code: '550100' } },
  redirectCode: { summary: 'The one-time code of a redirect (`finish: "code"`)', value: { code: 'Qm5z1x8TnK3sVd0R' } },
  token: { summary: 'The token of the OTPLESS SDK', value: { token: '7f4c2a9be0d14c6f8a35b1e09d7c4f62' } },
  nothing: { summary: 'The device is done: query the provider', value: {} },
}

/** Bodies of `POST /verifications/{id}/next`. */
export const nextRequests: Examples<NextRequest> = {
  notOnCellular: { summary: 'The phone is on Wi-Fi', value: { reason: 'not_on_cellular' } },
  appNotInstalled: { summary: 'The deep link did not open', value: { reason: 'app_not_installed' } },
  abandoned: { summary: 'The user prefers another method', value: {} },
}

const webhookUrl = 'https://shop.example/hooks/verigate'
const delivery = (
  revision: number, more: Pick<DeliveryView, 'type' | 'status' | 'tries' | 'nextTryAt'>,
): DeliveryView => ({
  id: `whd_${id.slice(4)}_${revision}`, webhookId: `msg_${id.slice(4)}_${revision}`, verificationId: id,
  url: webhookUrl, ...more,
})
const tried = (
  at: string, statusCode: number | null, error: DeliveryView['tries'][number]['error'] = null,
): DeliveryView['tries'][number] =>
  ({ at: `2026-03-01T${at}Z`, statusCode, durationMs: 84, error })

/** Deliveries in each state, and a test. */
export const deliveries = {
  delivered: {
    summary: 'Delivered on the second try',
    value: delivery(
      4,
      {
        type: 'verification.verified', status: 'delivered',
        tries: [tried('12:00:06.120', 500), tried('12:00:11.402', 204)], nextTryAt: null,
      },
    ),
  },
  retried: {
    summary: 'Pending: the first try failed, the next one is scheduled',
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
    summary: 'Replayed: about to be sent again',
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

/** Responses of `GET /providers`. */
export const providers: Examples<ProviderList> = {
  providers: {
    summary: 'One provider is healthy, one is not', value: {
      data: [
        {
          provider: 'truid', methods: [
            {
              method: 'truid.phone_check', userStep: 'opens a URL over mobile data',
              needsPhoneNumber: true, needsReturnUrl: false,
              evidence: ['code', 'none'], nextActions: ['openUrlOnCellular'],
              assurance: { level: 3, possession: 'sim', binding: 'session', restricted: false }, restricted: false,
              sendsMessage: false, resend: null,
            },
          ],
          health: {
            breaker: 'open', errorRate: 0.8, lastSuccessAt: '2026-03-01T11:41:09.000Z',
            lastFailure: {
              at: '2026-03-01T11:59:58.000Z', reason: 'provider_misconfigured',
              vendor: { status: 401, code: 'invalid_client', text: 'Client authentication failed' },
            },
          },
        },
        {
          provider: 'otpless', methods: [
            {
              method: 'otpless.otp', userStep: 'types a code', needsPhoneNumber: true, needsReturnUrl: false,
              evidence: ['code'], nextActions: ['submitCode'],
              assurance: { level: 2, possession: 'message', binding: 'session', restricted: true }, restricted: true,
              sendsMessage: true, resend: { afterSeconds: 30, times: 2 },
            },
          ],
          health: { breaker: 'closed', errorRate: 0, lastSuccessAt: '2026-03-01T11:59:59.000Z', lastFailure: null },
        },
      ],
      nextCursor: null,
    },
  },
}

/** Bodies of `POST /eligibility`. */
export const eligibilityQuestions: Examples<EligibilityQuestion> = {
  number: { summary: 'A number', value: { phoneNumber } },
  device: {
    summary: 'A number and the device of its user',
    value: { phoneNumber, device: { ip: '203.0.113.7', platform: 'android' } },
  },
}

/** Responses of `POST /eligibility`. */
export const eligibility: Examples<EligibilityList> = {
  onWifi: {
    summary: 'The phone is on Wi-Fi, so the silent method cannot serve it',
    value: {
      data: [
        { method: 'truid.phone_check', provider: 'truid', eligible: false, reason: 'not_on_cellular' },
        { method: 'truecaller.push', provider: 'truecaller', eligible: false, reason: 'recently_tried' },
        { method: 'otpless.otp', provider: 'otpless', eligible: true, reason: null },
      ],
      nextCursor: null,
    },
  },
}

/** Responses of `GET /livez`. */
export const liveness: Record<'ok' | 'stuck', Examples<Liveness>> = {
  ok: { ok: { summary: 'Alive', value: { status: 'ok', checks: { eventLoop: 'ok', workers: 'ok' } } } },
  stuck: {
    stuck: {
      summary: 'The workers no longer process jobs',
      value: { status: 'stuck', checks: { eventLoop: 'ok', workers: 'stuck' } },
    },
  },
}

/** Responses of `GET /readyz`. */
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
      summary: 'Redis is unreachable',
      value: {
        status: 'unavailable', checks: { redis: 'unreachable', workers: 'ok', eventLoop: 'ok', draining: false },
      },
    },
  },
}
