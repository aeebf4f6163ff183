/** What a token can open. */
export const apiScopes = [
  'number-verification:verify', 'number-verification:device-phone-number:read',
  'one-time-password-sms:send-validate', 'sim-swap', 'sim-swap:check', 'sim-swap:retrieve-date',
] as const
export type ApiScope = (typeof apiScopes)[number]

const isPurpose = (scope: string): boolean => /^dpv:[A-Za-z]+$/.test(scope)

/**
 * The scopes of a request; undefined: one is unknown, none opens an API, or there is not exactly one purpose.
 * https://github.com/camaraproject/IdentityAndConsentManagement, Security and Interoperability Profile, "Purpose as a
 * scope"
 */
export function readScopes (text: string | undefined): string[] | undefined {
  const scopes = [...new Set((text ?? '').split(' ').filter(scope => scope !== ''))]
  const ofApis = scopes.filter(scope => apiScopes.some(known => known === scope))
  const purposes = scopes.filter(isPurpose)
  const known = ofApis.length + purposes.length + Number(scopes.includes('openid'))
  return ofApis.length > 0 && purposes.length === 1 && known === scopes.length ? scopes : undefined
}
