import { collectDefaultMetrics, Counter, Histogram, Registry } from 'prom-client'
import { refusals } from './adapters/adapter.ts'
import type { ProviderCall } from './breaker.ts'
import { providerOf, type Verification, type Status } from './verification.ts'

/** How a callback ended: what was done with it, or why nothing was. */
export const callbackResults = ['accepted', 'duplicate', 'late', 'malformed', 'replayed', 'unknown', 'wrong_provider', ...refusals] as const
export type CallbackResult = typeof callbackResults[number]

/** What came of one try of a webhook. */
export const webhookResults = ['delivered', 'retry', 'failed'] as const
export type WebhookResult = typeof webhookResults[number]

export type Metrics = {
  registry: Registry
  /** The verification reached a final state. */
  countEnd (verification: Verification): void
  countCreate (): void
  countCall (call: ProviderCall): void
  countCallback (provider: string, result: CallbackResult): void
  countLostLock (): void
  countUnreadable (): void
  /** `durationMs` is null when nothing was sent. */
  countWebhookTry (result: WebhookResult, durationMs: number | null): void
  countDisabledEndpoint (): void
  countExhaustedWebhook (): void
}

const finals: Status[] = ['verified', 'failed', 'expired', 'canceled']

/** Every metric there is, each series of the closed label sets at zero from the start, so that `rate()` sees the first failure. */
export function createMetrics (providers: Record<string, string[]>): Metrics {
  const registry = new Registry()
  const registers = [registry]
  collectDefaultMetrics({ register: registry })
  const created = new Counter({ name: 'verigate_verifications_created_total', help: 'Verifications accepted', registers })
  const ended = new Counter({ name: 'verigate_verifications_ended_total', help: 'Verifications that reached a final status', labelNames: ['method', 'status', 'reason'], registers })
  const calls = new Counter({ name: 'verigate_provider_calls_total', help: 'Calls to providers', labelNames: ['provider', 'method', 'call', 'result', 'reason'], registers })
  const seconds = new Histogram({
    name: 'verigate_provider_call_seconds', help: 'Duration of calls to providers', labelNames: ['provider', 'call'],
    buckets: [0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10], registers,
  })
  const callbacks = new Counter({ name: 'verigate_callbacks_total', help: 'Callbacks of providers', labelNames: ['provider', 'result'], registers })
  const lostLocks = new Counter({ name: 'verigate_jobs_lost_lock_total', help: 'Jobs that ran longer than their lock and were run again', registers })
  const unreadable = new Counter({ name: 'verigate_records_unreadable_total', help: 'Records that could not be opened: a seal key is missing or the data was changed', registers })
  const webhookTries = new Counter({ name: 'verigate_webhook_tries_total', help: 'Tries of webhooks, by what came of them', labelNames: ['result'], registers })
  const webhookSeconds = new Histogram({
    name: 'verigate_webhook_try_seconds', help: 'Duration of tries of webhooks', buckets: [0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10], registers,
  })
  const disabledEndpoints = new Counter({ name: 'verigate_webhook_endpoints_disabled_total', help: 'Webhook endpoints that answered 410 and get nothing more', registers })
  const exhaustedWebhooks = new Counter({ name: 'verigate_webhook_exhausted_total', help: 'Webhooks given up after the last try', registers })

  for (const result of webhookResults) webhookTries.inc({ result }, 0)
  for (const [provider, methods] of Object.entries(providers)) {
    for (const result of callbackResults) callbacks.inc({ provider, result }, 0)
    for (const call of ['start', 'resend', 'resolve', 'profile']) {
      seconds.zero({ provider, call })
      for (const method of methods) calls.inc({ provider, method, call, result: 'ok', reason: 'none' }, 0)
    }
    for (const method of methods) for (const status of finals) ended.inc({ method, status, reason: 'none' }, 0)
  }
  return {
    registry,
    countCreate: () => created.inc(),
    countEnd: verification => {
      const method = verification.attempts.at(-1)?.method ?? 'none'
      ended.inc({ method, status: verification.status, reason: 'reason' in verification ? verification.reason : 'none' })
    },
    countCall: ({ provider, method, call, result, reason, durationMs }) => {
      calls.inc({ provider, method, call, result, reason: reason ?? 'none' })
      seconds.observe({ provider, call }, durationMs / 1000)
    },
    countCallback: (provider, result) => callbacks.inc({ provider, result }),
    countLostLock: () => lostLocks.inc(),
    countUnreadable: () => unreadable.inc(),
    countWebhookTry: (result, durationMs) => {
      webhookTries.inc({ result })
      if (durationMs !== null) webhookSeconds.observe(durationMs / 1000)
    },
    countDisabledEndpoint: () => disabledEndpoints.inc(),
    countExhaustedWebhook: () => exhaustedWebhooks.inc(),
  }
}

/** `['truecaller.push', …]` → `{ truecaller: ['truecaller.push', …] }`. */
export function byProvider (methods: Iterable<string>): Record<string, string[]> {
  return Object.fromEntries(Map.groupBy(methods, providerOf))
}
