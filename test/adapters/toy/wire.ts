import { createHmac, timingSafeEqual } from 'node:crypto'
import { Type } from 'typebox'
import { Compile } from 'typebox/compile'
import { readPhoneNumber } from '../../../src/phone.ts'
import type { Reason } from '../../../src/core/reasons.ts'

// The API of the toy provider: simulator.ts is its documentation.

const id = Type.String({ minLength: 1, maxLength: 64 })
const token = Type.String({ minLength: 1, maxLength: 128, pattern: '^[\\w-]+$' })
const created = Compile(Type.Object({ id }))
const check = Compile(Type.Object({ id, status: Type.Enum(['pending', 'sms', 'proven', 'refused', 'wrong']) }))
const webhook = Compile(
  Type.Object({ id, event: Type.Enum(['sms', 'delivered', 'proven', 'refused']), at: Type.Integer() }),
)
const issued = Compile(Type.Object({ token }))
const owner = Compile(Type.Object({ number: Type.Union([Type.String(), Type.Number()]) }))
const code = Compile(Type.Object({ code: Type.String({ minLength: 1, maxLength: 64, pattern: '^[\\w-]+$' }) }))
const stateOfCheck = Compile(Type.Object({ id }))
const stateOfRedirect = Compile(Type.Object({ verifier: Type.String(), token: Type.Optional(token) }))

export type Status = 'pending' | 'sms' | 'proven' | 'refused' | 'wrong'
export type Webhook = { id: string, event: 'sms' | 'delivered' | 'proven' | 'refused', at: number }

export const readId = (body: unknown): string | null => created.Check(body) ? body.id : null
export const readCheck = (body: unknown, id: string): Status | null =>
  check.Check(body) && body.id === id ? body.status : null
export const readWebhook = (body: unknown): Webhook | null => webhook.Check(body) ? body : null
export const readToken = (body: unknown): string | null => issued.Check(body) ? body.token : null
export const readNumber = (body: unknown, expected: string | null): string | null =>
  owner.Check(body) ? readPhoneNumber(body.number, expected) : null
export const readCode = (evidence: unknown): string | null => code.Check(evidence) ? evidence.code : null
export const readCheckId = (state: unknown): string | null => stateOfCheck.Check(state) ? state.id : null
export const readRedirect = (state: unknown): { verifier: string, token?: string } | null =>
  stateOfRedirect.Check(state) ? state : null

/** Why a request was refused. */
export const readRefusal = (status: number): Reason =>
  status === 401 ? 'provider_misconfigured' : 'provider_bad_response'

export function isSigned (rawBody: Buffer, signature: unknown, secret: string): boolean {
  const expected = Buffer.from(createHmac('sha256', secret).update(rawBody).digest('base64url'))
  const given = Buffer.from(typeof signature === 'string' ? signature : '')
  return given.length === expected.length && timingSafeEqual(given, expected)
}
