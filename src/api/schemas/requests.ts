import { Type, type Static, type TSchemaOptions } from 'typebox'
import { deliveryStatuses } from '../../webhooks/delivery.ts'
import { nextReasons } from '../../core/reasons.ts'
import { Method, stringEnum } from './responses.ts'

export * from './responses.ts'

/** What comes in is closed: an unknown property is an error that names it. What goes out may grow. */
const closed = { additionalProperties: false }

const line = (maxLength: number, options: TSchemaOptions = {}) =>
  Type.String({ minLength: 1, maxLength, pattern: '^[^\\u0000-\\u001f\\u007f]*$', ...options })
const evidence = (maxLength: number, description: string, example: string) =>
  Type.String(
    {
      minLength: 1, maxLength, pattern: '^[^\\u0000-\\u0008\\u000b\\u000c\\u000e-\\u001f\\u007f]*$', description,
      examples: [example],
    },
  )
const phoneNumberExample = '+14155550100'

const Options = Type.Record(
  Type.String({ maxLength: 64 }),
  Type.Union([
    Type.String({ maxLength: 500 }), Type.Number(), Type.Boolean(), Type.Array(
      Type.String({ maxLength: 100 }), { maxItems: 20 },
    ),
  ]),
  {
    maxProperties: 40, propertyNames: { maxLength: 64 },
    description: 'Options of the method: `channels`, `codeLength` of `otpless.otp`, `version` of `truid.phone_check`, the look of `truecaller.web`. With every method `continueWhenRejected: true` lets a user\'s "no" go to the next item.',
    examples: [{ channels: ['SMS'], codeLength: 6 }],
  },
)

export const CreateBody = Type.Object({
  phoneNumber: Type.Optional(line(32, {
    description: 'The number to verify: E.164 with `+`. Left out where the method discovers it.', examples: [
      phoneNumberExample,
    ],
  })),
  workflow: Type.Optional(Type.Array(
    Type.Union([
      Method,
      Type.Object({
        method: Method,
        timeoutSeconds: Type.Optional(Type.Integer({
          minimum: 1, maximum: 3600, description: 'Life of the attempt; default by method, never past `expiresAt`.', examples: [300],
        })),
        options: Type.Optional(Options),
      }, { ...closed, title: 'WorkflowItem', description: 'A method with a life or options of its own.' }),
    ]),
    {
      minItems: 1, maxItems: 10,
      description: 'Methods in the order in which they are tried. Default: the app\'s, else every one that can serve, silent ones first.',
      examples: [['truid.phone_check', { method: 'otpless.otp', timeoutSeconds: 300 }]],
    },
  )),
  reference: Type.Optional(
    line(255, { description: 'The app\'s own id, echoed and searchable.', examples: ['signup-8842'] }),
  ),
  metadata: Type.Optional(Type.Record(
    Type.String({ maxLength: 40 }), Type.String({ maxLength: 500, pattern: '^[^\\u0000]*$' }),
    {
      maxProperties: 20, propertyNames: { minLength: 1, maxLength: 40 },
      description: 'At most 20 pairs (key ≤ 40, value ≤ 500 characters); echoed, never interpreted.', examples: [
        { plan: 'pro' },
      ],
    },
  )),
  locale: Type.Optional(Type.String({
    pattern: '^[A-Za-z]{2,8}([-_][A-Za-z0-9]{1,8})*$', maxLength: 35,
    description: 'BCP 47: the language of messages, where the provider has it.', examples: ['en-GB'],
  })),
  device: Type.Optional(Type.Object({
    ip: Type.Optional(Type.String({
      pattern: '^[0-9A-Fa-f:.]{2,45}$', description: 'The end user\'s address: for the app\'s limit per IP.', examples: ['203.0.113.7'],
    })),
    userAgent: Type.Optional(
      line(512, { description: 'Of its browser or app.', examples: ['Mozilla/5.0 (Linux; Android 15)'] }),
    ),
    platform: Type.Optional(line(32, { description: 'What it is.', examples: ['android', 'ios', 'web'] })),
  }, { ...closed, description: 'The end user\'s device, as the app knows it.' })),
  returnUrl: Type.Optional(Type.String({
    pattern: '^[A-Za-z][A-Za-z0-9+.-]*://[\\x21-\\x7e]+$', maxLength: 2048,
    description: 'Where a browser goes after a redirect method; must be on the app\'s allow-list.',
    examples: ['https://app.example/verified'],
  })),
  expiresInSeconds: Type.Optional(Type.Integer({
    minimum: 30, maximum: 86_400, description: 'Life of the verification; 600 when absent.', examples: [600],
  })),
  onConflict: Type.Optional(stringEnum(['error', 'replace'], {
    description: 'When that number has a live verification: `error` (default: 409 with its id) or `replace` (it is canceled).',
  })),
}, {
  ...closed, title: 'CreateVerification', description: 'What is to be verified, and how. An unknown member is an error that names it.',
})
export type CreateRequest = Static<typeof CreateBody>

export const CheckBody = Type.Union([
  Type.Object({ code: evidence(256, 'What the user typed, or what the redirect brought.', '550100') }, {
    ...closed, title: 'CodeEvidence', description: 'For `submitCode`, and for `openUrlOnCellular` with `finish: "code"`.',
  }),
  Type.Object({ token: evidence(4096, 'What the OTPLESS front-end SDK gave.', '7f4c2a9be0d14c6f8a35b1e09d7c4f62') }, {
    ...closed, title: 'TokenEvidence', description: 'For `submitToken`.',
  }),
  Type.Object({
    authorizationCode: evidence(4096, 'Of the Truecaller SDK 3.x.', 'a1b2c3d4'), codeVerifier: evidence(
      4096, 'The PKCE verifier the front end made.', 'dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk',
    ),
  }, { ...closed, title: 'AuthorizationCodeEvidence', description: 'For `submitToken` of `truecaller.oauth`.' }),
  Type.Object({
    payload: evidence(
      16_384, 'Of the legacy Truecaller SDK.', 'eyJyZXF1ZXN0Tm9uY2UiOiI…',
    ), signature: evidence(4096, 'Base64.', 'MEUCIQD…'),
    signatureAlgorithm: evidence(4096, 'Of the payload.', 'SHA512withRSA'),
  }, { ...closed, title: 'PayloadEvidence', description: 'For `submitToken` of `truecaller.payload`.' }),
  Type.Unsafe<Record<string, never>>(
    Type.Object({}, { ...closed, title: 'NoEvidence', description: 'The device is done: ask the provider.' }),
  ),
], { title: 'Evidence', description: 'Exactly one kind of evidence; an absent body is `{}`.' })
export type Evidence = Static<typeof CheckBody>

export const NextBody = Type.Object({
  reason: Type.Optional(
    stringEnum(nextReasons, { description: 'Why the current attempt is given up; `abandoned` when absent.' }),
  ),
}, { ...closed, title: 'NextAttempt', description: 'Why it goes on.' })
export type NextRequest = Static<typeof NextBody>

export const EmptyBody = Type.Object({}, { ...closed, description: 'Nothing; the body may be absent.' })

export const VerificationParams = Type.Object({
  id: Type.String({ description: 'The verification\'s id.', examples: ['ver_Yd0cA4o5jCkYlY2xXzVb7QBmJ2kQhQ'] }),
}, closed)
export const ProviderParams = Type.Object(
  { provider: Type.String({ description: 'Name of the provider.', examples: ['truecaller'] }) }, closed,
)
export const CallbackParams = Type.Object({
  ...ProviderParams.properties, key: Type.String(
    {
      description: 'Ours, single attempt, unguessable.', examples: ['Yd0cA4o5jCkYlY2xXzVb7QBmJ2kQhQAb3dE5fG7hJ9kLmNpQ'],
    },
  ),
}, closed)

export const DeliveryParams = Type.Object({
  deliveryId: Type.String({ description: 'The delivery\'s id.', examples: ['whd_Yd0cA4o5jCkYlY2xXzVb7QBmJ2kQhQ_5'] }),
}, closed)

export const CreateHeaders = Type.Object({
  'idempotency-key': Type.Optional(Type.String({
    pattern: '^[\\x21-\\x7e]{1,255}$',
    description: 'Visible ASCII, 1 to 255 characters, kept for 24 hours. The same key with the same body gives the same verification.',
    examples: ['signup-8842'],
  })),
})
export const GetQuery = Type.Object({
  wait: Type.Optional(
    Type.Integer({ minimum: 0, maximum: 30, description: 'Seconds to wait for a change (long poll).', examples: [25] }),
  ),
  revision: Type.Optional(Type.Integer({
    minimum: 0, description: 'The revision the caller has; answered at once when it has passed.', examples: [3],
  })),
}, closed)
/** Closed as the others, but a browser's `EventSource` can say nothing except by the address. */
export const EventsQuery = Type.Object({
  clientSecret: Type.Optional(
    Type.String(
      { maxLength: 200, description: 'The client secret, where no header can be sent: a browser\'s `EventSource`.' },
    ),
  ),
  lastEventId: Type.Optional(Type.Integer({
    minimum: 0, description: 'The revision the caller has, as `Last-Event-ID` where no header can be sent.', examples: [3],
  })),
}, closed)
export const EventsHeaders = Type.Object({
  'last-event-id': Type.Optional(
    Type.String(
      { description: 'The revision the caller has: sent by an `EventSource` that reconnects.', examples: ['3'] },
    ),
  ),
})
export const ListQuery = Type.Object({
  reference: Type.Optional(line(255, { description: 'The app\'s own id, to the letter.', examples: ['signup-8842'] })),
  phoneNumber: Type.Optional(
    line(32, { description: 'E.164 with `+`, which is written `%2B` in a URL.', examples: [phoneNumberExample] }),
  ),
  limit: Type.Optional(
    Type.Integer({ minimum: 1, maximum: 100, default: 20, description: 'At most so many.', examples: [20] }),
  ),
}, closed)
export const DeliveriesQuery = Type.Object({
  cursor: Type.Optional(
    Type.String(
      { pattern: '^[A-Za-z0-9_-]{1,200}$', description: '`nextCursor` of the page before; absent: the first page.' },
    ),
  ),
  limit: Type.Optional(
    Type.Integer({ minimum: 1, maximum: 100, default: 20, description: 'At most so many.', examples: [20] }),
  ),
  status: Type.Optional(stringEnum(deliveryStatuses, { description: 'Only those in this state.' })),
}, closed)
