import type { App } from './apps.ts'
import type { UnverifiedBudget } from './unverified-budget.ts'
import { ApiError, type RefusalCause } from '../core/errors.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import { type Sealer, numberTag } from '../store/sealing.ts'
import { noCountry } from '../core/vocabulary.ts'

/** Which countries' numbers an app may verify. */
export type CountryPolicy = {
  /**
   * Throws `ApiError` country_not_allowed, or rate_limited when the country exceeds its budget of unverified creates.
   * In monitor mode it only counts and logs.
   */
  assertAllowed (app: App, requested: { number: string, country: string | null }, at: number): void
}

export type CountryPolicyParts = {
  budget: Pick<UnverifiedBudget, 'exceeded'>
  sealer: Pick<Sealer, 'keyedHash'>
  metrics: Pick<Metrics, 'countMonitored'>
  log: Logger
}

/** Whether the app's lists allow numbers of this country. */
export const allowsCountry = ({ allowedCountries, deniedCountries }: App, country: string): boolean =>
  allowedCountries?.includes(country) !== false && deniedCountries?.includes(country) !== true

export function createCountryPolicy ({ budget, sealer, metrics, log }: CountryPolicyParts): CountryPolicy {
  return {
    assertAllowed (app, { number, country }, at) {
      const requested = country ?? noCountry
      const monitor = (cause: RefusalCause): void => {
        metrics.countMonitored(cause)
        log.warn({ audit: 'monitored', app: app.id, cause, numberTag: numberTag(sealer, number) }, 'audit')
      }
      if (!allowsCountry(app, requested)) {
        if (app.countryMode === 'monitor') monitor('country_not_allowed')
        else {
          throw new ApiError('country_not_allowed', 'This app may not verify numbers of this country.', {
            errors: [{ field: 'phoneNumber', message: 'is of a country that is not allowed' }],
            refusal: { cause: 'country_not_allowed', numberTag: numberTag(sealer, number) },
          })
        }
      }
      const mode = app.unverifiedBudget?.mode ?? 'monitor'
      const exceeded = mode === 'off' ? null : budget.exceeded(app, requested, at)
      if (exceeded === null) return
      if (mode === 'monitor') return monitor('unverified_budget')
      throw new ApiError('rate_limited', 'Too many verifications of numbers of this country remain unverified.', {
        retryAfterSeconds: exceeded.retryAfterMs / 1000,
        refusal: { cause: 'unverified_budget', numberTag: numberTag(sealer, number) },
      })
    },
  }
}
