import { Type, type Static, type TLiteral, type TObject, type TSchema, type TSchemaOptions } from 'typebox'
import { deliveryStatuses, tryErrors } from '../../webhooks/delivery.ts'
import { apiErrors, type ApiErrorCode } from '../../core/errors.ts'
import { reasons, reasonWords } from '../../core/reasons.ts'
import type { Status } from '../../core/verification.ts'
import type { Action, EvidenceKind } from '../../core/vocabulary.ts'

/** One of these words. */
export const stringEnum = <Word extends string>(
  list: readonly Word[], options: TSchemaOptions = {},
) => Type.Enum([...list], { type: 'string', ...options })
const nullable = <Schema extends TSchema>(schema: Schema, options: TSchemaOptions = {}) =>
  Type.Union(
    [schema, Type.Null()],
    {
      ...('description' in schema && typeof schema.description === 'string' ? { description: schema.description } : {}),
      ...options,
    },
  )
const time = (description: string) =>
  Type.String({ format: 'date-time', description, examples: ['2026-03-01T12:00:00.000Z'] })
const bulletList = (
  entries: Iterable<readonly [word: string, meaning: string]>,
): string => [...entries].map(([word, meaning]) => `- \`${word}\`: ${meaning}`).join('\n')
const reason = stringEnum(reasonWords, {
  title: 'Reason',
  description: `Why it ended. A closed vocabulary, never mixed with error codes.\n\n${bulletList(reasonWords.map(word => [word, reasons[word].meaning]))}`,
})

/** Name of a method. */
export const Method = Type.String({
  pattern: '^[a-z]+(-[a-z0-9]+)?\\.[a-z_]+$', maxLength: 64, title: 'Method',
  description: '`<provider>.<channel>`: one of those that `GET /providers` lists.', examples: [
    'truid.phone_check', 'otpless.otp',
  ],
})

const titleOf = (type: string): string => `${type.charAt(0).toUpperCase()}${type.slice(1)}Action`
const action = <Name extends Action['type'] | 'wait', Fields extends Record<string, TSchema>>(
  type: Name, fields: Fields, description: string,
) => Type.Object({ type: Type.Literal(type), ...fields, expiresAt: time('When the attempt ends.') }, { title: titleOf(type), description })
/** One of these, told apart by `type`. */
const oneOfTypes = <Variants extends TObject<{ type: TLiteral<string> }>[]>(
  variants: [...Variants], options: TSchemaOptions,
) => Type.Union(variants, {
  ...options,
  discriminator: {
    propertyName: 'type',
    mapping: Object.fromEntries(
      variants.map(({ properties: { type } }) => [type.const, `#/components/schemas/${titleOf(type.const)}`]),
    ),
  },
})
const channels = Type.Array(Type.String(), { description: 'Where it was sent.', examples: [['SMS']] })
const url = Type.String(
  {
    description: 'To be opened exactly as it is.',
    examples: ['https://eu.api.tru.id/phone_check/v0.2/checks/c69bc0e6-a429-11ea-bb37-0242ac130002/redirect'],
  },
)

export const NextAction = oneOfTypes([
  action('approveOnDevice', {
    app: Type.String({ description: 'The app that asks the user.', examples: ['truecaller'] }),
  }, 'The user approves in that app on the handset.'),
  action('openDeepLink', {
    url: Type.String(
      {
        description: 'The deep link, to be opened exactly as it is.',
        examples: ['truecallersdk://truesdk/web_verify?type=btmsheet&requestNonce=…'],
      },
    ),
    platforms: Type.Array(Type.String(), { description: 'Where it can be opened.', examples: [['android']] }),
    notOpenedAfterMs: Type.Integer(
      { description: 'Still in focus after that: call `next` with `app_not_installed`.', examples: [600] },
    ),
  }, 'Open the deep link.'),
  action('openUrlOnCellular', {
    url,
    finish: stringEnum(
      ['code', 'none'],
      {
        description: '`code`: bring the code of the last answer, or of the redirect, by `check`; `none`: call `check` with `{}`.',
      },
    ),
  }, 'The phone opens the URL over mobile data.'),
  action('openUrl', { url }, 'Open the URL in a browser.'),
  action('submitToken', {
    sdk: Type.String({ description: 'Which SDK is to be run.', examples: ['otpless'] }),
    params: Type.Record(
      Type.String(), Type.String(),
      {
        description: 'What the SDK is started with: public ids, nonce or state.', examples: [{ appId: 'YOUR_APP_ID' }],
      },
    ),
  }, 'Run the SDK, bring what it gives by `check`.'),
  action('submitCode', {
    length: Type.Integer({ description: 'How many digits the code has.', examples: [6] }), channels,
    attemptsRemaining: Type.Optional(Type.Integer({ description: 'Wrong codes still allowed.', examples: [5] })),
  }, 'Ask the user for the code, bring it by `check`.'),
  action('openMessageLink', { channels }, 'The user opens the link in the message.'),
  action('answerCall', {}, 'The user approves by answering a call.'),
  action(
    'wait', {},
    'Nothing to do: the attempt is being started, or evidence is being checked. Read the verification with `wait`.',
  ),
], { title: 'NextAction', description: 'What the front end must do now. A `type` that you do not know means: call `next`.' })
export type NextAction = Static<typeof NextAction>

const statuses = ['pending', 'verified', 'failed', 'expired', 'canceled'] as const satisfies readonly Status[]
const provider = Type.String({ description: 'The part of the method before the dot.', examples: ['truid'] })
const revision = Type.Integer(
  {
    description: 'Goes up by one with every visible change: what is not above the last one you saw is old.',
    examples: [3],
  },
)
const Json = Type.Unsafe<unknown>({ description: 'Any JSON value.' })
const text = (description: string, example: string) => Type.Optional(Type.String({ description, examples: [example] }))

const Attempt = Type.Object({
  id: Type.String(
    { description: 'Name of the attempt.', examples: ['att_m3Q0v7cW1kXr2dPz'] },
  ), method: Method, provider,
  status: stringEnum(
    [...statuses, 'skipped'],
    { description: '`skipped`: never started. `failed`: its reason says why, and the next one may have started.' },
  ),
  reason: nullable(
    reason,
    {
      description: 'Why it ended; null while pending, when verified, and when skipped because it cannot serve this verification.',
    },
  ),
  startedAt: time('When it was begun.'), endedAt: nullable(time('When it ended.')),
}, { title: 'Attempt', description: 'One try with one method.' })

export const Profile = Type.Object({
  name: Type.Optional(Type.Object({
    first: text('Given name, or the whole name where the provider has only one.', 'Ada'),
    last: text('Family name.', 'Example'),
  }, {
    description: 'Name of the user.',
  })),
  email: text(
    'E-mail address, not verified by us.', 'ada@example.com',
  ), gender: text('As the provider writes it.', 'F'),
  avatarUrl: text(
    'Picture of the user.', 'https://www.example.com/avatars/3',
  ), company: text('Where the user works.', 'Example Ltd'),
  jobTitle: text('What the user does there.', 'Engineer'), about: text(
    'What the user says of himself or herself.', 'Likes mountains.',
  ),
  url: text('Home page of the user.', 'https://www.example.com'),
  addresses: Type.Optional(Type.Array(Type.Object({
    countryCode: text('ISO 3166-1 alpha-2.', 'US'), city: text('City.', 'Springfield'), street: text(
      'Street and number.', 'Main Street 1',
    ),
    zipcode: text('Postal code.', '94016'),
  }), { description: 'Postal addresses.' })),
  badges: Type.Optional(Type.Array(Type.String(), { description: 'Marks of the provider.', examples: [['verified']] })),
}, { title: 'Profile', description: 'What the provider told of the user; absent is unknown.' })

const Result = Type.Object({
  phoneNumber: Type.String(
    { description: 'The proven number, E.164; masked for a client secret.', examples: ['+14155550100'] },
  ), method: Method, provider,
  verifiedAt: time('When it was proven.'),
  profile: nullable(Profile, { description: 'Kept only for apps with `includeProfile`; null for a client secret.' }),
  signals: nullable(
    Type.Record(Type.String(), Json, { description: 'By name, as the provider gave them.' }),
    { description: 'Risk signals; null where the provider gives none, and for a client secret.' },
  ),
}, { title: 'Result', description: 'What was proven.' })

const verificationProperties = {
  id: Type.String({ description: 'Unguessable, safe in URLs.', examples: ['ver_Yd0cA4o5jCkYlY2xXzVb7QBmJ2kQhQ'] }),
  status: stringEnum(statuses, { description: 'All but `pending` are final, and written once.' }),
  verified: Type.Boolean({ description: 'True if and only if `status` is `verified`: the number was proven.' }),
  reason: nullable(reason, { description: 'Set on failed, expired and canceled.' }),
  phoneNumber: nullable(
    Type.String({ examples: ['+14155550100'] }),
    { description: 'E.164. Null while a discovery method has not told us; masked for a client secret.' },
  ),
  reference: nullable(Type.String({ examples: ['signup-8842'] }), { description: 'The app\'s own id.' }),
  metadata: Type.Record(
    Type.String(), Type.String(),
    { description: 'As the app gave it; empty for a client secret.', examples: [{ plan: 'pro' }] },
  ),
  nextAction: nullable(NextAction, { description: 'What the front end must do now. Null when final.' }),
  availableActions: Type.Array(Type.Object({
    action: stringEnum(['next', 'resend'], { description: 'The call of that name.' }), availableAt: time('Not before.'),
    remaining: Type.Optional(Type.Integer({ description: 'How often still.', examples: [2] })),
  }), { description: 'What else the front end may do, and from when.' }),
  workflow: Type.Array(Type.Object({
    method: Method, timeoutSeconds: Type.Number({ description: 'Life of its attempt.', examples: [60] }),
  }), { description: 'The methods, in the order in which they are tried.' }),
  attempts: Type.Array(Attempt, { description: 'What was tried, oldest first: number i is item i of the workflow.' }),
  result: nullable(Result, { description: 'Set on verified.' }),
  revision,
  createdAt: time('When it was created.'), updatedAt: time('When it last changed.'), expiresAt: time(
    'When it ends at the latest.',
  ),
}

export const VerificationView = Type.Object(verificationProperties, {
  title: 'Verification', description: 'One lifecycle, whatever the provider. Ignore members that you do not know: there may be more one day.',
})
export type VerificationView = Static<typeof VerificationView>

export const CreatedView = Type.Object({
  ...verificationProperties,
  clientSecret: Type.String({
    description: 'For the front end: opens this verification only. Told here and never again.', examples: ['vcs_…'],
  }),
}, { title: 'CreatedVerification', description: 'A verification, and the secret that lets a front end follow it.' })
export type CreatedView = Static<typeof CreatedView>

const nextCursor = nullable(
  Type.String(), { description: 'Ask for the next page with it as `cursor`; null: this was the last.' },
)
export const VerificationList = Type.Object({
  data: Type.Array(VerificationView, { description: 'Newest first.' }), nextCursor,
}, {
  title: 'VerificationList', description: 'Verifications of the app.',
})

export const DeliveryView = Type.Object({
  id: Type.String({ description: 'Name of the delivery.', examples: ['whd_Yd0cA4o5jCkYlY2xXzVb7QBmJ2kQhQ_5'] }),
  webhookId: Type.String(
    {
      description: 'The header `webhook-id`: the same on every try and replay.',
      examples: ['msg_Yd0cA4o5jCkYlY2xXzVb7QBmJ2kQhQ_5'],
    },
  ),
  type: Type.String({ description: 'Type of the event.', examples: ['verification.verified', 'webhook.test'] }),
  verificationId: nullable(
    Type.String({ examples: ['ver_Yd0cA4o5jCkYlY2xXzVb7QBmJ2kQhQ'] }),
    { description: 'Which verification it tells of. Null for a test.' },
  ),
  url: Type.String(
    { description: 'Where it was sent, without the query.', examples: ['https://shop.example/hooks/verigate'] },
  ),
  status: stringEnum(deliveryStatuses, { description: '`failed`: no try is left, or none is of use.' }),
  tries: Type.Array(Type.Object({
    at: time('When it was made.'), statusCode: nullable(
      Type.Integer({ examples: [204] }), { description: 'Of the answer. Null when none came.' },
    ),
    durationMs: Type.Integer({ description: 'How long it took.', examples: [84] }),
    error: nullable(
      stringEnum(tryErrors),
      {
        description: 'Why no answer came. `endpoint_disabled`: it answered 410 before; `no_endpoint`: the app has no webhook any more.',
      },
    ),
  }), { description: 'The newest last, at most fifty.' }),
  nextTryAt: nullable(time('The next try.'), { description: 'When it is tried next. Null when no try is to come.' }),
}, { title: 'Delivery', description: 'One event on its way to the app.' })
export type DeliveryView = Static<typeof DeliveryView>
export const DeliveryList = Type.Object({
  data: Type.Array(DeliveryView, { description: 'Newest first.' }), nextCursor,
}, {
  title: 'DeliveryList', description: 'Deliveries to the app.',
})

const evidenceKinds = [
  'code', 'token', 'authorizationCode', 'payload', 'none',
] as const satisfies readonly EvidenceKind[]
export const ProviderItem = Type.Object({
  provider: Type.String({ description: 'Name of the provider.', examples: ['truid'] }),
  methods: Type.Array(Type.Object({
    method: Method, needsPhoneNumber: Type.Boolean({ description: 'False: it discovers the number, or does without.' }),
    evidence: Type.Array(
      stringEnum(evidenceKinds),
      {
        description: 'What `check` may bring; empty when only the provider\'s callback finishes it. `none` is the body `{}`.',
      },
    ),
    nextActions: Type.Array(
      Type.String(), { description: 'Types of `nextAction` that it may ask for.', examples: [['openUrlOnCellular']] },
    ),
  }), { description: 'What it offers here.' }),
  health: Type.Object({
    breaker: stringEnum(
      ['closed', 'open', 'halfOpen'],
      { description: '`open`: its attempts are skipped for now; `halfOpen`: one call is let through as a trial.' },
    ),
    errorRate: Type.Number({ description: 'Share of the latest calls that failed, 0 to 1.', examples: [0] }),
    lastSuccessAt: nullable(time('The last call that went well.')),
    lastFailure: nullable(
      Type.Object({ at: time('When.'), reason }), { description: 'The last call that did not go well.' },
    ),
  }, { description: 'As this process sees it.' }),
}, { title: 'Provider', description: 'A configured provider.' })
export type ProviderItem = Static<typeof ProviderItem>
export const ProviderList = Type.Object({
  data: Type.Array(
    ProviderItem, { description: 'Those whose credentials are configured.' },
  ), nextCursor: Type.Null({ description: 'Always the whole list.' }),
}, {
  title: 'ProviderList', description: 'What is configured.',
})
export type ProviderList = Static<typeof ProviderList>

const workersCheck = (word: 'stuck' | 'stopped') =>
  stringEnum(['ok', word, 'none'], { description: '`none`: this process does no jobs.' })
export const Liveness = Type.Object({
  status: stringEnum(['ok', 'stuck'], { description: '`stuck`: only another process can go on.' }),
  checks: Type.Object({
    eventLoop: stringEnum(
      ['ok', 'stuck'], { description: '`stuck`: each turn took over a second, for a minute.' },
    ), workers: workersCheck('stuck'),
  }, { description: 'What was looked at.' }),
}, { title: 'Liveness', description: 'Whether this process can go on.' })
export type Liveness = Static<typeof Liveness>

export const Readiness = Type.Object({
  status: stringEnum(['ready', 'unavailable'], { description: 'Whether to send traffic.' }),
  checks: Type.Object({
    redis: stringEnum(
      ['ok', 'unreachable'], { description: 'Whether a script of ours can be run.' },
    ), workers: workersCheck('stopped'),
    eventLoop: stringEnum(['ok', 'slow'], { description: '`slow`: requests are refused.' }),
    draining: Type.Boolean({ description: 'It is about to stop.' }),
  }, { description: 'What was looked at.' }),
}, { title: 'Readiness', description: 'Providers are no part of it: their outages are told by `GET /providers`.' })
export type Readiness = Static<typeof Readiness>

const errorCodes = Object.keys(apiErrors) as ApiErrorCode[]
export const Problem = Type.Object({
  type: Type.String({ description: 'The code as a URN.', examples: ['urn:verigate:error:invalid_request'] }),
  title: Type.String({ description: 'What the code means, in one sentence.', examples: ['The request is not valid'] }),
  status: Type.Integer({ description: 'The status of the answer.', examples: [400] }),
  detail: Type.String(
    {
      description: 'What it is about here. Never shows what was sent.',
      examples: ['`workflow/0/method` is not of the documented form.'],
    },
  ),
  code: stringEnum(
    errorCodes,
    {
      description: `What to decide by.\n\n${bulletList(errorCodes.map(code => [code, `${apiErrors[code].status}. ${apiErrors[code].title}.`]))}`,
    },
  ),
  requestId: Type.String(
    {
      description: 'Also in `x-request-id`; tell it to the operator.',
      examples: ['6f1b2c9e-8a64-4d1b-9a57-0f3f1f0f7f11'],
    },
  ),
  errors: Type.Optional(Type.Array(Type.Object({
    field: Type.String({ description: 'Path of the field.', examples: ['workflow/0/method'] }),
    message: Type.String({ description: 'What is wrong with it.', examples: ['is not of the documented form'] }),
  }), { description: 'The fields that are wrong, at most twenty.' })),
  verificationStatus: Type.Optional(
    Type.String({ description: 'With `invalid_state`: where the verification stands.', examples: ['canceled'] }),
  ),
  verificationId: Type.Optional(
    Type.String(
      {
        description: 'With `verification_in_progress`: the live one.', examples: ['ver_Yd0cA4o5jCkYlY2xXzVb7QBmJ2kQhQ'],
      },
    ),
  ),
  attemptsRemaining: Type.Optional(
    Type.Integer({ description: 'With `code_incorrect`: how many tries are left.', examples: [4] }),
  ),
}, { title: 'Problem', description: 'An error (RFC 9457). A user\'s "no" is none: it is an outcome, told by `status` and `reason`.' })
export type Problem = Static<typeof Problem>
