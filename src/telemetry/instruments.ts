import { Counter, Gauge, Histogram, type Registry } from 'prom-client'
import manifest from '../../package.json' with { type: 'json' }

const callSeconds = [0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]

/** The name, help and labels of every metric that this room records. */
export type Instruments = ReturnType<typeof createInstruments>

export function createInstruments (registry: Registry) {
  const factories = createFactories(registry)
  const { gauge } = factories
  gauge('build_info', 'Build information', ['version']).set({ version: manifest.version }, 1)
  return {
    ...createVerificationInstruments(factories),
    ...createRequestInstruments(factories),
    ...createBackgroundInstruments(factories),
  }
}

type Factories = ReturnType<typeof createFactories>

function createFactories (registry: Registry) {
  const registers = [registry]
  return {
    counter: <Label extends string = never>(name: string, help: string, labelNames: Label[] = []): Counter<Label> =>
      new Counter({ name: `verigate_${name}`, help, labelNames, registers }),
    gauge: <Label extends string = never>(name: string, help: string, labelNames: Label[] = []): Gauge<Label> =>
      new Gauge({ name: `verigate_${name}`, help, labelNames, registers }),
    histogram: <Label extends string = never>(
      name: string, help: string, buckets: number[], labelNames: Label[] = [],
    ): Histogram<Label> => new Histogram({ name: `verigate_${name}`, help, buckets, labelNames, registers }),
  }
}

const createVerificationInstruments = ({ counter, gauge, histogram }: Factories) => ({
  created: counter('verifications_created_total', 'Verifications accepted'),
  ended: counter(
    'verifications_ended_total', 'Verifications that reached a final status, by the method of their last attempt',
    ['method', 'status', 'reason'],
  ),
  byCountry: counter(
    'verifications_by_country_total', 'Verifications accepted and ended, by the country of the requested number',
    ['country', 'status'],
  ),
  seconds: histogram(
    'verification_seconds', 'Time from the create request to the proof, by the method of the proof',
    [1, 2, 5, 10, 20, 30, 60, 120, 300, 600], ['method'],
  ),
  attempts: counter(
    'attempts_total', 'Attempts that ended; skipped attempts were never started', ['method', 'status', 'reason'],
  ),
  fallbacks: counter(
    'fallbacks_total', 'Attempts that ended and were followed by the next method of the workflow, by reason',
    ['method', 'reason'],
  ),
  providerCalls: counter(
    'provider_calls_total', 'Calls to providers. blame: who has to fix it',
    ['provider', 'method', 'call', 'result', 'reason', 'blame'],
  ),
  providerSeconds: histogram(
    'provider_call_seconds', 'Duration of calls to providers', callSeconds, ['provider', 'call'],
  ),
  // Without a series at zero: 0 would be an empty account.
  providerBalance: gauge(
    'provider_balance', 'What the account at the provider held when this process last learned it',
    ['provider', 'currency'],
  ),
  callbacks: counter('callbacks_total', 'Callbacks of providers', ['provider', 'result']),
  receipts: counter(
    'delivery_receipts_total', 'Delivery receipts of providers, by the channel of the message',
    ['provider', 'channel', 'status'],
  ),
})

const createRequestInstruments = ({ counter, gauge, histogram }: Factories) => ({
  requests: counter('http_requests_total', 'HTTP requests answered', ['route', 'method', 'status_class']),
  requestSeconds: histogram(
    'http_request_seconds', 'Time to the end of the response, including the wait that a caller asked for',
    [0.005, 0.025, 0.1, 0.5, 1, 2.5, 10], ['route', 'method'],
  ),
  waiting: gauge('http_requests_waiting', 'HTTP requests that have arrived and wait until they are begun'),
  waitSeconds: histogram(
    'http_request_wait_seconds', 'Time that HTTP requests waited until they were begun; without those begun at once',
    [0.005, 0.025, 0.1, 0.5, 1, 2.5, 5, 10],
  ),
  refused: counter('refused_requests_total', 'Requests refused, by cause', ['cause']),
  monitored: counter(
    'monitored_requests_total', 'Requests that a limit in monitor mode would have refused, by cause', ['cause'],
  ),
})

const createBackgroundInstruments = ({ counter, gauge, histogram }: Factories) => ({
  roundTrips: histogram(
    'redis_round_trip_seconds', 'Duration of Redis commands that succeeded',
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 1],
  ),
  redisErrors: counter('redis_errors_total', 'Redis commands that failed or timed out, by error code', ['code']),
  stalled: counter('queue_stalled_total', 'Jobs whose process died or froze; they were queued again', ['queue']),
  lostLocks: counter('jobs_lost_lock_total', 'Jobs that ran longer than their lock and were run again'),
  lastSweep: gauge(
    'sweep_last_success_timestamp_seconds', 'When this process last finished a sweep; 0 before the first one',
  ),
  unreadable: counter(
    'records_unreadable_total', 'Records that could not be opened: a seal key is missing or the data was changed',
  ),
  webhookTries: counter('webhook_tries_total', 'Webhook tries, by result', ['result']),
  webhookSeconds: histogram('webhook_try_seconds', 'Duration of webhook tries', callSeconds),
  disabledEndpoints: counter(
    'webhook_endpoints_disabled_total', 'Webhook endpoints that were disabled because they answered 410',
  ),
  exhaustedWebhooks: counter('webhook_exhausted_total', 'Webhooks whose last try failed'),
  reloads: counter('apps_reloads_total', 'Reloads of APPS_FILE and PROVIDERS_FILE, by result', ['result']),
  appsLoaded: gauge('apps_loaded_timestamp_seconds', 'When the current apps were loaded'),
  lastReload: gauge(
    'apps_last_reload_successful',
    'Whether the last reload of APPS_FILE and PROVIDERS_FILE succeeded; 0: previous apps or providers are in use',
  ),
})
