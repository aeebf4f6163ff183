import type { Reason } from '../../core/reasons.ts'
import { refusal } from '../refusal.ts'
import { invalid, provider, readRefusal, type Flow, type FlowParts } from './flow.ts'
import { isProfileUrl, readGrant, readProfile } from './wire.ts'

// https://docs.truecaller.com/truecaller-sdk/mobile-websites/fetch-user-profile

/**
 * The assurance of push and web. The dialog does not say for which web page the user approves, so an attacker can have
 * a victim approve the attacker's verification.
 */
export const bindingNone = { possession: 'account', binding: 'none', restricted: false } as const

/** `profileUrl`: the origin from which profiles are read when a callback names no URL. */
export type ProfileHosts = { profileUrl: string, profileHosts: ReadonlySet<string>, allowInsecure: boolean }

/** 401: expired. The others: what a profile host answers to a token that it does not accept. */
const meanings: Readonly<Record<number, Reason>> = {
  401: 'evidence_expired', 400: 'evidence_invalid', 403: 'evidence_invalid', 404: 'evidence_invalid',
  410: 'evidence_invalid', 422: 'evidence_invalid',
}

/** Reads the profile of the user who granted the access token that a callback brought. */
export function createResolveGrant (
  { profileUrl, profileHosts, allowInsecure }: ProfileHosts, { http }: FlowParts,
): Flow['resolve'] {
  return async ({ phoneNumber }, evidence) => {
    const grant = readGrant(evidence)
    const url = grant?.endpoint ?? `${profileUrl}/v1/default`
    if (grant === null || !isProfileUrl(url, profileHosts, allowInsecure)) return invalid
    const call = 'profile'
    const headers = { authorization: `Bearer ${grant.accessToken}`, 'cache-control': 'no-cache' }
    const answer = await http({ method: 'GET', url, call, headers })
    const refused = readRefusal(call, answer, meanings)
    if (refused !== null) return refused
    const profile = readProfile(answer.body, phoneNumber)
    if (profile === null) throw refusal(provider, call, 'provider_bad_response', answer)
    return { verdict: 'proven', ...profile }
  }
}
