import { Type, type Static, type TSchemaOptions } from 'typebox'
import { deliveryStatuses } from '../../webhooks/delivery.ts'
import { assuranceLevels } from '../../core/assurance.ts'
import { nextReasons } from '../../core/reasons.ts'
import type { SubmittedEvidence } from '../../verifications/submitted-evidence.ts'
import type { CreateRequest as CreateVerification } from '../../verifications/create.ts'
import type { EligibilityRequest } from '../../verifications/eligibility.ts'
import { Method, phoneNumberExample, stringEnum, verificationIdExample, type Assignable } from './fields.ts'

/** Requests are closed: an unknown property is an error that names it. Responses may grow. */
const closed = { additionalProperties: false }

const line = (maxLength: number, options: TSchemaOptions = {}) =>
  Type.String({ minLength: 1, maxLength, pattern: '^[^\\u0000-\\u001f\\u007f]*$', ...options })
const evidence = (maxLength: number, description: string, example: string) =>
  Type.String({
    minLength: 1, maxLength, pattern: '^[^\\u0000-\\u0008\\u000b\\u000c\\u000e-\\u001f\\u007f]*$', description,
    examples: [example],
  })

const OptionValue = Type.Union([
  Type.String({ maxLength: 500 }), Type.Number(), Type.Boolean(),
  Type.Array(Type.String({ maxLength: 100 }), { maxItems: 20 }),
])
const Options = Type.Record(Type.String({ maxLength: 64 }), OptionValue, {
  maxProperties: 40, propertyNames: { maxLength: 64 },
  description: 'Options of the method: `channels` and `codeLength` of `otpless.otp`, `version` of `truid.phone_check`, '
    + 'the appearance of `truecaller.web`. With every method, `continueWhenRejected: true` continues with the next '
    + 'item when the user refuses.',
  examples: [{ channels: ['SMS'], codeLength: 6 }],
})
const WorkflowItem = Type.Union([
  Method,
  Type.Object({
    method: Method,
    timeoutSeconds: Type.Optional(Type.Integer({
      minimum: 1, maximum: 3600, examples: [300],
      description: 'Timeout of the attempt. The default depends on the method; `expiresAt` is the upper limit.',
    })),
    options: Type.Optional(Options),
  }, { ...closed, title: 'WorkflowItem', description: 'A method with a timeout or options.' }),
])
const Device = Type.Object({
  ip: Type.Optional(Type.String({
    pattern: '^[0-9A-Fa-f:.[\\]]{2,64}$', examples: ['203.0.113.7'],
    description: 'The end user\'s IPv4 or IPv6 address, for the app\'s limit per address. A port is dropped.',
  })),
  userAgent: Type.Optional(line(512, {
    description: 'User agent of the browser or app.', examples: ['Mozilla/5.0 (Linux; Android 15)'],
  })),
  platform: Type.Optional(line(32, { description: 'Platform of the device.', examples: ['android', 'ios', 'web'] })),
}, { ...closed, title: 'Device', description: 'The end user\'s device.' })

export const CreateBody = Type.Object({
  phoneNumber: Type.Optional(line(32, {
    description: 'The number to verify: E.164 with `+`. Omit it when the method discovers the number.',
    examples: [phoneNumberExample],
  })),
  workflow: Type.Optional(Type.Array(WorkflowItem, {
    minItems: 1, maxItems: 10,
    description: 'Methods in the order in which they are tried. Default: the app\'s workflow, or the configured '
      + 'methods that can serve the request, silent ones first: of several of the same kind, such as the typed codes '
      + 'of two providers, one whose provider works.',
    examples: [['truid.phone_check', { method: 'otpless.otp', timeoutSeconds: 300 }]],
  })),
  reference: Type.Optional(line(255, {
    description: 'The app\'s own id. Returned unchanged; verifications can be found by it.', examples: ['signup-8842'],
  })),
  metadata: Type.Optional(Type.Record(
    Type.String({ maxLength: 40 }), Type.String({ maxLength: 500, pattern: '^[^\\u0000]*$' }), {
      maxProperties: 20, propertyNames: { minLength: 1, maxLength: 40 }, examples: [{ plan: 'pro' }],
      description: 'At most 20 pairs (key ≤ 40, value ≤ 500 characters). Returned unchanged, never interpreted.',
    },
  )),
  locale: Type.Optional(Type.String({
    pattern: '^[A-Za-z]{2,8}([-_][A-Za-z0-9]{1,8})*$', maxLength: 35, examples: ['en-GB'],
    description: 'BCP 47 tag: the language of messages, if the provider supports it.',
  })),
  device: Type.Optional(Device),
  returnUrl: Type.Optional(Type.String({
    pattern: '^[A-Za-z][A-Za-z0-9+.-]*:/[\\x21-\\x7e]*$', maxLength: 2048,
    description: 'Where the browser goes after a redirect method, with `verification` and `code` or `error` added to '
      + 'its query. Must match the app\'s allow-list. A fragment is not allowed.',
    examples: ['https://app.example/verified', 'com.example.app:/verified'],
  })),
  expiresInSeconds: Type.Optional(Type.Integer({
    minimum: 30, maximum: 86_400, description: 'Lifetime of the verification. Default: 600.', examples: [600],
  })),
  onConflict: Type.Optional(stringEnum(['error', 'replace'], {
    title: 'OnConflict',
    description: 'When the number already has a live verification: `error` (default) returns 409 with its id, '
      + '`replace` cancels it. It is 409, too, when both have a `reference` and the references differ.',
  })),
  minAssurance: Type.Optional(Type.Enum([...assuranceLevels], {
    type: 'integer', examples: [2],
    description: 'The least `assurance.level` that verifies: methods below it are not started. '
      + 'Default: the app\'s, else 1.',
  })),
}, {
  ...closed, title: 'CreateVerification',
  description: 'What to verify, and how. An unknown member is an error that names the member.',
})
export type CreateRequest = Assignable<Static<typeof CreateBody>, CreateVerification>

export const CheckBody = Type.Union([
  Type.Object({ code: evidence(2048, 'The code that the user typed, or the code of the redirect.', '550100') }, {
    ...closed, title: 'CodeEvidence',
    description: 'For `submitCode`, `openMessageLink` and `openUrl`, and `openUrlOnCellular` with `finish: "code"`.',
  }),
  Type.Object({ token: evidence(4096, 'The token of the front-end SDK.', '7f4c2a9be0d14c6f8a35b1e09d7c4f62') }, {
    ...closed, title: 'TokenEvidence', description: 'For `submitToken`.',
  }),
  Type.Object({
    authorizationCode: evidence(4096, 'The authorization code of the Truecaller SDK 3.x.', 'a1b2c3d4'),
    codeVerifier: evidence(
      4096, 'The PKCE verifier that the front end created.', 'dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk',
    ),
  }, { ...closed, title: 'AuthorizationCodeEvidence', description: 'For `submitToken` of `truecaller.oauth`.' }),
  Type.Object({
    payload: evidence(16_384, 'The payload of the legacy Truecaller SDK.', 'eyJyZXF1ZXN0Tm9uY2UiOiI…'),
    signature: evidence(4096, 'The signature, in base64.', 'MEUCIQD…'),
    signatureAlgorithm: evidence(4096, 'The algorithm of the signature.', 'SHA512withRSA'),
  }, { ...closed, title: 'PayloadEvidence', description: 'For `submitToken` of `truecaller.payload`.' }),
  Type.Unsafe<Record<string, never>>(
    Type.Object({}, {
      ...closed, title: 'NoEvidence', description: 'The device is done: the gateway queries the provider.',
    }),
  ),
], { title: 'Evidence', description: 'Exactly one kind of evidence. An absent body is `{}`.' })
export type Evidence = Assignable<Static<typeof CheckBody>, SubmittedEvidence>

export const NextBody = Type.Object({
  reason: Type.Optional(stringEnum(nextReasons, {
    title: 'NextReason', description: 'Why the current attempt ends. Default: `abandoned`.',
  })),
  revision: Type.Optional(Type.Integer({
    minimum: 0, examples: [3],
    description: 'The `revision` that the caller has read. If the verification has a newer one, nothing is done: 409.',
  })),
}, { ...closed, title: 'NextAttempt', description: 'Why the next attempt starts.' })
export type NextRequest = Static<typeof NextBody>

export const EmptyBody = Type.Object({}, {
  ...closed, title: 'EmptyBody', description: 'No members; the body may be absent.',
})

export const EligibilityBody = Type.Object({
  phoneNumber: line(32, { description: 'E.164 with `+`.', examples: [phoneNumberExample] }),
  device: Type.Optional(Device),
}, { ...closed, title: 'EligibilityQuestion', description: 'The number, and the device of its user.' })
export type EligibilityQuestion = Assignable<Static<typeof EligibilityBody>, EligibilityRequest>

export const VerificationParams = Type.Object({
  id: Type.String({ description: 'Id of the verification.', examples: [verificationIdExample] }),
}, closed)
export const ProviderParams = Type.Object({
  provider: Type.String({ description: 'Name of the provider.', examples: ['truecaller'] }),
}, closed)
export const CallbackParams = Type.Object({
  ...ProviderParams.properties,
  key: Type.String({
    description: 'Issued by the gateway: names one attempt, and is unguessable.',
    examples: ['Yd0cA4o5jCkYlY2xXzVb7QBmJ2kQhQAb3dE5fG7hJ9kLmNpQ'],
  }),
}, closed)
export const DeliveryParams = Type.Object({
  deliveryId: Type.String({ description: 'Id of the delivery.', examples: ['whd_Yd0cA4o5jCkYlY2xXzVb7QBmJ2kQhQ_5'] }),
}, closed)

export const CreateHeaders = Type.Object({
  'idempotency-key': Type.Optional(Type.String({
    pattern: '^[\\x21-\\x7e]{1,255}$', examples: ['signup-8842'],
    description: 'Up to 255 visible ASCII characters, stored for 24 hours. The same key with the same body returns the '
      + 'same verification.',
  })),
})
/** Integers of a query string have at most 15 digits. */
const maxQueryInteger = 999_999_999_999_999

export const GetQuery = Type.Object({
  wait: Type.Optional(Type.Integer({
    minimum: 0, maximum: 30, description: 'Seconds to wait for a change (long poll).', examples: [25],
  })),
  revision: Type.Optional(Type.Integer({
    minimum: 0, maximum: maxQueryInteger, examples: [3],
    description: 'The last revision the caller read. A newer one is returned immediately.',
  })),
}, closed)
export const EventsQuery = Type.Object({
  clientSecret: Type.Optional(Type.String({
    maxLength: 200, description: 'The client secret, for a browser\'s `EventSource`, which cannot send headers.',
  })),
  lastEventId: Type.Optional(Type.Integer({
    minimum: 0, maximum: maxQueryInteger, examples: [3],
    description: 'Like the header `Last-Event-ID`, for clients that cannot send headers.',
  })),
}, closed)
export const EventsHeaders = Type.Object({
  'last-event-id': Type.Optional(Type.String({
    description: 'The last revision the caller received. An `EventSource` sends it when it reconnects.',
    examples: ['3'],
  })),
})
const limit = Type.Optional(Type.Integer({
  minimum: 1, maximum: 100, default: 20, description: 'Maximum number of items.', examples: [20],
}))
export const ListQuery = Type.Object({
  reference: Type.Optional(
    line(255, { description: 'The app\'s own id, compared exactly.', examples: ['signup-8842'] }),
  ),
  phoneNumber: Type.Optional(line(32, {
    description: 'E.164 with `+`, encoded as `%2B` in a URL.', examples: [phoneNumberExample],
  })),
  limit,
}, closed)
export const DeliveriesQuery = Type.Object({
  cursor: Type.Optional(Type.String({
    pattern: '^[A-Za-z0-9_-]{1,200}$', description: '`nextCursor` of the previous page. Absent: the first page.',
  })),
  limit,
  status: Type.Optional(stringEnum(deliveryStatuses, { description: 'Only deliveries with this status.' })),
}, closed)
