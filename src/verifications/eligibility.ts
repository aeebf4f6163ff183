import type { AttemptContext, Method } from '../adapters/adapter.ts'
import type { AdapterMap, GuardedAdapter } from '../adapters/guard.ts'
import type { App } from '../apps/apps.ts'
import type { CountryPolicy } from '../apps/country-policy.ts'
import { findIneligibility, type IneligibilityReason } from '../core/eligibility.ts'
import { takesTypedCode, type RoutingContext } from '../core/routing.ts'
import type { Store } from '../store/record-store.ts'
import type { Sealer } from '../store/sealing.ts'
import type { Tracing } from '../telemetry/tracing.ts'
import { getsMessages, readNumber, withAddress } from './create.ts'
import { onceKeys } from './record-keys.ts'
import { isOwnedBy } from './single-use.ts'
import { findTestNumber } from './test-numbers.ts'

/** Body of `POST /eligibility`; the API validates it. */
export type EligibilityRequest = { phoneNumber: string, device?: AttemptContext['device'] }

export type EligibilityItem = {
  method: string, provider: string, eligible: boolean, reason: IneligibilityReason | null
}

/**
 * Whether each configured method can serve the number for this app. It starts nothing, and queries providers only free
 * of charge. Throws `ApiError` invalid_phone_number, and invalid_request for an address that cannot be read.
 */
export type JudgeEligibility = (app: App, request: EligibilityRequest) => Promise<EligibilityItem[]>

export type EligibilityParts = {
  adapters: AdapterMap
  routing: Pick<RoutingContext, 'isOpen'>
  country: Pick<CountryPolicy, 'isAllowed'>
  store: Pick<Store<unknown>, 'claimOf'>
  names: Sealer['names']
  tracing: Pick<Tracing, 'traceparent'>
  now: () => number
}

export function createJudgeEligibility (
  { adapters, routing, country, store, names, tracing, now }: EligibilityParts,
): JudgeEligibility {
  /** Only this app's own starts: the answer must not show what other apps did. */
  async function wasRecentlyTried (app: App, method: string, phoneNumber: string): Promise<boolean> {
    const holders = await Promise.all(
      onceKeys(names, method, phoneNumber).map(entry => store.claimOf(entry)),
    )
    return holders.some(holder => holder !== null && isOwnedBy(app.id, holder))
  }

  async function judge (
    app: App, method: string, declared: Method, adapter: GuardedAdapter,
    { number, country: origin, device }: ReturnType<typeof readNumber> & Pick<AttemptContext, 'device'>,
  ): Promise<IneligibilityReason | null> {
    const { needsPhoneNumber, sendsMessage, oncePerNumberMs } = declared
    const isTestNumber = findTestNumber(app, number, now()) !== null
    const reason = findIneligibility({
      needsPhoneNumber, sendsMessage, isTestNumber, takesTypedCode: takesTypedCode(declared),
      isCountryAllowed: country.isAllowed(app, origin), getsMessages: getsMessages(app, number),
      isOpen: routing.isOpen(method),
      wasRecentlyTried: oncePerNumberMs !== undefined && await wasRecentlyTried(app, method, number),
    })
    if (reason !== null || isTestNumber || !needsPhoneNumber || adapter.canServe === undefined) return reason
    const traceparent = tracing.traceparent()
    const subject = { id: null, ...traceparent === null ? {} : { traceparent } }
    return adapter.canServe({ method, phoneNumber: number, country: origin, device }, subject)
  }

  return async (app, request) => {
    const { phoneNumber, device = {} } = withAddress(request)
    const target = { ...readNumber(phoneNumber), device }
    return Promise.all([...adapters.values()].flatMap(adapter =>
      Object.entries(adapter.methods).map(async ([method, declared]) => {
        const reason = await judge(app, method, declared, adapter, target)
        return { method, provider: adapter.provider, eligible: reason === null, reason }
      })))
  }
}
