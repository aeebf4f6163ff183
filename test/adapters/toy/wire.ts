import { createHmac, timingSafeEqual } from 'node:crypto'
import { Type } from 'typebox'
import { Compile } from 'typebox/compile'
import { membersOf, readNumber as readNumberOf, readText } from '../../../src/adapters/message.ts'
import { readPhoneNumber } from '../../../src/phone.ts'
import type { Reason } from '../../../src/core/reasons.ts'

// The API of the toy provider: simulator.ts is its documentation.

const token = Type.String({ minLength: 1, maxLength: 128, pattern: '^[\\w-]+$' })
const code = Compile(Type.Object({ code: Type.String({ minLength: 1, maxLength: 64, pattern: '^[\\w-]+$' }) }))
const stateOfCheck = Compile(Type.Object({ id: Type.String({ minLength: 1, maxLength: 64 }) }))
const stateOfRedirect = Compile(Type.Object({ verifier: Type.String(), token: Type.Optional(token) }))
const tokenText = Compile(token)

const statuses = ['pending', 'sms', 'proven', 'refused', 'wrong'] as const
export type Status = typeof statuses[number]
const happenings = ['sms', 'delivered', 'proven', 'refused'] as const
export type Webhook = { id: string, event: typeof happenings[number], at: number }

export const readId = (body: unknown): string | null => readText(membersOf(body).id, 64)
export function readCheck (body: unknown, id: string): Status | null {
  const known = statuses.find(status => status === membersOf(body).status)
  return known !== undefined && readId(body) === id ? known : null
}
export function readWebhook (body: unknown): Webhook | null {
  const [id, at] = [readId(body), readNumberOf(membersOf(body).at)]
  const event = happenings.find(happening => happening === membersOf(body).event)
  return id === null || at === null || event === undefined ? null : { id, event, at }
}
export function readToken (body: unknown): string | null {
  const text = readText(membersOf(body).token)
  return tokenText.Check(text) ? text : null
}
export const readNumber = (body: unknown, expected: string | null): string | null =>
  readPhoneNumber(membersOf(body).number, expected)
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
