import type { Assurance } from '../../core/assurance.ts'
import type { Reason } from '../../core/reasons.ts'
import type { Json, Profile } from '../../core/vocabulary.ts'
import { readPhoneNumber } from '../../phone.ts'
import { membersOf, readBoolean, readList, readNumber, readText, type Members } from '../message.ts'
import { assuranceOfIdentity } from './assurance.ts'
import { readError, readErrorCode } from './wire.ts'

// https://otpless.com/docs/api-reference/endpoint/verifytoken/verify-token-with-secure-data

const dateTime = /^\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)$/i

/** The clocks of OTPLESS and of this gateway may differ by this much. */
const maxSkewMs = 60_000
const maxIdentities = 64
const maxSignalBytes = 8 * 1024
const maxSignalDepth = 32

export type Proof = {
  phoneNumber: string, profile?: Profile, signals: { [name: string]: Json }, assurance: Assurance,
}

/** The number to verify, if there is one, and the time in which a proof must have come about (ms since the epoch). */
export type Asked = { phoneNumber: string | null, startedAt: number, now: number }

/**
 * What a token proves: a MOBILE identity that was verified during the attempt, the expected one if it is among them. An
 * e-mail address, a number that OTPLESS did not verify, and one of which it does not say so or when, prove nothing.
 */
export function judgeToken (status: number, body: unknown, asked: Asked): Proof | Reason {
  const error = readError(status, body)
  // The documented error of this call has a message only: a 400 means the token.
  if (error !== null) return status === 400 && readErrorCode(body) === null ? 'evidence_invalid' : error
  const answer = membersOf(body)
  if (answer.status !== 'SUCCESS' || !Array.isArray(answer.identities)) return 'provider_bad_response'
  const issuedAt = readTime(answer.timestamp) ?? readTime(answer.completedAt)
  const mobiles = readList(answer.identities, maxIdentities).map(membersOf)
    .filter(({ identityType }) => identityType === 'MOBILE')
    .map(identity => judgeIdentity(identity, issuedAt, asked))
  const expected = mobiles.filter(({ phoneNumber }) => phoneNumber !== null && phoneNumber === asked.phoneNumber)
  const judged = expected.length > 0 ? expected : mobiles
  for (const { phoneNumber, verified, evidence, profile, assurance } of judged) {
    if (verified !== 'yes' || phoneNumber === null) continue
    const { network, deviceInfo: device, secureInfo: secure } = answer
    const proof = { phoneNumber, assurance, signals: readSignals({ network, device, secure, identity: evidence }) }
    return Object.keys(profile).length > 0 ? { ...proof, profile } : proof
  }
  if (judged.some(({ verified }) => verified === 'before')) return 'evidence_expired'
  const isDenied = judged.length > 0 && judged.every(({ verified }) => verified === 'no')
  return isDenied ? 'number_mismatch' : 'evidence_invalid'
}

type Identity = {
  phoneNumber: string | null
  /** `before`: earlier than the attempt. `unknown`: neither yes nor no, or no time, or no number that can be read. */
  verified: 'yes' | 'before' | 'no' | 'unknown'
  evidence: Json
  profile: Profile
  assurance: Assurance
}

function judgeIdentity (identity: Members, issuedAt: number | null, asked: Asked): Identity {
  const phoneNumber = readPhoneNumber(identity.identityValue, asked.phoneNumber)
  const verifiedAt = readTime(identity.verifiedAt) ?? readTime(identity.verifiedTimestamp)
  const channel = readText(identity.channel, 64)
  const methods = readList(identity.methods, 16).flatMap(method => readText(method, 64) ?? [])
  const evidence = { channel, methods, verifiedAt: verifiedAt === null ? null : new Date(verifiedAt).toISOString() }
  return {
    phoneNumber, evidence, profile: readProfile(identity), assurance: assuranceOfIdentity(evidence),
    verified: judgeVerified(readBoolean(identity.verified), phoneNumber, [issuedAt, verifiedAt], asked),
  }
}

function judgeVerified (
  verified: boolean | null, phoneNumber: string | null, times: (number | null)[], { startedAt, now }: Asked,
): Identity['verified'] {
  if (verified === false) return 'no'
  if (verified === null || phoneNumber === null) return 'unknown'
  if (times.some(time => time !== null && time < startedAt - maxSkewMs)) return 'before'
  return times.every(time => time !== null && time <= now + maxSkewMs) ? 'yes' : 'unknown'
}

/** Ms since the epoch. OTPLESS writes times as RFC 3339 and as seconds or milliseconds since the epoch. */
function readTime (value: unknown): number | null {
  const number = readNumber(value)
  const parsed = Date.parse(typeof value === 'string' && dateTime.test(value) ? value : '')
  const time = number === null ? parsed : number < 1e11 ? number * 1000 : number
  return Number.isNaN(new Date(time).valueOf()) ? null : time
}

function readProfile ({ name, picture }: Members): Profile {
  // One display name, and nothing says where the first name ends.
  const [first, avatarUrl] = [readText(name), readText(picture, 1024)]
  return { ...first === null ? {} : { name: { first } }, ...avatarUrl === null ? {} : { avatarUrl } }
}

function readSignals (from: { [name: string]: unknown }): { [name: string]: Json } {
  const signals: { [name: string]: Json } = {}
  for (const [name, value] of Object.entries(from)) {
    if (typeof value !== 'object' || value === null || isDeeper(value, maxSignalDepth)) continue
    const text = JSON.stringify(value)
    if (Buffer.byteLength(text) <= maxSignalBytes) signals[name] = JSON.parse(text)
  }
  return signals
}

/** Whether it has more than `maxDepth` levels. `JSON.stringify` fails on a value that is nested too deeply. */
function isDeeper (value: unknown, maxDepth: number): boolean {
  return typeof value === 'object' && value !== null && (
    maxDepth === 0 || Object.values(value).some(member => isDeeper(member, maxDepth - 1))
  )
}
