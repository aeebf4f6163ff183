import { Type, type Static, type TLiteral, type TObject, type TSchema, type TSchemaOptions } from 'typebox'
import type { Status } from '../../core/verification.ts'
import { deliveryReceiptStatuses, type Action } from '../../core/vocabulary.ts'
import {
  Assurance, Method, nullable, openEnum, phoneNumberExample, Reason, stringEnum, time, verificationIdExample,
} from './fields.ts'

const titleOf = (type: string): string => `${type.charAt(0).toUpperCase()}${type.slice(1)}Action`
const action = <Name extends Action['type'] | 'wait', Fields extends Record<string, TSchema>>(
  type: Name, fields: Fields, description: string,
) => Type.Object(
  { type: Type.Literal(type), ...fields, expiresAt: time('When the attempt expires.') },
  { title: titleOf(type), description },
)
/** A union that is discriminated by `type`. */
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
const channels = Type.Array(Type.String(), { description: 'The channels of the message.', examples: [['SMS']] })
const url = (...examples: string[]) => Type.String({ description: 'Open it unchanged.', examples })
const checkUrl = 'https://eu.api.tru.id/phone_check/v0.2/checks/c69bc0e6-a429-11ea-bb37-0242ac130002/redirect'

export const NextAction = oneOfTypes([
  action('approveOnDevice', {
    app: Type.String({ description: 'The app that asks the user.', examples: ['truecaller'] }),
  }, 'The user approves in this app on the handset.'),
  action('openDeepLink', {
    url: url('truecallersdk://truesdk/web_verify?type=btmsheet&requestNonce=…'),
    platforms: Type.Array(Type.String(), { description: 'Where the deep link works.', examples: [['android']] }),
    notOpenedAfterMs: Type.Integer({
      minimum: 0,
      description: 'If the page still has the focus after this time, call `next` with `app_not_installed`.',
      examples: [600],
    }),
  }, 'Open the deep link.'),
  action('openUrlOnCellular', {
    url: url(checkUrl),
    finish: stringEnum(['code', 'none'], {
      description: '`code`: submit the code of the final response, or of the redirect, with `check`; '
        + '`none`: call `check` with `{}`.',
    }),
  }, 'Open the URL on the phone over mobile data.'),
  action('openUrl', { url: url(checkUrl) }, 'Open the URL in a browser.'),
  action('submitToken', {
    sdk: Type.String({ description: 'The SDK to run.', examples: ['otpless'] }),
    params: Type.Record(Type.String(), Type.String(), {
      description: 'Parameters of the SDK: public ids, nonce or state.', examples: [{ appId: 'YOUR_APP_ID' }],
    }),
  }, 'Run the SDK and submit its result with `check`.'),
  action('submitCode', {
    length: Type.Integer({ minimum: 1, description: 'Number of digits of the code.', examples: [6] }), channels,
    attemptsRemaining: Type.Optional(
      Type.Integer({ minimum: 0, description: 'How many wrong codes are still allowed.', examples: [5] }),
    ),
    autofill: Type.Optional(Type.Object({
      webOtp: Type.String({
        description: 'The last line of the message, with which WebOTP and iOS offer the code to the page of this host.',
        examples: ['@app.example #code'],
      }),
    }, {
      title: 'Autofill', description: 'Present where the text of the message lets the device fill in the code.',
    })),
  }, 'Ask the user for the code and submit it with `check`.'),
  action('openMessageLink', { channels }, 'The user opens the link in the message.'),
  action('answerCall', {}, 'The user approves by answering a call.'),
  action(
    'wait', {},
    'No action: the attempt is being started, or evidence is being checked. Read the verification with `wait`.',
  ),
], {
  title: 'NextAction', description: 'What the front end must do now. If you do not know a `type`, call `next`.',
})
export type NextAction = Static<typeof NextAction>

const statuses = ['pending', 'verified', 'failed', 'expired', 'canceled'] as const satisfies readonly Status[]
const provider = Type.String({ description: 'The part of the method before the dot.', examples: ['truid'] })
const Json = Type.Unsafe<unknown>({ description: 'Any JSON value.' })
const text = (description: string, example: string) => Type.Optional(Type.String({ description, examples: [example] }))

const AttemptStatus = stringEnum([...statuses, 'skipped'], {
  title: 'AttemptStatus',
  description: '`skipped`: never started. `failed`: see `reason`; the next attempt may have started.',
})
const MessageReceipt = Type.Object({
  status: openEnum(deliveryReceiptStatuses, {
    title: 'MessageStatus',
    description: '`delivered`: it is on the phone; `failed`: it does not arrive. A later status replaces an earlier '
      + 'one, and a message by another channel replaces one that failed.',
  }),
  channel: Type.String({ description: 'How it was sent.', examples: ['sms', 'whatsapp', 'viber', 'voice_call'] }),
  at: time('When the provider says that it happened.'),
}, { title: 'MessageReceipt', description: 'What the provider says about a message. It proves nothing.' })
const Cost = Type.Object({
  amount: Type.Number({ description: 'In the unit `currency`.', examples: [1] }),
  currency: Type.String({ description: 'ISO 4217, or a unit of the provider.', examples: ['API'] }),
}, { title: 'Cost', description: 'What the provider announced to charge.' })

const Attempt = Type.Object({
  id: Type.String({ description: 'Id of the attempt.', examples: ['att_m3Q0v7cW1kXr2dPz'] }),
  method: Method, provider, status: AttemptStatus,
  reason: nullable(Reason, {
    description: 'Why the attempt ended. Null while it is pending, when it is verified, and when it was skipped '
      + 'because the method cannot serve this verification.',
  }),
  startedAt: time('When the attempt started.'),
  endedAt: nullable(time('When the attempt ended.')),
  delivery: nullable(MessageReceipt, {
    description: 'How far the last message of the attempt has come. Null without a receipt of the provider: many send '
      + 'none. It proves nothing.',
  }),
  cost: nullable(Cost, {
    description: 'What the provider announced to charge; null if it announced nothing, and for a client secret.',
  }),
}, { title: 'Attempt', description: 'One attempt with one method.' })

const Address = Type.Object({
  countryCode: text('ISO 3166-1 alpha-2.', 'US'), city: text('City.', 'Springfield'),
  street: text('Street and number.', 'Main Street 1'), zipcode: text('Postal code.', '94016'),
}, { title: 'Address', description: 'A postal address.' })
const Profile = Type.Object({
  name: Type.Optional(Type.Object({
    first: text('Given name, or the full name where the provider has only one.', 'Ada'),
    last: text('Family name.', 'Example'),
  }, { title: 'PersonName', description: 'Name of the user.' })),
  email: text('E-mail address, not verified by this gateway.', 'ada@example.com'),
  gender: text('In the spelling of the provider.', 'F'),
  avatarUrl: text('Picture of the user: an https URL.', 'https://www.example.com/avatars/3'),
  company: text('Employer of the user.', 'Example Ltd'),
  jobTitle: text('Job title of the user.', 'Engineer'),
  about: text('The user\'s own description.', 'Likes mountains.'),
  url: text('Home page of the user: an https URL.', 'https://www.example.com'),
  addresses: Type.Optional(Type.Array(Address, { description: 'Postal addresses.' })),
  badges: Type.Optional(
    Type.Array(Type.String(), { description: 'Badges of the provider.', examples: [['verified']] }),
  ),
}, { title: 'Profile', description: 'The user\'s profile from the provider, without control '
  + 'characters. An absent member is unknown.' })

const Result = Type.Object({
  phoneNumber: Type.String({
    description: 'The proven number, E.164; masked for a client secret.', examples: [phoneNumberExample],
  }),
  method: Method, provider,
  verifiedAt: time('When the number was proven.'),
  profile: nullable(Profile, { description: 'Stored only for apps with `includeProfile`; null for a client secret.' }),
  signals: nullable(Type.Record(Type.String(), Json, { description: 'Named and valued as the provider sent them.' }), {
    description: 'Risk signals; null if the provider sends none, and for a client secret.',
  }),
  assurance: Assurance,
}, { title: 'Result', description: 'What was proven.' })

const AvailableAction = Type.Object({
  action: openEnum(['next', 'resend'], { title: 'ActionName', description: 'The call of this name.' }),
  availableAt: time('The earliest time for it.'),
  remaining: Type.Optional(
    Type.Integer({ minimum: 0, description: 'How many times it can still be used.', examples: [2] }),
  ),
}, { title: 'AvailableAction', description: 'What else the front end may do.' })
const WorkflowStep = Type.Object({
  method: Method, timeoutSeconds: Type.Number({ minimum: 0, description: 'Timeout of the attempt.', examples: [60] }),
}, { title: 'WorkflowStep', description: 'One method of the workflow.' })
const VerificationStatus = stringEnum(statuses, {
  title: 'VerificationStatus', description: 'All but `pending` are final and never change.',
})

export const VerificationView = Type.Object({
  id: Type.String({ description: 'Unguessable and URL-safe.', examples: [verificationIdExample] }),
  status: VerificationStatus,
  verified: Type.Boolean({ description: 'True if and only if `status` is `verified`: the number was proven.' }),
  reason: nullable(Reason, { description: 'Set when the status is failed, expired or canceled.' }),
  phoneNumber: nullable(Type.String({ examples: [phoneNumberExample] }), {
    description: 'E.164. Null until a discovery method returns the number; masked for a client secret.',
  }),
  reference: nullable(Type.String({ examples: ['signup-8842'] }), {
    description: 'The app\'s own id; null for a client secret.',
  }),
  metadata: Type.Record(Type.String(), Type.String(), {
    description: 'Returned unchanged; empty for a client secret.', examples: [{ plan: 'pro' }],
  }),
  nextAction: nullable(NextAction, { description: 'What the front end must do now. Null when final.' }),
  availableActions: Type.Array(AvailableAction, {
    description: 'What else the front end may do, and the earliest time for it.',
  }),
  workflow: Type.Array(WorkflowStep, { description: 'The methods in the order in which they are tried.' }),
  attempts: Type.Array(Attempt, {
    description: 'The attempts, oldest first: attempt number i uses item i of the workflow.',
  }),
  result: nullable(Result, { description: 'Set when the status is verified.' }),
  revision: Type.Integer({
    minimum: 0,
    description: 'Incremented with every visible change. Ignore a state whose revision is not above the last one you '
      + 'read.',
    examples: [3],
  }),
  createdAt: time('When the verification was created.'),
  updatedAt: time('When it last changed.'),
  expiresAt: time('When it expires.'),
}, {
  title: 'Verification',
  description: 'One lifecycle for all providers. Ignore unknown members: more may be added.',
})
export type VerificationView = Static<typeof VerificationView>

export const CreatedView = Type.Intersect([VerificationView, Type.Object({
  clientSecret: Type.String({
    description: 'For the front end: gives access to this verification only. Only this response contains it.',
    examples: ['vcs_…'],
  }),
})], { title: 'CreatedVerification', description: 'A verification and its client secret for the front end.' })
export type CreatedView = Static<typeof CreatedView>

export const FoundVerification = Type.Intersect([VerificationView, Type.Object({
  appId: Type.Optional(Type.String({
    description: 'The app that it belongs to. Only when an operator searches over all apps.', examples: ['shop'],
  })),
})], { title: 'FoundVerification', description: 'A verification that a search has found.' })
export type FoundVerification = Static<typeof FoundVerification>
