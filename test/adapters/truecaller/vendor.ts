import type { Ending, Vendor } from '../../../src/conformance/index.ts'

/** What the tests of the methods share: settings that point at the test's vendor, and endings. */

export const appKey = 'Js9t3518a9eb2b6804160957f7b438dcc01ac'
export const clientId = 'qz4fupwn14zc1qt0hcljoq5dkbxpbo6ki_tv3jgrphq'

export const settings = ({ origin, host }: Vendor) => ({
  TRUECALLER_APP_KEY: appKey,
  TRUECALLER_PARTNER_NAME: 'Tea & Co',
  TRUECALLER_API_URL: origin,
  TRUECALLER_PROFILE_URL: origin,
  TRUECALLER_PROFILE_HOSTS: host,
  TRUECALLER_OAUTH_URL: origin,
  TRUECALLER_OTP_URL: origin,
})

export const invalid = { verdict: 'denied', reason: 'evidence_invalid' } as const
export const tooLate = { verdict: 'denied', reason: 'evidence_expired' } as const
export const badResponse: Partial<Ending> = { failed: 'provider_bad_response', retryable: false }
export const misconfigured: Partial<Ending> = { failed: 'provider_misconfigured', retryable: false }
export const outage: Partial<Ending> = { failed: 'provider_error', retryable: true }
