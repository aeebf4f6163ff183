import { Type, type Static, type TObject, type TSchema } from 'typebox'
import Value from 'typebox/value'
import type { Reason } from '../../core/reasons.ts'

/**
 * What an entry of `PROVIDERS_FILE` consists of. `errorMessage` says what a value must be: it is shown when one is
 * wrong, and editors that know the JSON schema show it too.
 */

const closed = { additionalProperties: false }
const must = (errorMessage: string) => ({ errorMessage })

const pointerPattern = '^(/([^~/]|~[01])*)+$'
const Pointer = (description: string) => Type.String({
  pattern: pointerPattern, maxLength: 200, description,
  ...must('must be a JSON pointer (RFC 6901) of at most 200 characters, such as /messages/0/id'),
})

/** Why a service does not send a message. */
const refusalReasons = [
  'number_not_registered', 'carrier_unsupported', 'provider_misconfigured', 'rate_limited_by_provider',
  'provider_error',
] as const satisfies readonly Reason[]

const scalars = 'must be a text, a number or a boolean'
const Match = Type.Record(
  Type.String(), Type.Union([Type.String(), Type.Number(), Type.Boolean()], must(scalars)), {
    description: 'Values that the answer must have, by JSON pointer. A number and its text are equal.',
    ...must('must be an object of JSON pointers and values, such as { "/code": 21211 }'),
  },
)
const Words = (status: string) => Type.Optional(Type.Array(
  Type.Union([Type.String(), Type.Number()], must('must be a text or a number')), {
    minItems: 1, description: `The words that mean ${status}.`,
    ...must('must be a list of the words of the service, such as ["delivered"]'),
  },
))

const Request = Type.Object({
  method: Type.Optional(Type.Enum(['POST', 'GET', 'PUT'], {
    description: 'POST unless another one is given.', ...must('must be POST, GET or PUT'),
  })),
  url: Type.String({
    minLength: 1, maxLength: 2048, description: 'An https URL. Placeholders may stand in its path and query.',
    ...must('must be an https URL of at most 2048 characters, such as https://sms.example.com/messages'),
  }),
  headers: Type.Optional(Type.Record(Type.String(), Type.String({
    maxLength: 4096, ...must('must be a text of at most 4096 characters'),
  }), {
    description: '`Basic user:password` is encoded. The content type is JSON unless it says form.',
    ...must('must be an object of names and texts, such as { "authorization": "Bearer ${env:ACME_TOKEN}" }'),
  })),
  body: Type.Optional(Type.Record(Type.String(), Type.Unknown(), {
    description: 'JSON with placeholders in its texts, or the fields of a form.',
    ...must('must be an object, such as { "to": "{phoneNumber}", "text": "{text}" }'),
  })),
}, { ...closed, ...must('must be an object with url, headers and body') })

const Accepted = Type.Object({
  status: Type.Array(Type.Integer({ minimum: 200, maximum: 299, ...must('must be a status from 200 to 299') }), {
    minItems: 1, ...must('must be a list of statuses from 200 to 299, such as [200, 202]'),
  }),
  match: Type.Optional(Match),
  id: Type.Optional(Pointer('Where the answer has the id of the message.')),
}, { ...closed, ...must('must be an object such as { "status": [200], "id": "/id" }') })

const Refused = Type.Object({
  status: Type.Integer({
    minimum: 200, maximum: 499, not: { const: 429 },
    ...must('must be a status from 200 to 499: the gateway reads 429 and 5xx itself'),
  }),
  match: Type.Optional(Match),
  reason: Type.Enum([...refusalReasons], must(`must be one of ${refusalReasons.join(', ')}`)),
}, { ...closed, ...must('must be an object such as { "status": 400, "reason": "number_not_registered" }') })

const Text = Type.Record(Type.String(), Type.String({
  minLength: 1, maxLength: 500, ...must('must be a text of 1 to 500 characters with {code}'),
}), {
  description: 'The text of the message by language tag. `default` is for every other language.',
  ...must('must be an object such as { "default": "{code} is your code for {app}" }'),
})

const Receipt = Type.Object({
  status: Pointer('Where a receipt has its status.'),
  sent: Words('sent'), delivered: Words('delivered'), read: Words('read'), failed: Words('not delivered'),
}, { ...closed, ...must('must be an object such as { "status": "/status", "delivered": ["delivered"] }') })

export const Entry = Type.Object({
  name: Type.String({
    pattern: '^[a-z]+(-[a-z0-9]+)?$', maxLength: 32, description: 'The part of the method before the dot.',
    ...must('must be at most 32 lower-case letters, such as acme; a hyphen and letters or digits may follow'),
  }),
  channel: Type.String({
    pattern: '^[a-z]+(_[a-z]+)*$', maxLength: 31, description: 'The part of the method after the dot.',
    ...must('must be at most 31 lower-case letters and underscores, such as sms, whatsapp or voice_call'),
  }),
  restricted: Type.Optional(Type.Boolean({
    description: 'NIST SP 800-63B restricts SMS and voice (true for sms and voice_call, otherwise false).',
    ...must('must be true or false'),
  })),
  request: Request,
  accepted: Accepted,
  refused: Type.Optional(Type.Array(Refused, { maxItems: 50, ...must('must be a list of at most 50 objects') })),
  text: Type.Optional(Text),
  codeLength: Type.Optional(Type.Integer({
    minimum: 4, maximum: 10, description: 'Digits of the code (6).', ...must('must be a whole number from 4 to 10'),
  })),
  receipt: Type.Optional(Receipt),
}, { ...closed, ...must('must be an object with name, channel, request and accepted') })
export type Entry = Static<typeof Entry>

export const maxProviders = 50

/** The JSON schema of `PROVIDERS_FILE`. */
export const ProvidersFile = Type.Array(Entry, {
  $schema: 'https://json-schema.org/draft/2020-12/schema', title: 'Verigate PROVIDERS_FILE',
  maxItems: maxProviders, ...must(`must be a list of at most ${maxProviders} providers`),
})

/** What is wrong at a place of the file: a JSON pointer, and a sentence without its subject. It shows no value. */
export type Problem = { path: string, message: string }

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
const isTObject = (schema: TSchema): schema is TObject => 'properties' in schema
const sentenceOf = (schema: TSchema): string => String(Reflect.get(schema, 'errorMessage') ?? 'is not valid')
export const inPointer = (name: string): string => name.replaceAll('~', '~0').replaceAll('/', '~1')

/** Every value whose shape is wrong, every member that is unknown or missing: all of them at once. */
export function findMisshapen (schema: TSchema, value: unknown, path = ''): Problem[] {
  const wrong = { path, message: sentenceOf(schema) }
  if (isTObject(schema)) return isObject(value) ? findInObject(schema, value, path) : [wrong]
  const members: unknown = Reflect.get(schema, 'patternProperties')
  if (isObject(members)) {
    const [member]: (TSchema | undefined)[] = Object.values(members as Record<string, TSchema>)
    if (!isObject(value) || member === undefined) return [wrong]
    return Object.entries(value).flatMap(([name, one]) => findMisshapen(member, one, `${path}/${inPointer(name)}`))
  }
  const items: unknown = Reflect.get(schema, 'items')
  if (!isObject(items)) return Value.Check(schema, value) ? [] : [wrong]
  const { minItems = 0, maxItems = Infinity } = schema as { minItems?: number, maxItems?: number }
  if (!Array.isArray(value) || value.length < minItems || value.length > maxItems) return [wrong]
  return value.flatMap((one, index) => findMisshapen(items as TSchema, one, `${path}/${index}`))
}

function findInObject (schema: TObject, value: Record<string, unknown>, path: string): Problem[] {
  const { properties } = schema
  const required: readonly string[] | undefined = schema.required
  const known = Object.keys(properties)
  const unknown = Object.keys(value).filter(name => !known.includes(name))
  return [
    ...unknown.map(name => ({
      path: `${path}/${inPointer(name)}`, message: `is not a member: use ${known.join(', ')}`,
    })),
    ...Object.entries(properties).flatMap(([name, schema]) => {
      if (Object.hasOwn(value, name)) return findMisshapen(schema, value[name], `${path}/${name}`)
      return required?.includes(name) === true
        ? [{ path: `${path}/${name}`, message: `is missing: it ${sentenceOf(schema)}` }]
        : []
    }),
  ]
}
