import { Type, type Static } from 'typebox'
import { deliveryStatuses, tryErrors } from '../../webhooks/delivery.ts'
import { apiErrors, type ApiErrorCode } from '../../core/errors.ts'
import type { EvidenceKind } from '../../core/vocabulary.ts'
import { ineligibilityReasons } from '../../core/eligibility.ts'
import type { EligibilityItem as JudgedMethod } from '../../verifications/eligibility.ts'
import type { ProviderItem as ListedProvider } from '../../verifications/providers.ts'
import {
  Assurance, bulletList, Method, nullable, openEnum, Reason, stringEnum, time, verificationIdExample, type Assignable,
} from './fields.ts'
import { FoundVerification } from './verification.ts'

const nextCursor = nullable(Type.String(), {
  description: 'Send it as `cursor` to get the next page. Null on the last page.',
})
export const VerificationList = Type.Object({
  data: Type.Array(FoundVerification, { description: 'Newest first.' }), nextCursor,
}, { title: 'VerificationList', description: 'The verifications that a search has found.' })

const DeliveryTry = Type.Object({
  at: time('When it was sent.'),
  statusCode: nullable(Type.Integer({ minimum: 100, maximum: 599, examples: [204] }), {
    description: 'Status of the response. Null without a response.',
  }),
  durationMs: Type.Integer({ minimum: 0, description: 'Duration in milliseconds.', examples: [84] }),
  error: nullable(openEnum(tryErrors, {
    title: 'DeliveryError',
    description: 'Why a try brought no response. `endpoint_disabled`: the endpoint answered 410 before; `no_endpoint`: '
      + 'the app no longer has a webhook.',
  }), { description: 'Why there was no response. Null if there was one.' }),
}, { title: 'DeliveryTry', description: 'One try to deliver an event.' })
export const DeliveryStatus = stringEnum(deliveryStatuses, {
  title: 'DeliveryStatus', description: '`failed`: there will be no further try.',
})
export const DeliveryView = Type.Object({
  id: Type.String({ description: 'Id of the delivery.', examples: ['whd_Yd0cA4o5jCkYlY2xXzVb7QBmJ2kQhQ_5'] }),
  webhookId: Type.String({
    description: 'The header `webhook-id`: the same on every try and replay.',
    examples: ['msg_Yd0cA4o5jCkYlY2xXzVb7QBmJ2kQhQ_5'],
  }),
  type: Type.String({ description: 'Type of the event.', examples: ['verification.verified', 'webhook.test'] }),
  verificationId: nullable(Type.String({ examples: [verificationIdExample] }), {
    description: 'The verification that the event describes. Null for a test.',
  }),
  url: Type.String({
    description: 'URL of the last try, without the query.', examples: ['https://shop.example/hooks/verigate'],
  }),
  status: DeliveryStatus,
  tries: Type.Array(DeliveryTry, { maxItems: 50, description: 'Oldest first. At most the last fifty.' }),
  nextTryAt: nullable(time('The next try.'), { description: 'Time of the next try. Null when there will be none.' }),
}, { title: 'Delivery', description: 'The delivery of one event to the app.' })
export type DeliveryView = Static<typeof DeliveryView>
export const DeliveryList = Type.Object({
  data: Type.Array(DeliveryView, { description: 'Newest first.' }), nextCursor,
}, { title: 'DeliveryList', description: 'Deliveries to the app.' })

const evidenceKinds = [
  'code', 'token', 'authorizationCode', 'payload', 'none',
] as const satisfies readonly EvidenceKind[]
const ProviderMethod = Type.Object({
  method: Method,
  userStep: Type.String({
    description: 'What the method costs the user, to complete "The user …".',
    examples: ['opens a URL over mobile data'],
  }),
  needsPhoneNumber: Type.Boolean({ description: 'False: the method discovers the number, or does not need it.' }),
  needsReturnUrl: Type.Boolean({ description: 'True: the method cannot start without a `returnUrl`.' }),
  evidence: Type.Array(openEnum(evidenceKinds, {
    title: 'EvidenceKind', description: 'The member of the body of `check`; `none` is the body `{}`.',
  }), {
    description: 'The evidence that `check` accepts. Empty if only the provider\'s callback completes the method.',
  }),
  nextActions: Type.Array(Type.String(), {
    description: 'The types of `nextAction` that the method uses.', examples: [['openUrlOnCellular']],
  }),
  assurance: Assurance,
  restricted: Type.Boolean({ description: 'As in `assurance`.' }),
  sendsMessage: Type.Boolean({
    description: 'The method sends something to a person: a code, a link, a call or a push.',
  }),
  resend: nullable(Type.Object({
    afterSeconds: Type.Number({ description: 'Not earlier than this.', examples: [30] }),
    times: Type.Integer({ description: 'At most this often.', examples: [2] }),
  }, { title: 'ResendRule', description: 'When the same attempt can be sent again.' }), {
    description: 'Null: the same attempt cannot be sent again.',
  }),
}, { title: 'ProviderMethod', description: 'A method, and what it needs.' })
const VendorAnswer = Type.Object({
  status: nullable(Type.Integer({ examples: [401] }), { description: 'HTTP status. Null without an answer.' }),
  code: nullable(Type.String({ examples: ['invalid_client'] }), {
    description: 'The provider\'s own code. Without an answer that of the connection, such as `ENOTFOUND`.',
  }),
  text: nullable(Type.String({ maxLength: 200, examples: ['Client authentication failed'] }), {
    description: 'The provider\'s own text, for people. What may be a number, an address or a secret is `[hidden]`.',
  }),
}, { title: 'VendorAnswer', description: 'What the provider itself answered.' })
const ProviderHealth = Type.Object({
  breaker: stringEnum(['closed', 'open', 'halfOpen'], {
    title: 'BreakerState',
    description: 'State of the worst circuit breaker: each method has one for each kind of call (start, resend, '
      + 'resolve, cancel). `open`: such calls are not made, and while it is that of start, attempts are skipped; '
      + '`halfOpen`: one call probes the provider.',
  }),
  errorRate: Type.Number({
    minimum: 0, maximum: 1, description: 'Fraction of the recent verifications for which the provider failed, 0 to 1.',
    examples: [0],
  }),
  lastSuccessAt: nullable(time('The last successful call.')),
  lastFailure: nullable(Type.Object({
    at: time('When the call failed.'), reason: Reason,
    vendor: nullable(VendorAnswer, { description: 'What the provider itself answered. Null when that is not known.' }),
  }, { title: 'ProviderFailure', description: 'A failed call.' }), { description: 'The last failed call.' }),
}, {
  title: 'ProviderHealth', description: 'Health as all processes see it, a few seconds late.',
})
export const ProviderItem = Type.Object({
  provider: Type.String({ description: 'Name of the provider.', examples: ['truid'] }),
  methods: Type.Array(ProviderMethod, { description: 'The methods that this gateway supports.' }),
  health: ProviderHealth,
}, { title: 'Provider', description: 'A configured provider.' })
export type ProviderItem = Assignable<ListedProvider, Static<typeof ProviderItem>>
export const ProviderList = Type.Object({
  data: Type.Array(ProviderItem, { description: 'The providers that have credentials.' }),
  nextCursor: Type.Null({ description: 'The list is always complete.' }),
}, { title: 'ProviderList', description: 'The configured providers.' })
export type ProviderList = Static<typeof ProviderList>

const EligibilityItem = Type.Object({
  method: Method,
  provider: Type.String({ description: 'Name of the provider.', examples: ['truid'] }),
  eligible: Type.Boolean({ description: 'False: an attempt with this method would be skipped, or would not start.' }),
  reason: nullable(openEnum(ineligibilityReasons, {
    title: 'IneligibilityReason',
    description: `Why a method is not eligible.\n\n${bulletList([
      ['country_not_allowed', 'the app may not verify numbers of this country'],
      ['number_type_not_allowed', 'numbers of this type get no messages'],
      ['provider_unavailable', 'the provider has failed too often lately'],
      ['recently_tried', 'the app has used the method for this number too recently'],
      ['test_number', 'a test number of the app is verified by a typed code only'],
      ['carrier_unsupported', 'the carrier of the number does not support the method'],
      ['not_on_cellular', 'the device is not on mobile data'],
      ['app_not_installed', 'the device cannot have the app that the method needs'],
      ['device_mismatch', 'the method does not work on this device'],
    ])}`,
  }), { description: 'Why it is not eligible. Null when it is.' }),
}, { title: 'Eligibility', description: 'Whether one method can serve the number.' })
export type EligibilityItem = Assignable<JudgedMethod, Static<typeof EligibilityItem>>
export const EligibilityList = Type.Object({
  data: Type.Array(EligibilityItem, { description: 'Every configured method.' }),
  nextCursor: Type.Null({ description: 'The list is always complete.' }),
}, { title: 'EligibilityList', description: 'Whether each configured method can serve the number.' })
export type EligibilityList = Static<typeof EligibilityList>

const workersCheck = (word: 'stuck' | 'stopped') =>
  stringEnum(['ok', word, 'none'], { description: '`none`: this process runs no jobs.' })
const checksDescription = 'Result of each check.'
export const Liveness = Type.Object({
  status: stringEnum(['ok', 'stuck'], { description: '`stuck`: the process must be restarted.' }),
  checks: Type.Object({
    eventLoop: stringEnum(['ok', 'stuck'], {
      description: '`stuck`: every probe within a minute found the event loop slow.',
    }),
    workers: workersCheck('stuck'),
  }, { title: 'LivenessChecks', description: checksDescription }),
}, { title: 'Liveness', description: 'Whether this process can continue.' })
export type Liveness = Static<typeof Liveness>

export const Readiness = Type.Object({
  status: stringEnum(['ready', 'unavailable'], { description: 'Whether to send traffic.' }),
  checks: Type.Object({
    redis: stringEnum(['ok', 'unreachable'], { description: 'Whether Redis runs the scripts of the gateway.' }),
    workers: workersCheck('stopped'),
    eventLoop: stringEnum(['ok', 'slow'], {
      description: '`slow`: its last timer of a second was more than a second late.',
    }),
    draining: Type.Boolean({ description: 'The process is about to stop.' }),
  }, { title: 'ReadinessChecks', description: checksDescription }),
}, {
  title: 'Readiness',
  description: 'Does not depend on providers: `GET /providers` reports their outages.',
})
export type Readiness = Static<typeof Readiness>

const errorCodes = Object.keys(apiErrors) as ApiErrorCode[]
const codeMeanings = bulletList(
  errorCodes.map(code => [code, `${apiErrors[code].status}. ${apiErrors[code].title}.`]),
)
const FieldError = Type.Object({
  field: Type.String({ description: 'Path of the field.', examples: ['workflow/0/method'] }),
  message: Type.String({ description: 'What is wrong with the field.', examples: ['has an invalid format'] }),
}, { title: 'FieldError', description: 'One invalid field of the request.' })
const ErrorCode = openEnum(errorCodes, {
  title: 'ErrorCode', description: `What went wrong. More may be added: use \`status\` then.\n\n${codeMeanings}`,
})
export const Problem = Type.Object({
  type: Type.String({
    description: 'URL of a page about the code, for people: when it occurs, and what to do.',
    examples: ['https://verify.example.com/problems/invalid_request'],
  }),
  title: Type.String({ description: 'Meaning of the code.', examples: ['The request is not valid'] }),
  status: Type.Integer({ minimum: 400, maximum: 599, description: 'The HTTP status.', examples: [400] }),
  detail: Type.String({
    description: 'The cause in this request. Never contains values that were sent.',
    examples: ['`locale` has an invalid format.'],
  }),
  code: ErrorCode,
  requestId: Type.String({
    description: 'Also in `x-request-id`. Report it to the operator.',
    examples: ['6f1b2c9e-8a64-4d1b-9a57-0f3f1f0f7f11'],
  }),
  errors: Type.Optional(Type.Array(FieldError, { maxItems: 20, description: 'The invalid fields.' })),
  verificationStatus: Type.Optional(Type.String({
    description: 'With `invalid_state`: the status of the verification.', examples: ['canceled'],
  })),
  verificationId: Type.Optional(Type.String({
    description: 'With `verification_in_progress`: the live verification.', examples: [verificationIdExample],
  })),
  attemptsRemaining: Type.Optional(Type.Integer({
    minimum: 0, description: 'With `code_incorrect`: how many tries are left.', examples: [4],
  })),
}, {
  title: 'Problem',
  description: 'An error (RFC 9457). A refusal by the user is not an error but an outcome: see `status` and `reason` '
    + 'of the verification.',
})
export type Problem = Static<typeof Problem>
