import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client'
import manifest from '../../package.json' with { type: 'json' }
import { callbackResults, noCountry, type CallbackResult, type ProviderCall } from '../core/vocabulary.ts'
import { refusalCauses, type RefusalCause } from '../core/errors.ts'
import { blameOf, reasons, reasonWords, type Reason } from '../core/reasons.ts'
import { isFinal, providerOf, type Attempt, type EndedAttempt, type Verification } from '../core/verification.ts'

/** What came of one try of a webhook. */
export const webhookResults = ['delivered', 'retry', 'failed'] as const
export type WebhookResult = typeof webhookResults[number]

/**
 * What counts what happens. Of every closed set of labels each series is there, at zero, from the start, so that
 * `rate()` sees the first failure.
 */
export type Metrics = {
  registry: Registry
  /**
   * A verification was written; `before` is what it replaced, null when it is new. Tells which attempts ended by it,
   * and whether it did.
   */
  countChange (before: Verification | null, after: Verification): void
  countCall (call: Omit<ProviderCall, 'verificationId'>): void
  countCallback (provider: string, result: CallbackResult): void
  /** A route that may be asked, by its pattern: its series begin at zero. */
  registerRoute (method: string, route: string): void
  /** `route` is the pattern, null where none matched. */
  countRequest (request: { method: string, route: string | null, statusCode: number, durationMs: number }): void
  countRefused (cause: RefusalCause): void
  /** It would have been refused, were its limit not in monitor mode. */
  countMonitored (cause: RefusalCause): void
  /** The store was asked; `code` is null when it answered. */
  countRoundTrip (durationMs: number, code: string | null): void
  countStalled (queue: string): void
  countLostLock (): void
  /** Everything that was due has been looked at, now. */
  recordSweep (now: number): void
  countUnreadable (): void
  /** `durationMs` is null when nothing was sent. */
  countWebhookTry (result: WebhookResult, durationMs: number | null): void
  countDisabledEndpoint (): void
  countExhaustedWebhook (): void
  /** The apps are in force since now, at the start or by reading them again. */
  recordAppsLoaded (now: number): void
  countReload (result: 'ok' | 'invalid'): void
}

type Ending = EndedAttempt['status']
const apart = (words: readonly Reason[]): Reason[] => reasonWords.filter(word => !words.includes(word))
const clockWords: Reason[] = ['attempt_timeout', 'deadline']
const cancelWords: Reason[] = ['app_canceled', 'superseded', 'blocked']
const failWords = apart([...clockWords, ...cancelWords])
const skipWords: Reason[] = ['provider_unavailable', 'recently_tried']
const fallbackWords = apart([...cancelWords, 'deadline'])
/** What a provider's answer, or its silence, can come to. */
const answerWords = failWords.filter(word => !['provider_unavailable', 'recently_tried', 'abandoned'].includes(word))
/** A provider's fault ends a verification as `provider_unavailable`. */
const endWords = failWords.filter(word => !reasons[word].isProviderFault || word === 'provider_unavailable')
const endings: Record<Ending, readonly (Reason | null)[]> = {
  verified: [null], failed: failWords, expired: clockWords, canceled: cancelWords, skipped: [null, ...skipWords],
}

const calls = ['start', 'resend', 'resolve', 'cancel'] as const
const countryStatuses = ['created', 'verified', 'failed', 'expired', 'canceled'] as const
const maxCountries = 60
const statusClasses = ['2xx', '3xx', '4xx', '5xx']
const knownVerbs = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']

/** The closed sets of labels that other rooms define. `providers`: the methods of each. */
export type LabelSets = {
  providers: Record<string, string[]>
  queues: readonly string[]
  storeErrorCodes: readonly string[]
}

export function createMetrics ({ providers, queues, storeErrorCodes }: LabelSets): Metrics {
  const registry = new Registry()
  const registers = [registry]
  const counter = <Label extends string = never>(
    name: string, help: string, labelNames: Label[] = [],
  ): Counter<Label> =>
    new Counter({ name: `verigate_${name}`, help, labelNames, registers })
  const gauge = <Label extends string = never>(name: string, help: string, labelNames: Label[] = []): Gauge<Label> =>
    new Gauge({ name: `verigate_${name}`, help, labelNames, registers })
  const histogram = <Label extends string = never>(
    name: string, help: string, buckets: number[], labelNames: Label[] = [],
  ): Histogram<Label> =>
    new Histogram({ name: `verigate_${name}`, help, buckets, labelNames, registers })
  collectDefaultMetrics({ register: registry })
  gauge('build_info', 'What runs here', ['version']).set({ version: manifest.version }, 1)

  const created = counter('verifications_created_total', 'Verifications accepted')
  const ended = counter(
    'verifications_ended_total', 'Verifications that reached a final status, by the method of their last attempt',
    ['method', 'status', 'reason'],
  )
  const byCountry = counter(
    'verifications_by_country_total',
    'Verifications accepted and ended, by the country of the number that was asked for', ['country', 'status'],
  )
  const seconds = histogram(
    'verification_seconds', 'From the create to the proof, by the method that brought it',
    [1, 2, 5, 10, 20, 30, 60, 120, 300, 600], ['method'],
  )
  const attempts = counter(
    'attempts_total', 'Attempts that ended; skipped ones were never started', ['method', 'status', 'reason'],
  )
  const fallbacks = counter(
    'fallbacks_total', 'Attempts that ended for this reason and were followed by the next one of the workflow',
    ['method', 'reason'],
  )
  const providerCalls = counter(
    'provider_calls_total', 'Calls to providers; blame says who has to mend it',
    ['provider', 'method', 'call', 'result', 'reason', 'blame'],
  )
  const providerSeconds = histogram(
    'provider_call_seconds', 'Duration of calls to providers', [0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
    ['provider', 'call'],
  )
  const callbacks = counter('callbacks_total', 'Callbacks of providers', ['provider', 'result'])
  const requests = counter('http_requests_total', 'Requests answered', ['route', 'method', 'status_class'])
  const requestSeconds = histogram(
    'http_request_seconds', 'Time to the end of the answer, also where it waits as the caller asked',
    [0.005, 0.025, 0.1, 0.5, 1, 2.5, 10], ['route', 'method'],
  )
  const refused = counter('refused_requests_total', 'Requests turned away', ['cause'])
  const monitored = counter(
    'monitored_requests_total', 'Requests that a limit in monitor mode would have turned away', ['cause'],
  )
  const roundTrips = histogram(
    'redis_round_trip_seconds', 'From a question of the store to its answer',
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 1],
  )
  const redisErrors = counter(
    'redis_errors_total', 'Questions of the store that Redis did not answer, or refused', ['code'],
  )
  const stalled = counter(
    'queue_stalled_total', 'Jobs whose process died or froze, and which were taken up again', ['queue'],
  )
  const lostLocks = counter('jobs_lost_lock_total', 'Jobs that ran longer than their lock and were run again')
  const lastSweep = gauge('sweep_last_success_timestamp_seconds', 'When this process last finished a sweep; 0: never')
  const unreadable = counter(
    'records_unreadable_total', 'Records that could not be opened: a seal key is missing or the data was changed',
  )
  const webhookTries = counter('webhook_tries_total', 'Tries of webhooks, by what came of them', ['result'])
  const webhookSeconds = histogram(
    'webhook_try_seconds', 'Duration of tries of webhooks', [0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
  )
  const disabledEndpoints = counter(
    'webhook_endpoints_disabled_total', 'Webhook endpoints that answered 410 and get nothing more',
  )
  const exhaustedWebhooks = counter('webhook_exhausted_total', 'Webhooks given up after the last try')
  const reloads = counter('apps_reloads_total', 'Times that the apps file was read again', ['result'])
  const appsLoaded = gauge('apps_loaded_timestamp_seconds', 'Since when the apps in force are in force')
  const lastReload = gauge(
    'apps_last_reload_successful',
    'Whether the apps in force are those of the file: 0 when it was not valid at the last reading',
  )

  const countries = new Set<string>()
  const openCountry = (country: string): void => {
    countries.add(country)
    for (const status of countryStatuses) byCountry.inc({ country, status }, 0)
  }
  /** Countries are many, and not ours to choose: those that come first have series of their own. */
  function countryLabel ({ country: asked }: Verification): string {
    const country = asked === undefined ? 'none' : asked === noCountry ? 'other' : asked
    if (countries.has(country)) return country
    if (countries.size >= maxCountries + 2) return 'other'
    openCountry(country)
    return country
  }

  for (const country of ['none', 'other']) openCountry(country)
  for (const cause of refusalCauses) for (const limit of [refused, monitored]) limit.inc({ cause }, 0)
  for (const code of storeErrorCodes) redisErrors.inc({ code }, 0)
  for (const queue of queues) stalled.inc({ queue }, 0)
  for (const result of webhookResults) webhookTries.inc({ result }, 0)
  for (const result of ['ok', 'invalid']) reloads.inc({ result }, 0)
  lastReload.set(1)
  for (const [provider, methods] of Object.entries(providers)) {
    for (const result of callbackResults) callbacks.inc({ provider, result }, 0)
    for (const call of calls) {
      providerSeconds.zero({ provider, call })
      for (const method of methods) {
        for (const { result, reason, blame } of possibleCalls(call)) providerCalls.inc(
          { provider, method, call, result, reason: reason ?? 'none', blame }, 0,
        )
      }
    }
    for (const method of methods) {
      seconds.zero({ method })
      for (const [status, words] of Object.entries(endings)) {
        for (const reason of words) {
          attempts.inc({ method, status, reason: reason ?? 'none' }, 0)
          if (
            status !== 'skipped' && (status !== 'failed' || reason === null || endWords.includes(reason))
          ) ended.inc({ method, status, reason: reason ?? 'none' }, 0)
        }
      }
      for (const reason of fallbackWords) fallbacks.inc({ method, reason }, 0)
    }
  }

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
    registry,
    countChange (before, after) {
      countAttempts(before, after)
      if (before === null) {
        created.inc()
        byCountry.inc({ country: countryLabel(after), status: 'created' })
      }
      if (!isFinal(after) || (before !== null && isFinal(before))) return
      const { status, createdAt, updatedAt } = after
      ended.inc(
        { method: after.attempts.at(-1)?.method ?? 'none', status, reason: 'reason' in after ? after.reason : 'none' },
      )
      byCountry.inc({ country: countryLabel(after), status })
      if (status === 'verified') seconds.observe({ method: after.result.method }, (updatedAt - createdAt) / 1000)
    },
    countCall: ({ provider, method, call, result, reason, blame, durationMs }) => {
      providerCalls.inc({ provider, method, call, result, reason: reason ?? 'none', blame })
      providerSeconds.observe({ provider, call }, durationMs / 1000)
    },
    countCallback: (provider, result) => callbacks.inc({ provider, result }),
    registerRoute: (method, route) => {
      requestSeconds.zero({ route, method })
      for (const status_class of statusClasses) requests.inc({ route, method, status_class }, 0)
    },
    countRequest: ({ method: verb, route: pattern, statusCode, durationMs }) => {
      const route = pattern ?? 'none'
      const method = knownVerbs.includes(verb) ? verb : 'other'
      requests.inc({ route, method, status_class: `${Math.floor(statusCode / 100)}xx` })
      requestSeconds.observe({ route, method }, durationMs / 1000)
    },
    countRefused: cause => refused.inc({ cause }),
    countMonitored: cause => monitored.inc({ cause }),
    countRoundTrip: (durationMs, code) => {
      if (code === null) roundTrips.observe(durationMs / 1000)
      else redisErrors.inc({ code })
    },
    countStalled: queue => stalled.inc({ queue }),
    countLostLock: () => lostLocks.inc(),
    recordSweep: now => lastSweep.set(now / 1000),
    countUnreadable: () => unreadable.inc(),
    countWebhookTry: (result, durationMs) => {
      webhookTries.inc({ result })
      if (durationMs !== null) webhookSeconds.observe(durationMs / 1000)
    },
    countDisabledEndpoint: () => disabledEndpoints.inc(),
    countExhaustedWebhook: () => exhaustedWebhooks.inc(),
    recordAppsLoaded: now => appsLoaded.set(now / 1000),
    countReload: result => {
      reloads.inc({ result })
      lastReload.set(result === 'ok' ? 1 : 0)
    },
  }
}

const hasEnded = (attempt: Attempt): attempt is EndedAttempt => attempt.status !== 'pending'

/** Every way in which a call can end. A start is refused by an error, since it has no outcome yet. */
function possibleCalls (call: ProviderCall['call']): Pick<ProviderCall, 'result' | 'reason' | 'blame'>[] {
  const denials = answerWords.filter(reason => !reasons[reason].isProviderFault)
  const errors = call === 'start' || call === 'resolve'
    ? answerWords
    : answerWords.filter(reason => reasons[reason].isProviderFault)
  return [
    { result: 'ok', reason: null, blame: 'none' },
    { result: 'error', reason: 'provider_error', blame: 'internal' },
    ...errors.map(reason => ({ result: 'error' as const, reason, blame: blameOf(reason) })),
    ...call === 'resolve' ? denials.map(reason => ({ result: 'denied' as const, reason, blame: blameOf(reason) })) : [],
  ]
}

/** `['truecaller.push', …]` → `{ truecaller: ['truecaller.push', …] }`. */
export function byProvider (methods: Iterable<string>): Record<string, string[]> {
  return Object.fromEntries(Map.groupBy(methods, providerOf))
}
