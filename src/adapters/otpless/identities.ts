import type { Reason } from '../../core/reasons.ts'
import type { Json, Profile } from '../../core/vocabulary.ts'
import { readPhoneNumber } from '../../phone.ts'
import { membersOf, readBoolean, readList, readText, type Members } from '../message.ts'
import { maxSkewMs, readTime } from './time.ts'

// The user as the calls validate token, verify code and status describe them, each with other names for the times:
// https://otpless.com/docs/api-reference/endpoint/verifytoken/verify-token-with-secure-data, …/sign-in/magiclink/
// verify-code, …/sign-in/call-approval/request-status, …/sign-in/sna/status

const maxIdentities = 64
const maxSignalBytes = 8 * 1024
const maxSignalDepth = 32

/** `channel` and `methods` say how the number was verified. */
export type Proof = {
  phoneNumber: string, profile?: Profile, signals: { [name: string]: Json }, channel: string | null, methods: string[]
}

/** The number to verify, if there is one, and when it must have been verified (ms since the epoch). */
export type Asked = { phoneNumber: string | null, startedAt: number, now: number }

/**
 * What a user's identities prove: a MOBILE identity that was verified during the attempt, the expected one if it is
 * among them. An e-mail address, a number that OTPLESS did not verify, and one of which it does not say so or when,
 * prove nothing.
 */
export function judgeIdentities (answer: Members, asked: Asked): Proof | Reason {
  if (answer.status !== 'SUCCESS' || !Array.isArray(answer.identities)) return 'provider_bad_response'
  const issuedAt = readTime(answer.timestamp) ?? readTime(answer.completedAt)
  const mobiles = readList(answer.identities, maxIdentities).map(membersOf)
    .filter(({ identityType }) => identityType === 'MOBILE')
    .map(identity => judgeIdentity(identity, issuedAt, asked))
  const expected = mobiles.filter(({ phoneNumber }) => phoneNumber !== null && phoneNumber === asked.phoneNumber)
  const judged = expected.length > 0 ? expected : mobiles
  for (const { phoneNumber, verified, evidence, profile } of judged) {
    if (verified !== 'yes' || phoneNumber === null) continue
    const { channel, methods } = evidence
    const proof = { phoneNumber, channel, methods, signals: readSignals(answer, evidence) }
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
  evidence: { channel: string | null, methods: string[], verifiedAt: string | null }
  profile: Profile
}

function judgeIdentity (identity: Members, issuedAt: number | null, asked: Asked): Identity {
  const phoneNumber = readPhoneNumber(identity.identityValue, asked.phoneNumber)
  const verifiedAt = readTime(identity.verifiedAt) ?? readTime(identity.verifiedTimestamp)
  const channel = readText(identity.channel, 64)
  const methods = readList(identity.methods, 16).flatMap(method => readText(method, 64) ?? [])
  return {
    phoneNumber, profile: readProfile(identity),
    evidence: { channel, methods, verifiedAt: verifiedAt === null ? null : new Date(verifiedAt).toISOString() },
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

function readProfile ({ name, picture }: Members): Profile {
  // One display name, and nothing says where the first name ends.
  const [first, avatarUrl] = [readText(name), readText(picture, 1024)]
  return { ...first === null ? {} : { name: { first } }, ...avatarUrl === null ? {} : { avatarUrl } }
}

/** What OTPLESS says about the device, the network and the number, besides the identity itself. */
function readSignals (answer: Members, identity: Identity['evidence']): { [name: string]: Json } {
  const { network, networkDetail, deviceInfo: device, secureInfo: secure, phoneDetail: phone, simDetail: sim } = answer
  const from = { network: network ?? networkDetail, device, secure, phone, sim, identity }
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
