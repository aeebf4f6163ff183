import { BrokenCircuitError, circuitBreaker, CircuitState, handleAll, type IBreaker } from 'cockatiel'
import type { Adapter, AttemptContext, Method, Outcome, Started } from './adapter.ts'
import { withDeadline } from '../net.ts'
import { ProviderError } from '../core/errors.ts'
import { blameOf, reasons, type Reason } from '../core/reasons.ts'
import type { RoutingContext } from '../core/routing.ts'
import { verificationSpan, type Attributes, type Tracing } from '../telemetry/tracing.ts'
import type { Verification } from '../core/verification.ts'
import type { Json, ProviderCall } from '../core/vocabulary.ts'

/** How a provider has been answering lately, as this process saw it. */
export type Health = {
  breaker: 'closed' | 'open' | 'halfOpen'
  /** Failed ÷ all calls of the last 30 seconds; 0 when there were none. */
  errorRate: number
  lastSuccessAt: number | null
  lastFailure: { at: number, reason: Reason } | null
}

/** Which verification a call is for: told in the report and in the span, and to no adapter. */
export type Subject = Pick<Verification, 'id' | 'traceparent'>

/** An adapter, with the verification that each call is for. */
export type GuardedAdapter = Omit<Adapter, 'start' | 'resend' | 'resolve' | 'cancel'> & {
  start (attempt: AttemptContext, subject: Subject): Promise<Started>
  resend?: (attempt: AttemptContext, subject: Subject) => Promise<Started>
  resolve (attempt: AttemptContext, evidence: Json, call: { repeated: boolean }, subject: Subject): Promise<Outcome>
  cancel?: (attempt: AttemptContext, subject: Subject) => Promise<void>
  health (): Health
  /** Calls are stopped for now: nothing should be started with this provider. */
  isOpen (): boolean
}

type CallOutcome = Pick<ProviderCall, 'result' | 'reason'>
type Asked = Pick<ProviderCall, 'method' | 'call'> & { subject: Subject }

/** Every method of the opened adapters, by name. */
export type Methods = ReadonlyMap<string, Method>
export type AdapterMap = ReadonlyMap<string, GuardedAdapter>

export function collectMethods (adapters: Iterable<Pick<Adapter, 'methods'>>): Methods {
  return new Map([...adapters].flatMap(({ methods }) => Object.entries(methods)))
}

/** The routing context of the configured methods; see `core/routing.ts`. */
export function createRoutingContext (adapters: AdapterMap, methods: Methods): RoutingContext {
  const providers = new Map([...adapters.values()].flatMap(adapter => Object.keys(adapter.methods).map(method => [method, adapter])))
  return { methods, isOpen: method => providers.get(method)?.isOpen() ?? true }
}

const windowMs = 30_000
const bucketMs = 5_000
const halfOpenAfterMs = 5_000
/** Below this many calls in the window a failure rate says nothing. */
const minimumCalls = 10
/**
 * Longest whole call, however many requests the adapter makes in it. Shorter than the time its caller is trusted to be
 * alive.
 */
const callDeadlineMs = { start: 5_000, resend: 5_000, resolve: 7_000, cancel: 3_000 }

export type GuardParts = {
  now: () => number
  tracing: Pick<Tracing, 'trace'>
  metrics: { countCall (call: ProviderCall): void }
  log: { info (fields: object, message: string): void }
}

/**
 * Wraps an adapter with what no adapter should know: a total deadline, a circuit breaker, a report and a span of every
 * call.
 * The breaker opens when half of at least ten calls failed within 30 s, and at once on bad credentials; after 5 s one
 * call probes.
 */
export function guardAdapter (
  adapter: Adapter, { now, tracing, metrics, log }: GuardParts,
): GuardedAdapter {
  const { provider } = adapter
  const report = (call: ProviderCall): void => {
    metrics.countCall(call)
    log.info(call, 'provider call')
  }
  const sample = createSample(now)
  let openedAt = -Infinity
  let lastSuccessAt: number | null = null
  let lastFailure: Health['lastFailure'] = null
  const breaker: IBreaker = {
    state: undefined,
    success: () => sample.count(true),
    failure: () => {
      sample.count(false)
      const { calls, errorRate } = sample.read()
      return lastFailure?.reason === 'provider_misconfigured' || (calls >= minimumCalls && errorRate >= 0.5)
    },
  }
  const circuit = circuitBreaker(handleAll, { halfOpenAfter: halfOpenAfterMs, breaker })
  circuit.onBreak(() => { openedAt = now() })

  async function guard<T> (
    { call, method, subject }: Asked, work: () => Promise<T>, resultOf: (value: T) => CallOutcome,
  ): Promise<T> {
    const startedAt = now()
    // The circuit judges the provider: a documented "not for this number" is a good answer of a healthy provider.
    const attempt = async (
      tell: (attributes: Attributes) => void,
    ): Promise<{ value: T } | { refused: ProviderError }> => {
      const done = ({ result, reason }: CallOutcome, blame = blameOf(reason)): void => {
        tell({ 'verigate.result': result, ...(reason === null ? {} : { 'verigate.reason': reason }) })
        report(
          { provider, method, call, verificationId: subject.id, result, reason, blame, durationMs: now() - startedAt },
        )
      }
      let value: T
      try {
        value = await withDeadline(
          callDeadlineMs[call], () => new ProviderError(provider, call, 'provider_timeout', { retryable: true }), work,
        )
      } catch (error) {
        const reason = error instanceof ProviderError ? error.reason : 'provider_error'
        done({ result: 'error', reason }, error instanceof ProviderError ? blameOf(reason) : 'internal')
        if (error instanceof ProviderError && !reasons[reason].isProviderFault) {
          lastSuccessAt = now()
          return { refused: error }
        }
        lastFailure = { at: now(), reason }
        throw error
      }
      lastSuccessAt = now()
      done(resultOf(value))
      return { value }
    }
    try {
      const span = verificationSpan(subject, { 'verigate.provider': provider, 'verigate.method': method })
      const answer = await circuit.execute(
        () => tracing.trace(`${provider} ${call}`, { kind: 'client', ...span }, attempt),
      )
      if ('refused' in answer) throw answer.refused
      return answer.value
    } catch (error) {
      if (error instanceof BrokenCircuitError) throw new ProviderError(
        provider, call, 'provider_unavailable', { retryable: true },
      )
      throw error
    }
  }

  const isOpen = (): boolean => circuit.state === CircuitState.Open && now() < openedAt + halfOpenAfterMs
  /** The circuit half-opens by the call that probes; that one will be let through is known before. */
  const breakerState = (): Health['breaker'] =>
    circuit.state === CircuitState.Closed ? 'closed' : isOpen() ? 'open' : 'halfOpen'

  const ok = (): CallOutcome => ({ result: 'ok', reason: null })
  const { resend, cancel } = adapter
  return {
    ...adapter,
    // A start that asks nobody is no call.
    start: (attempt, subject) => adapter.methods[attempt.method]?.startsLocally === true
      ? adapter.start(attempt)
      : guard({ call: 'start', method: attempt.method, subject }, () => adapter.start(attempt), ok),
    ...(resend === undefined ? {} : {
      resend: (attempt: AttemptContext, subject: Subject) =>
        guard({ call: 'resend', method: attempt.method, subject }, () => resend(attempt), ok),
    }),
    ...(cancel === undefined ? {} : {
      cancel: (attempt: AttemptContext, subject: Subject) =>
        guard({ call: 'cancel', method: attempt.method, subject }, () => cancel(attempt), ok),
    }),
    resolve: (attempt, evidence, call, subject) => guard(
      { call: 'resolve', method: attempt.method, subject }, () => adapter.resolve(attempt, evidence, call),
      (outcome: Outcome) => outcome.verdict === 'denied' ? { result: 'denied', reason: outcome.reason } : ok(),
    ),
    health: () => ({ breaker: breakerState(), errorRate: sample.read().errorRate, lastSuccessAt, lastFailure }),
    isOpen,
  }
}

/** Successes and failures of the last 30 seconds, in buckets of five. */
function createSample (now: () => number): {
  count (isSuccess: boolean): void, read (): { calls: number, errorRate: number },
} {
  let buckets: { at: number, calls: number, failures: number }[] = []
  const recent = (): typeof buckets => buckets = buckets.filter(({ at }) => at > now() - windowMs)
  return {
    count: isSuccess => {
      const at = now() - now() % bucketMs
      let bucket = recent().at(-1)
      if (bucket?.at !== at) buckets.push(bucket = { at, calls: 0, failures: 0 })
      bucket.calls += 1
      if (!isSuccess) bucket.failures += 1
    },
    read: () => {
      const calls = recent().reduce((sum, bucket) => sum + bucket.calls, 0)
      return { calls, errorRate: calls === 0 ? 0 : buckets.reduce((sum, bucket) => sum + bucket.failures, 0) / calls }
    },
  }
}
