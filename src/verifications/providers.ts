import type { AdapterMap, GuardedAdapter } from '../adapters/guard.ts'
import type { Method } from '../adapters/adapter.ts'
import { assuranceOf, rate, type RatedAssurance } from '../core/assurance.ts'
import type { Reason } from '../core/reasons.ts'
import type { VendorAnswer } from '../core/vocabulary.ts'

/** One item of `GET /providers`; times are RFC 3339. */
export type ProviderItem = {
  provider: string
  methods: ({
    method: string
    /** Without options. */
    assurance: RatedAssurance
    restricted: boolean
    needsReturnUrl: boolean
    /** Null: the same attempt cannot be sent again. */
    resend: { afterSeconds: number, times: number } | null
  } & Pick<Method, 'needsPhoneNumber' | 'evidence' | 'nextActions' | 'sendsMessage' | 'userStep'>)[]
  health: {
    breaker: 'closed' | 'open' | 'halfOpen'
    errorRate: number
    lastSuccessAt: string | null
    lastFailure: { at: string, reason: Reason, vendor: VendorAnswer | null } | null
  }
}

/** The configured providers, their methods and their health as all processes saw it. */
export const listProviders = (adapters: AdapterMap): ProviderItem[] => [...adapters.values()].map(describeProvider)

function describeProvider ({ provider, methods, health }: GuardedAdapter): ProviderItem {
  const { breaker, errorRate, lastSuccessAt, lastFailure } = health()
  return {
    provider,
    methods: Object.entries(methods).map(describeMethod),
    health: {
      breaker, errorRate,
      lastSuccessAt: lastSuccessAt === null ? null : new Date(lastSuccessAt).toISOString(),
      lastFailure: lastFailure === null
        ? null
        : {
          at: new Date(lastFailure.at).toISOString(), reason: lastFailure.reason, vendor: lastFailure.vendor ?? null,
        },
    },
  }
}

function describeMethod ([method, declared]: [string, Method]): ProviderItem['methods'][0] {
  const { needsPhoneNumber, needsReturnUrl = false, userStep, evidence, nextActions, sendsMessage, resend } = declared
  const assurance = rate(assuranceOf(declared.assurance, {}))
  return {
    method, userStep, needsPhoneNumber, needsReturnUrl, evidence, nextActions, assurance,
    restricted: assurance.restricted, sendsMessage,
    resend: resend === undefined ? null : { afterSeconds: resend.afterMs / 1000, times: resend.times },
  }
}
