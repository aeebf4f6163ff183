import { type Static, type TSchema, Type } from 'typebox'
import Value from 'typebox/value'
import { whatsappFrom } from './account.ts'

/** "Don't use a leading + or 00", and at most 15 digits. */
const to = Type.String({ pattern: '^[1-9][0-9]{6,14}$' })
const reuseCode = Type.Optional(Type.Boolean())
const strict = { additionalProperties: false }
const peid = Type.Optional(Type.String({ minLength: 1, maxLength: 20 }))

/** The steps of a workflow by channel. https://developer.vonage.com/en/api/verify.v2#newRequest */
const steps = {
  silent_auth: Type.Object({
    channel: Type.Literal('silent_auth'), to,
    redirect_url: Type.Optional(Type.String({ pattern: '^https?://[^\\s#]+$' })),
    coverage_check: Type.Optional(Type.Boolean()),
    mode: Type.Optional(Type.Enum(['standard', 'advanced'])),
  }, strict),
  sms: Type.Object({
    channel: Type.Literal('sms'), to,
    from: Type.Optional(Type.String({ pattern: '^([1-9][0-9]{6,14}|[A-Za-z0-9 ]{1,11})$' })),
    entity_id: peid, content_id: peid,
    app_hash: Type.Optional(Type.String({ minLength: 11, maxLength: 11 })),
    reuse_code: reuseCode,
  }, strict),
  whatsapp: Type.Object({
    channel: Type.Literal('whatsapp'), to, from: Type.Literal(whatsappFrom),
    mode: Type.Optional(Type.Enum(['zero_tap', 'otp_code'])),
    reuse_code: reuseCode,
  }, strict),
  voice: Type.Object({ channel: Type.Literal('voice'), to, reuse_code: reuseCode }, strict),
}

export type Channel = keyof typeof steps
export type Step = { [C in Channel]: Static<typeof steps[C]> }[Channel]

const NewRequest = Type.Object({
  brand: Type.String({ minLength: 1, maxLength: 18, pattern: '^[^\\/{}:$]*$' }),
  workflow: Type.Array(Type.Object({ channel: Type.Enum(Object.keys(steps) as Channel[]) }), {
    minItems: 1, maxItems: 3,
  }),
  locale: Type.Optional(Type.String({ pattern: '^[a-z]{2,3}(-[a-z]{2})?$' })),
  channel_timeout: Type.Optional(Type.Integer({ minimum: 15, maximum: 900 })),
  client_ref: Type.Optional(Type.String({ minLength: 1, maxLength: 40, pattern: '^[a-zA-Z0-9]*$' })),
  code_length: Type.Optional(Type.Integer({ minimum: 4, maximum: 10 })),
  code: Type.Optional(Type.String({ pattern: '^[a-zA-Z0-9]{4,10}$' })),
  template_id: Type.Optional(Type.String({ minLength: 1 })),
  fraud_check: Type.Optional(Type.Boolean()),
}, strict)

export type NewRequest = Omit<Static<typeof NewRequest>, 'workflow'> & { workflow: Step[] }
/** A member of `invalid_parameters`. */
export type InvalidParameter = { name: string, reason: string }

function faultsOf (schema: TSchema, value: unknown, prefix: readonly string[] = []): InvalidParameter[] {
  return Value.Errors(schema, value).flatMap(error => {
    const path = [...prefix, ...error.instancePath.split('/').filter(part => part !== '')]
    const missing = error.keyword === 'required' ? error.params.requiredProperties : []
    return missing.length > 0
      ? missing.map(name => ({ name: [...path, name].join('.'), reason: `${name} is required` }))
      : [{ name: path.join('.') || 'body', reason: error.message }]
  })
}

/** The request that a body is, or what is wrong with it. */
export function readNewRequest (body: unknown): NewRequest | InvalidParameter[] {
  const faults = faultsOf(NewRequest, body)
  if (faults.length > 0) return faults
  const request = body as NewRequest
  const stepFaults = request.workflow.flatMap((step, index) =>
    faultsOf(steps[step.channel], step, ['workflow', String(index)]))
  const isLate = request.workflow.some(({ channel }, index) => channel === 'silent_auth' && index > 0)
  return stepFaults.length > 0
    ? stepFaults
    : isLate ? [{ name: 'workflow', reason: 'silent_auth must be the first channel' }] : request
}
