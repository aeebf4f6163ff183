import { Type } from 'typebox'
import { Compile } from 'typebox/compile'
import { findPhoneNumber } from '../../phone.ts'
import type { Reason } from '../../core/reasons.ts'
import type { Profile } from '../../core/vocabulary.ts'

// https://docs.truecaller.com/truecaller-sdk (mobile websites), and the web sign-up API of 2017
// (github.com/truecaller/web-login)

const text = (maxLength: number) => Type.Optional(Type.String({ maxLength }))
const accessToken = Type.String({ minLength: 1, maxLength: 2048, pattern: '^[A-Za-z0-9._~+/=-]+$' })

const callbackMessage = Compile(Type.Object({
  requestId: text(256),
  state: text(256),
  status: text(64),
  accessToken: Type.Optional(accessToken),
  endpoint: text(2048),
}))
const grant = Compile(Type.Object({ accessToken, endpoint: text(2048) }))
const accepted = Compile(Type.Object({ requestId: Type.String({ minLength: 1, maxLength: 256 }) }))
const refusal = Compile(Type.Object({ code: Type.Literal(1008) }))
const unknownKey = Compile(Type.Object({ code: Type.Literal(404) }))
const profileMessage = Compile(Type.Object({ phoneNumbers: Type.Array(Type.Unknown()) }))
const anyObject = Compile(Type.Record(Type.String(), Type.Unknown()))

type AnyObject = Record<string, unknown>
export type Grant = { accessToken: string, endpoint?: string }
export type CallbackMessage = { keys: string[] } & (
  | { kind: 'granted', grant: Grant }
  | { kind: 'opened' }
  | { kind: 'denied', reason: Reason }
  | { kind: 'unknown' }
)

/**
 * A POST to the registered callback URL, for push and web. `keys` are its correlation ids, ours first. Null: not a
 * message of Truecaller.
 */
export function readCallback (body: unknown): CallbackMessage | null {
  if (!callbackMessage.Check(body)) return null
  const { state, requestId, status, accessToken, endpoint } = body
  const keys = [state, requestId].filter(key => key !== undefined)
  if (accessToken !== undefined) return {
    keys, kind: 'granted', grant: { accessToken, ...(endpoint === undefined ? {} : { endpoint }) },
  }
  switch (status) {
    case undefined: return null
    case 'flow_invoked': return { keys, kind: 'opened' }
    case 'user_rejected': return { keys, kind: 'denied', reason: 'user_rejected' }
    // Undocumented: sent when the user chooses the footer "use another number".
    case 'use_another_number': return { keys, kind: 'denied', reason: 'abandoned' }
    default: return { keys, kind: 'unknown' }
  }
}

/** Evidence that `readCallback` returned. */
export function readGrant (evidence: unknown): Grant | null {
  return grant.Check(evidence) ? evidence : null
}

/** Whether the body of a 200 says that the push request was accepted. */
export function isAccepted (body: unknown): boolean {
  return accepted.Check(body)
}

/**
 * Why a push request was refused. Bad credentials are 404 with a code, never 401; any other 404 comes from a proxy.
 */
export function readRefusal (status: number, body: unknown): Reason {
  if (status === 403 && refusal.Check(body)) return 'number_not_registered'
  return status === 404 && unknownKey.Check(body) ? 'provider_misconfigured' : 'provider_bad_response'
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
  if (!profileMessage.Check(body)) return null
  const phoneNumber = findPhoneNumber(body.phoneNumbers, expected)
  if (phoneNumber === null) return null
  const profile = toProfile(readObject(body))
  return Object.keys(profile).length === 0 ? { phoneNumber } : { phoneNumber, profile }
}

function toProfile (from: AnyObject): Profile {
  // Plural today, singular in 2017.
  const online = { ...readObject(from.onlineIdentity), ...readObject(from.onlineIdentities) }
  const profile: Profile = readTexts({
    email: online.email,
    gender: from.gender,
    avatarUrl: from.avatarUrl,
    company: from.companyName,
    jobTitle: from.jobTitle,
    about: from.aboutMe,
    url: online.url,
  }, ['email', 'gender', 'avatarUrl', 'company', 'jobTitle', 'about', 'url'])
  const name = readTexts(readObject(from.name), ['first', 'last'])
  const addresses = readList(from.addresses).map(
    address => readTexts(readObject(address), ['countryCode', 'city', 'street', 'zipcode']),
  )
    .filter(address => Object.keys(address).length > 0)
  const badges = readList(from.badges).filter(badge => isText(badge))
  if (Object.keys(name).length > 0) profile.name = name
  if (addresses.length > 0) profile.addresses = addresses
  if (badges.length > 0) profile.badges = badges
  return profile
}

function isText (value: unknown): value is string {
  return typeof value === 'string' && value.length > 0 && value.length <= 1024
}

function readObject (value: unknown): AnyObject {
  return anyObject.Check(value) ? value : {}
}

function readList (value: unknown): unknown[] {
  return Array.isArray(value) ? value.slice(0, 10) : []
}

/** The texts with these names. A value that is empty, too long or not a text counts as absent. */
function readTexts<Name extends string> (from: AnyObject, names: readonly Name[]): { [name in Name]?: string } {
  const texts: { [name in Name]?: string } = {}
  for (const name of names) {
    const value = from[name]
    if (isText(value)) texts[name] = value
  }
  return texts
}
