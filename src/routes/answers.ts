import { Type, type Static, type TSchema, type TSchemaOptions } from 'typebox'
import type { Action, EvidenceKind } from '../adapters/adapter.ts'
import { deliveryStatuses, tryErrors } from '../delivery.ts'
import { apiErrors, type ApiErrorCode } from '../errors.ts'
import { reasonWords } from '../reasons.ts'
import type { Status } from '../verification.ts'

/** One of these words. */
export const words = <Word extends string>(
  list: readonly Word[], options: TSchemaOptions = {},
) => Type.Enum([...list], { type: 'string', ...options })
const orNull = <Schema extends TSchema>(schema: Schema, options: TSchemaOptions = {}) => Type.Union([schema, Type.Null()], options)
const time = (description: string) => Type.String({ format: 'date-time', description, examples: ['2026-03-01T12:00:00.000Z'] })
const reason = words(reasonWords, { description: 'Why it ended. A closed vocabulary, never mixed with error codes.', title: 'Reason' })

/** Name of a method. */
export const Method = Type.String({
  pattern: '^[a-z]+\\.[a-z_]+$', maxLength: 64, description: '`<provider>.<channel>`, from `GET /providers`.',
  examples: ['truid.phone_check', 'otpless.otp'],
})

const action = <Name extends Action['type'] | 'wait', Fields extends Record<string, TSchema>>(
  type: Name, fields: Fields, description: string,
) =>
  Type.Object({ type: Type.Literal(type), ...fields, expiresAt: time('When the attempt ends.') }, { description })
const channels = Type.Array(Type.String(), { description: 'Where it was sent.', examples: [['SMS']] })
const url = Type.String({ description: 'Open it exactly as it is.' })

export const NextAction = Type.Union([
  action('approveOnDevice', { app: Type.String() }, 'The user approves in that app on the handset.'),
  action('openDeepLink', {
    url, platforms: Type.Array(Type.String()),
    notOpenedAfterMs: Type.Integer({ description: 'Without a reaction after that: call `next` with `app_not_installed`.' }),
  }, 'Open the deep link.'),
  action('openUrlOnCellular', {
    url,
    finish: words(['code', 'none'], { description: '`code`: bring the code of the redirect by `check`; `none`: call `check` with `{}`.' }),
  }, 'Open the URL over mobile data.'),
  action('openUrl', { url }, 'Open the URL in a browser.'),
  action('submitToken', {
    sdk: Type.String(), params: Type.Record(Type.String(), Type.String(), { description: 'Public ids, nonce or state.' }),
  }, 'Run the SDK, bring what it gives by `check`.'),
  action('submitCode', {
    length: Type.Integer(), channels, attemptsRemaining: Type.Optional(Type.Integer({ description: 'Wrong codes still allowed.' })),
  }, 'Ask the user for the code, bring it by `check`.'),
  action('openMessageLink', { channels }, 'The user opens the link in the message.'),
  action('answerCall', {}, 'The user approves by answering a call.'),
  action('wait', {}, 'Nothing to do: being started, or evidence is being checked.'),
], { title: 'NextAction', description: 'What the front end must do now. An unknown type means: call `next`.' })
export type NextAction = Static<typeof NextAction>

const statuses = ['pending', 'verified', 'failed', 'expired', 'canceled'] as const satisfies readonly Status[]
const provider = Type.String({ examples: ['truid'] })
const revision = Type.Integer({ description: '+1 on every visible change.' })
const Json = Type.Unsafe<unknown>({ description: 'Any JSON value.' })

const Attempt = Type.Object({
  id: Type.String({ examples: ['att_m3Q0v7cW1kXr2dPz'] }), method: Method, provider,
  status: words([...statuses, 'skipped'], { description: '`skipped`: never started.' }),
  reason: orNull(reason), startedAt: time('When it was begun.'), endedAt: orNull(time('When it ended.')),
}, { title: 'Attempt' })

export const Profile = Type.Object({
  name: Type.Optional(Type.Object({ first: Type.Optional(Type.String()), last: Type.Optional(Type.String()) })),
  email: Type.Optional(Type.String()), gender: Type.Optional(Type.String()), avatarUrl: Type.Optional(Type.String()),
  company: Type.Optional(Type.String()), jobTitle: Type.Optional(Type.String()), about: Type.Optional(Type.String()),
  url: Type.Optional(Type.String()),
  addresses: Type.Optional(Type.Array(Type.Object({
    countryCode: Type.Optional(Type.String()), city: Type.Optional(Type.String()),
    street: Type.Optional(Type.String()), zipcode: Type.Optional(Type.String()),
  }))),
  badges: Type.Optional(Type.Array(Type.String())),
}, { title: 'Profile', description: 'What the provider told of the user; absent is unknown.' })

const Result = Type.Object({
  phoneNumber: Type.String({ description: 'The proven number.' }), method: Method, provider, verifiedAt: time('When it was proven.'),
  profile: orNull(Profile), signals: orNull(Type.Record(Type.String(), Json), { description: 'Risk signals, as the provider gave them.' }),
}, { title: 'Result' })

const verificationProperties = {
  id: Type.String({ description: 'Unguessable, safe in URLs.', examples: ['ver_Yd0cA4o5jCkYlY2xXzVb7QBmJ2kQhQ'] }),
  status: words(statuses, { description: 'All but `pending` are final.' }),
  verified: Type.Boolean({ description: 'True if and only if `status` is `verified`: the number was proven.' }),
  reason: orNull(reason, { description: 'Set on failed, expired and canceled.' }),
  phoneNumber: orNull(Type.String(), { description: 'Null while a discovery method has not told us; masked for a client secret.' }),
  reference: orNull(Type.String()),
  metadata: Type.Record(Type.String(), Type.String(), { description: 'Empty for a client secret.' }),
  nextAction: orNull(NextAction, { description: 'Null when final.' }),
  availableActions: Type.Array(Type.Object({
    action: words(['next', 'resend']), availableAt: time('Not before.'), remaining: Type.Optional(Type.Integer()),
  }), { description: 'What else the front end may do, and from when.' }),
  workflow: Type.Array(Type.Object({ method: Method, timeoutSeconds: Type.Number() })),
  attempts: Type.Array(Attempt),
  result: orNull(Result, { description: 'Set on verified.' }),
  profileStatus: words(['none', 'pending', 'ready', 'failed'], { description: 'The profile never un-verifies.' }),
  revision,
  createdAt: time('When it was created.'), updatedAt: time('When it last changed.'), expiresAt: time('When it ends at the latest.'),
}

export const VerificationView = Type.Object(verificationProperties, {
  title: 'Verification', description: 'One lifecycle, whatever the provider.',
})
export type VerificationView = Static<typeof VerificationView>

export const CreatedView = Type.Object({
  ...verificationProperties,
  clientSecret: Type.String({
    description: 'For the front end: opens this verification only. Told here and never again.', examples: ['vcs_…'],
  }),
}, { title: 'CreatedVerification' })

export const VerificationList = Type.Object({
  data: Type.Array(VerificationView), nextCursor: orNull(Type.String()),
}, { title: 'VerificationList', description: 'Newest first.' })

export const DeliveryView = Type.Object({
  id: Type.String({ examples: ['whd_Yd0cA4o5jCkYlY2xXzVb7QBmJ2kQhQ_5'] }),
  webhookId: Type.String({ description: 'The header `webhook-id`: the same on every try and replay.', examples: ['msg_Yd0cA4o5jCkYlY2xXzVb7QBmJ2kQhQ_5'] }),
  type: Type.String({ examples: ['verification.verified', 'webhook.test'] }),
  verificationId: orNull(Type.String(), { description: 'Null for a test.' }),
  url: Type.String({ description: 'Where it was sent, without the query.', examples: ['https://shop.example/webhooks'] }),
  status: words(deliveryStatuses, { description: '`failed`: no try is left, or none is of use.' }),
  tries: Type.Array(Type.Object({
    at: time('When.'), statusCode: orNull(Type.Integer(), { description: 'Null when no answer came.' }), durationMs: Type.Integer(),
    error: orNull(words(tryErrors), { description: 'Why no answer came. `endpoint_disabled`: it answered 410 before; `no_endpoint`: the app has no webhook any more.' }),
  }), { description: 'The newest last, at most fifty.' }),
  nextTryAt: orNull(time('The next try.'), { description: 'Null when none is to come.' }),
}, { title: 'Delivery', description: 'One event on its way to the app.' })
export type DeliveryView = Static<typeof DeliveryView>
export const DeliveryList = Type.Object({ data: Type.Array(DeliveryView), nextCursor: orNull(Type.String()) }, {
  title: 'DeliveryList', description: 'Newest first.',
})

const evidenceKinds = ['code', 'token', 'authorizationCode', 'payload', 'none'] as const satisfies readonly EvidenceKind[]
export const ProviderItem = Type.Object({
  provider,
  methods: Type.Array(Type.Object({
    method: Method, needsPhoneNumber: Type.Boolean(), evidence: Type.Array(words(evidenceKinds)), nextActions: Type.Array(Type.String()),
  })),
  health: Type.Object({
    breaker: words(['closed', 'open', 'halfOpen']), errorRate: Type.Number({ description: '0 to 1.' }),
    lastSuccessAt: orNull(time('The last call that went well.')),
    lastFailure: orNull(Type.Object({ at: time('When.'), reason })),
  }),
}, { title: 'Provider' })
export type ProviderItem = Static<typeof ProviderItem>
export const ProviderList = Type.Object({ data: Type.Array(ProviderItem), nextCursor: Type.Null() }, {
  title: 'ProviderList', description: 'What is configured.',
})

const workersCheck = (word: 'stuck' | 'stopped') => words(['ok', word, 'none'], { description: '`none`: this process does no jobs.' })
export const Liveness = Type.Object({
  status: words(['ok', 'stuck']),
  checks: Type.Object({
    eventLoop: words(['ok', 'stuck'], { description: '`stuck`: each turn took over a second, for a minute.' }), workers: workersCheck('stuck'),
  }),
}, { title: 'Liveness' })
export type Liveness = Static<typeof Liveness>

export const Readiness = Type.Object({
  status: words(['ready', 'unavailable']),
  checks: Type.Object({
    redis: words(['ok', 'unreachable'], { description: 'Whether a script of ours can be run.' }), workers: workersCheck('stopped'),
    eventLoop: words(['ok', 'slow'], { description: '`slow`: requests are refused.' }),
    draining: Type.Boolean({ description: 'It is about to stop.' }),
  }),
}, { title: 'Readiness', description: 'Providers are no part of it: their outages are told by `GET /providers`.' })
export type Readiness = Static<typeof Readiness>

export const Problem = Type.Object({
  type: Type.String({ examples: ['urn:verigate:error:invalid_request'] }),
  title: Type.String(),
  status: Type.Integer(),
  detail: Type.String({ description: 'What to do about it. Never shows what was sent.' }),
  code: words(Object.keys(apiErrors) as ApiErrorCode[]),
  requestId: Type.String({ description: 'Also in `x-request-id`; tell it to the operator.' }),
  errors: Type.Optional(Type.Array(Type.Object({ field: Type.String({ examples: ['workflow/0/method'] }), message: Type.String() }))),
  verificationStatus: Type.Optional(Type.String({ description: 'With `invalid_state`.' })),
  verificationId: Type.Optional(Type.String({ description: 'With `verification_in_progress`.' })),
  attemptsRemaining: Type.Optional(Type.Integer({ description: 'With `code_incorrect`.' })),
}, { title: 'Problem', description: 'RFC 9457.' })
export type Problem = Static<typeof Problem>
