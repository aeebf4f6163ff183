import { findPhoneNumber } from '../../phone.ts'
import type { Reason } from '../../core/reasons.ts'
import type { Profile } from '../../core/vocabulary.ts'
import { membersOf, readList, readNumber, readString, readText, type Members } from '../message.ts'
import { toProfile } from './profile.ts'

// https://docs.truecaller.com/truecaller-sdk (mobile websites), and the web sign-up API of 2017
// (github.com/truecaller/web-login)

export type Grant = { accessToken: string, endpoint?: string }
/** `state` is ours, if we sent one. `requestId` is our nonce (web), or the id of the push request. */
export type CallbackMessage = { state: string | null, requestId: string | null } & (
  | { kind: 'granted', grant: Grant }
  | { kind: 'opened' }
  | { kind: 'denied', reason: Reason }
  | { kind: 'unknown' }
)

/** A POST to the registered callback URL, for push and web. Null: not a message of Truecaller. */
export function readCallback (body: unknown): CallbackMessage | null {
  const { state, requestId, status } = membersOf(body)
  const ids = { state: readText(state), requestId: readText(requestId) }
  const grant = readGrant(body)
  if (grant !== null) return { ...ids, kind: 'granted', grant }
  const word = readString(status, 64)
  return word === null ? null : { ...ids, ...readStatus(word) }
}

/** Undocumented: `use_another_number`, `flow_cancelled`, and other words that end the user's dialog without a token. */
const endWord = /another|reject|cancel|den(y|ied)|declin|dismiss|abort|abandon|clos|skip|fail|error|expire|time_?out/

function readStatus (status: string): { kind: 'opened' | 'unknown' } | { kind: 'denied', reason: Reason } {
  const word = status.toLowerCase()
  switch (word) {
    case 'flow_invoked': return { kind: 'opened' }
    case 'user_rejected': return { kind: 'denied', reason: 'user_rejected' }
    default: return endWord.test(word) ? { kind: 'denied', reason: 'abandoned' } : { kind: 'unknown' }
  }
}

/**
 * The token, and the URL of the profile if the callback names one. Null: the token cannot be sent, or the URL is of
 * another kind. It is not replaced by the default URL, because the sender wanted another one.
 */
export function readGrant (evidence: unknown): Grant | null {
  const { accessToken: token, endpoint: url } = membersOf(evidence)
  const accessToken = readString(token, 2048)
  if (accessToken === null || !/^[A-Za-z0-9._~+/=-]+$/.test(accessToken)) return null
  if (url === undefined || url === null || url === '') return { accessToken }
  const endpoint = readString(url, 2048)
  return endpoint === null ? null : { accessToken, endpoint }
}

/**
 * The HTTP status that an answer means. An error code in the body counts more than the status line: `404`, or with five
 * digits `40101`, in `code` or, on the profile host, in `status`.
 */
export function statusOf (status: number, body: unknown): number {
  const { code, status: subcode } = membersOf(body)
  const number = readNumber(code) ?? readNumber(subcode) ?? 0
  const meant = number >= 10_000 ? Math.floor(number / 100) : number
  return meant >= 400 && meant < 600 ? meant : status
}

/** The id of an accepted push request, or why it was refused. Bad credentials are 404, also without a body. */
export function readPushAnswer (status: number, body: unknown): { requestId: string } | Reason {
  const { requestId, code } = membersOf(body)
  if (readNumber(code) === 1008) return 'number_not_registered'
  const meant = statusOf(status, body)
  if (meant === 404) return 'provider_misconfigured'
  if (meant === 429) return 'rate_limited_by_provider'
  if (meant >= 500) return 'provider_error'
  const id = readText(requestId)
  return meant < 300 && id !== null ? { requestId: id } : 'provider_bad_response'
}

/**
 * The callback names the URL that receives the token and whose answer counts as proof, and anybody can send a callback:
 * only the exact profile URL on a listed host passes. The comparison with the parsed URL refuses every other spelling
 * (case, dots, ports, user info, tabs).
 */
export function isProfileUrl (text: string, hosts: ReadonlySet<string>, allowInsecure: boolean): boolean {
  const url = URL.parse(text)
  if (url === null || !hosts.has(url.host)) return false
  return text === `https://${url.host}/v1/default` || (allowInsecure && text === `http://${url.host}/v1/default`)
}

/** Reads both documented forms (2017 and today). The expected number may be any of them. Null: it proves no number. */
export function readProfile (
  body: unknown, expected: string | null,
): { phoneNumber: string, profile?: Profile } | null {
  const members = membersOf(body)
  const { phoneNumbers } = members
  const phoneNumber = Array.isArray(phoneNumbers) ? findPhoneNumber(phoneNumbers, expected) : null
  if (phoneNumber === null) return null
  const profile = readParts(members)
  return profile === undefined ? { phoneNumber } : { phoneNumber, profile }
}

function readParts (from: Members): Profile | undefined {
  // Plural today, singular in 2017.
  const online = { ...membersOf(from.onlineIdentity), ...membersOf(from.onlineIdentities) }
  return toProfile({
    name: membersOf(from.name),
    email: online.email,
    gender: from.gender,
    avatarUrl: from.avatarUrl,
    company: from.companyName,
    jobTitle: from.jobTitle,
    about: from.aboutMe,
    url: online.url,
    addresses: readList(from.addresses, 10).map(membersOf),
    badges: from.badges,
  })
}
