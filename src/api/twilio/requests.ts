import { Type, type Static } from 'typebox'
import { ApiError } from '../../core/errors.ts'
import { channels } from './channels.ts'

/** The form parameters of Twilio that are understood: https://www.twilio.com/docs/verify/api */

const closed = { additionalProperties: false }
const To = Type.String({ minLength: 1, maxLength: 64 })
const Flag = Type.Enum(['true', 'false'])

export const CreateForm = Type.Object({
  To,
  Channel: Type.Enum([...channels]),
  Locale: Type.Optional(Type.String({ pattern: '^[A-Za-z]{2,8}([-_][A-Za-z0-9]{1,8})*$', maxLength: 35 })),
  DeviceIp: Type.Optional(Type.String({ minLength: 1, maxLength: 64 })),
  EnableSnaClientToken: Type.Optional(Flag),
  /** The limits of the gateway hold with either value. */
  RiskCheck: Type.Optional(Type.Enum(['enable', 'disable'])),
  Tags: Type.Optional(Type.String({ maxLength: 4096 })),
}, closed)
export type CreateForm = Static<typeof CreateForm>

export const CheckForm = Type.Object({
  To: Type.Optional(To),
  VerificationSid: Type.Optional(Type.String({ minLength: 1, maxLength: 64 })),
  Code: Type.Optional(Type.String({ minLength: 1, maxLength: 256 })),
  SnaClientToken: Type.Optional(Type.String({ minLength: 1, maxLength: 4096 })),
}, closed)
export type CheckForm = Static<typeof CheckForm>

export const UpdateForm = Type.Object({ Status: Type.Enum(['canceled', 'approved']) }, closed)

/** The members of a form body. Of a repeated one, the last. */
export const readForm = (text: string): { [name: string]: string } => Object.fromEntries(new URLSearchParams(text))

/** A `+` that was not encoded as `%2B` arrives as a space. */
export const readTo = (text: string): string => text.replace(/^ /, '+')

const maxTags = 10
const maxTagLength = 128

/** `Tags`, a JSON map, as metadata. Throws `ApiError` invalid_request. */
export function readTags (text: string | undefined): { [name: string]: string } {
  if (text === undefined) return {}
  const tags = parseJson(text)
  const entries = typeof tags === 'object' && tags !== null && !Array.isArray(tags) ? Object.entries(tags) : null
  const isValid = entries !== null && entries.length <= maxTags && entries.every(([name, value]) =>
    name !== '__proto__' && name.length <= maxTagLength && typeof value === 'string'
      && value.length <= maxTagLength && !value.includes('\0'))
  if (isValid) return Object.fromEntries(entries.map(([name, value]) => [name, String(value)]))
  const message = `must be a JSON map of at most ${maxTags} texts of at most ${maxTagLength} characters`
  throw new ApiError('invalid_request', `\`Tags\` ${message}.`, { errors: [{ field: 'Tags', message }] })
}

function parseJson (text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}
