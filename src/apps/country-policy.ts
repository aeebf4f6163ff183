import type { App } from './apps.ts'
import { ApiError } from '../core/errors.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import { type Sealer, numberTag } from '../store/sealing.ts'
import { noCountry } from '../core/vocabulary.ts'

/** Which countries' numbers an app may verify. */
export type CountryPolicy = {
  /** Throws `ApiError` country_not_allowed. In monitor mode it only counts and logs. */
  assertAllowed (app: App, requested: { number: string, country: string | null }): void
  /** Whether `assertAllowed` would throw nothing; counts and logs nothing. */
  isAllowed (app: App, country: string | null): boolean
}

export type CountryPolicyParts = {
  sealer: Pick<Sealer, 'keyedHash'>
  metrics: Pick<Metrics, 'countMonitored'>
  log: Pick<Logger, 'warn'>
}

/** Whether the app's lists allow numbers of this country. */
export const allowsCountry = ({ allowedCountries, deniedCountries }: App, country: string): boolean =>
  allowedCountries?.includes(country) !== false && deniedCountries?.includes(country) !== true

export function createCountryPolicy ({ sealer, metrics, log }: CountryPolicyParts): CountryPolicy {
  return {
    isAllowed: (app, country) => app.countryMode === 'monitor' || allowsCountry(app, country ?? noCountry),
    assertAllowed (app, { number, country }) {
      if (allowsCountry(app, country ?? noCountry)) return
      const refusal = { cause: 'country_not_allowed' as const, numberTag: numberTag(sealer, number) }
      if (app.countryMode === 'monitor') {
        metrics.countMonitored(refusal.cause)
        log.warn({ audit: 'monitored', app: app.id, ...refusal }, 'audit')
        return
      }
      throw new ApiError('country_not_allowed', 'This app may not verify numbers of this country.', {
        errors: [{ field: 'phoneNumber', message: 'is of a country that is not allowed' }], refusal,
      })
    },
  }
}
