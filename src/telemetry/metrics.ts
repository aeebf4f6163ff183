import { collectDefaultMetrics, Registry } from 'prom-client'
import type { RefusalCause } from '../core/errors.ts'
import { providerOf, type Attempt, type EndedAttempt, type Verification } from '../core/verification.ts'
import { deliveryChannels, noCountry } from '../core/vocabulary.ts'
import type { CallbackResult, DeliveryReceipt, Money, ProviderCall } from '../core/vocabulary.ts'
import { createInstruments, type Instruments } from './instruments.ts'
import {
  countryStatuses, initializeProviders, initializeSeries, statusClasses, type LabelSets, type WebhookResult,
} from './label-sets.ts'

export { webhookResults, type LabelSets, type WebhookResult } from './label-sets.ts'

/** Records what happens. Every series of a closed set of labels exists, at zero, from the start. */
export type Metrics = {
  registry: Registry
  /**
   * A verification was written; `before` is the state that it replaces, null for a new one. Those of test numbers do
   * not count.
   */
  countChange (before: Verification | null, after: Verification): void
  countCall (call: Omit<ProviderCall, 'verificationId'>): void
  countCallback (provider: string, result: CallbackResult): void
  /** A provider reported how far a message has come. */
  countReceipt (provider: string, receipt: DeliveryReceipt): void
  /** A provider reported what its account holds. */
  recordBalance (provider: string, balance: Money): void
  /** Creates the series of a route, by its pattern. */
  registerRoute (method: string, route: string): void
  /** `route` is the pattern, null when none matched. */
  countRequest (request: { method: string, route: string | null, statusCode: number, durationMs: number }): void
  countRefused (cause: RefusalCause): void
  /** The number of requests that wait until they are begun. */
  recordQueue (length: number): void
  /** A request that waited was begun, or refused. */
  recordWait (waitedMs: number): void
  /** A request that would have been refused if its limit were not in monitor mode. */
  countMonitored (cause: RefusalCause): void
  /** A round trip of the store; `code` is null when it succeeded. */
  countRoundTrip (durationMs: number, code: string | null): void
  countStalled (queue: string): void
  countLostLock (): void
  /** A sweep has processed everything that was due. `now`: ms since the epoch. */
  recordSweep (now: number): void
  countUnreadable (): void
  /** `durationMs` is null when nothing was sent. */
  countWebhookTry (result: WebhookResult, durationMs: number | null): void
  countDisabledEndpoint (): void
  countExhaustedWebhook (): void
  /** The apps were loaded, at the start or by a reload. `now`: ms since the epoch. */
  recordAppsLoaded (now: number): void
  countReload (result: 'ok' | 'invalid'): void
  /** Creates the series of methods that a reload has brought. */
  addMethods (providers: LabelSets['providers']): void
}

type VerificationRecorder = Pick<
  Metrics, 'countChange' | 'countCall' | 'countCallback' | 'countReceipt' | 'recordBalance'
>
type RequestRecorder = Pick<
  Metrics, 'registerRoute' | 'countRequest' | 'countRefused' | 'recordQueue' | 'recordWait' | 'countMonitored'
>
type BackgroundRecorder = Omit<Metrics, 'registry' | keyof VerificationRecorder | keyof RequestRecorder>

const maxCountries = 60
const knownVerbs = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']

/**
 * The metrics of prom-client that alerts, dashboard and documentation use. Of two that belong together, the first one
 * sets the second when it is read.
 */
const processMetrics = [
  'process_cpu_user_seconds_total', 'process_cpu_seconds_total', 'process_resident_memory_bytes',
  'nodejs_eventloop_lag_seconds', 'nodejs_eventloop_lag_p99_seconds', 'process_start_time_seconds', 'process_open_fds',
  'process_max_fds',
]

function registerProcessMetrics (registry: Registry): void {
  const all = new Registry()
  // The default of 10 ms is a quarter of what an idle process costs.
  collectDefaultMetrics({ register: all, eventLoopMonitoringPrecision: 50 })
  for (const name of processMetrics) {
    const metric = all.getSingleMetric(name)
    // Some of them exist on Linux only.
    if (metric !== undefined) registry.registerMetric(metric)
  }
}

export function createMetrics (labelSets: LabelSets): Metrics {
  const registry = new Registry()
  registerProcessMetrics(registry)
  const instruments = createInstruments(registry)
  initializeSeries(instruments, labelSets)
  return {
    registry,
    ...createVerificationRecorder(instruments),
    ...createRequestRecorder(instruments),
    ...createBackgroundRecorder(instruments),
  }
}

function createVerificationRecorder (
  {
    created, ended, byCountry, seconds, attempts, fallbacks, providerCalls, providerSeconds, providerBalance, callbacks,
    receipts,
  }: Instruments,
): VerificationRecorder {
  const countryOf = createCountryLabels(byCountry)

  function countAttempts (before: Verification | null, { attempts: all }: Verification): void {
    const known = before === null ? 0 : before.attempts.findLastIndex(hasEnded) + 1
    for (const [index, attempt] of all.entries()) {
      if (index < known || !hasEnded(attempt)) continue
      const { method, status, reason } = attempt
      attempts.inc({ method, status, reason: reason ?? 'none' })
      if (reason !== null && index + 1 < all.length) fallbacks.inc({ method, reason })
    }
  }

  return {
    countChange (before, after) {
      if (after.testNumber !== undefined) return
      countAttempts(before, after)
      if (before === null) {
        created.inc()
        byCountry.inc({ country: countryOf(after), status: 'created' })
      }
      if (after.status === 'pending' || before?.status === after.status) return
      const { status, createdAt, updatedAt } = after
      const method = after.attempts.at(-1)?.method ?? 'none'
      ended.inc({ method, status, reason: 'reason' in after ? after.reason : 'none' })
      byCountry.inc({ country: countryOf(after), status })
      if (status === 'verified') seconds.observe({ method: after.result.method }, (updatedAt - createdAt) / 1000)
    },
    countCall ({ provider, method, call, result, reason, blame, durationMs }) {
      providerCalls.inc({ provider, method, call, result, reason: reason ?? 'none', blame })
      providerSeconds.observe({ provider, call }, durationMs / 1000)
    },
    countCallback: (provider, result) => callbacks.inc({ provider, result }),
    countReceipt: (provider, { channel, status }) =>
      receipts.inc({ provider, channel: deliveryChannels.find(known => known === channel) ?? 'other', status }),
    recordBalance: (provider, { amount, currency }) => providerBalance.set({ provider, currency }, amount),
  }
}

/** Requests choose the country, so only the first 60 have their own series. The others are counted as `other`. */
function createCountryLabels (byCountry: Instruments['byCountry']): (verification: Verification) => string {
  const countries = new Set<string>()
  function add (country: string): void {
    countries.add(country)
    for (const status of countryStatuses) byCountry.inc({ country, status }, 0)
  }
  for (const country of ['none', 'other']) add(country)
  return ({ country: requested }) => {
    const country = requested === undefined ? 'none' : requested === noCountry ? 'other' : requested
    if (countries.has(country)) return country
    if (countries.size >= maxCountries + 2) return 'other'
    add(country)
    return country
  }
}

function createRequestRecorder (
  { requests, requestSeconds, refused, monitored, waiting, waitSeconds }: Instruments,
): RequestRecorder {
  return {
    registerRoute (method, route) {
      requestSeconds.zero({ route, method })
      for (const status_class of statusClasses) requests.inc({ route, method, status_class }, 0)
    },
    countRequest ({ method: verb, route: pattern, statusCode, durationMs }) {
      const route = pattern ?? 'none'
      const method = knownVerbs.includes(verb) ? verb : 'other'
      requests.inc({ route, method, status_class: `${Math.floor(statusCode / 100)}xx` })
      requestSeconds.observe({ route, method }, durationMs / 1000)
    },
    countRefused: cause => refused.inc({ cause }),
    recordQueue: length => waiting.set(length),
    recordWait: waitedMs => waitSeconds.observe(waitedMs / 1000),
    countMonitored: cause => monitored.inc({ cause }),
  }
}

function createBackgroundRecorder (instruments: Instruments): BackgroundRecorder {
  const { roundTrips, redisErrors, stalled, lostLocks, lastSweep, unreadable } = instruments
  const { webhookTries, webhookSeconds, disabledEndpoints, exhaustedWebhooks } = instruments
  const { reloads, appsLoaded, lastReload } = instruments
  return {
    countRoundTrip (durationMs, code) {
      if (code === null) roundTrips.observe(durationMs / 1000)
      else redisErrors.inc({ code })
    },
    countStalled: queue => stalled.inc({ queue }),
    countLostLock: () => lostLocks.inc(),
    recordSweep: now => lastSweep.set(now / 1000),
    countUnreadable: () => unreadable.inc(),
    countWebhookTry (result, durationMs) {
      webhookTries.inc({ result })
      if (durationMs !== null) webhookSeconds.observe(durationMs / 1000)
    },
    countDisabledEndpoint: () => disabledEndpoints.inc(),
    countExhaustedWebhook: () => exhaustedWebhooks.inc(),
    recordAppsLoaded: now => appsLoaded.set(now / 1000),
    addMethods: providers => initializeProviders(instruments, providers),
    countReload (result) {
      reloads.inc({ result })
      lastReload.set(result === 'ok' ? 1 : 0)
    },
  }
}

const hasEnded = (attempt: Attempt): attempt is EndedAttempt => attempt.status !== 'pending'

/** `['truecaller.push', …]` → `{ truecaller: ['truecaller.push', …] }`. */
export function byProvider (methods: Iterable<string>): Record<string, string[]> {
  return Object.fromEntries(Map.groupBy(methods, providerOf))
}
