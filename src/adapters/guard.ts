import { BrokenCircuitError, circuitBreaker, CircuitState, handleAll, type IBreaker } from 'cockatiel'
import type { Adapter, AttemptContext, Method, Outcome, Started } from './adapter.ts'
import { withDeadline } from '../net.ts'
import { ProviderError } from '../core/errors.ts'
import { blameOf, reasons, type Blame, type Reason } from '../core/reasons.ts'
import type { RoutingContext } from '../core/routing.ts'
import type { Attributes, Tracing } from '../telemetry/tracing.ts'
import type { Verification } from '../core/verification.ts'
import type { Json, ProviderCall } from '../core/vocabulary.ts'

/** How well a provider has answered lately, as this process saw it. Times are ms since the epoch. */
export type Health = {
  breaker: 'closed' | 'open' | 'halfOpen'
  /** Failed ÷ all calls of the last 30 seconds; 0 when there were none. */
  errorRate: number
  lastSuccessAt: number | null
  lastFailure: { at: number, reason: Reason } | null
}

/** The verification that a call is for: it goes into the report and the span, and to no adapter. */
export type Subject = Pick<Verification, 'id' | 'traceparent'>

/** An adapter whose calls name the verification that they are for. */
export type GuardedAdapter = Omit<Adapter, 'start' | 'resend' | 'resolve' | 'cancel'> & {
  start (attempt: AttemptContext, subject: Subject): Promise<Started>
  resend?: (attempt: AttemptContext, subject: Subject) => Promise<Started>
  resolve (attempt: AttemptContext, evidence: Json, call: { repeated: boolean }, subject: Subject): Promise<Outcome>
  cancel?: (attempt: AttemptContext, subject: Subject) => Promise<void>
  health (): Health
  /** The breaker stops calls for now: no attempt should start with this provider. */
  isOpen (): boolean
}

/** Every method of the opened adapters, by name. */
export type Methods = ReadonlyMap<string, Method>
export type AdapterMap = ReadonlyMap<string, GuardedAdapter>

export function collectMethods (adapters: Iterable<Pick<Adapter, 'methods'>>): Methods {
  return new Map([...adapters].flatMap(({ methods }) => Object.entries(methods)))
}

/** The routing context of the configured methods; see `core/routing.ts`. */
export function createRoutingContext (adapters: AdapterMap, methods: Methods): RoutingContext {
  const providers = new Map(
    [...adapters.values()].flatMap(adapter => Object.keys(adapter.methods).map(method => [method, adapter])),
  )
  return { methods, isOpen: method => providers.get(method)?.isOpen() ?? true }
}

const windowMs = 30_000
const bucketMs = 5_000
const halfOpenAfterMs = 5_000
/** With fewer calls in the window, a failure rate means nothing. */
const minCalls = 10
/**
 * Deadline of a whole call, however many requests the adapter makes in it. Shorter than the lease of the process that
 * makes the call.
 */
const callDeadlineMs = { start: 5_000, resend: 5_000, resolve: 7_000, cancel: 3_000 }

export type GuardParts = {
  /** Milliseconds since the epoch. Read once per call, at its end. */
  now: () => number
  tracing: Pick<Tracing, 'trace'>
  metrics: { countCall (call: ProviderCall): void }
  log: { info (fields: object, message: string): void }
}

type Call = Pick<ProviderCall, 'method' | 'call'> & { subject: Subject }
type CallOutcome = Pick<ProviderCall, 'result' | 'reason'> & { blame: Blame }
/** A refusal is an error that is not the provider's fault: the answer of a healthy provider. */
type Answer<T> = { value: T } | { refusal: ProviderError }

const succeeded: CallOutcome = { result: 'ok', reason: null, blame: 'none' }

/**
 * Wraps an adapter with what no adapter should know: a total deadline, a circuit breaker, and a report and a span of
 * every call. The breaker opens when half of at least ten calls failed within 30 s, and at once on bad credentials;
 * after 5 s one call probes.
 */
export function guardAdapter (adapter: Adapter, { now, tracing, metrics, log }: GuardParts): GuardedAdapter {
  const { provider, methods, resend, cancel } = adapter
  const breaker = createBreaker(now)

  async function guard<T> (
    { call, method, subject }: Call, work: () => Promise<T>, outcomeOf: (value: T) => CallOutcome = () => succeeded,
  ): Promise<T> {
    const startedAt = performance.now()
    const late = (): Error => new ProviderError(provider, call, 'provider_timeout', { retryable: true })

    async function run (setAttributes: (attributes: Attributes) => void): Promise<Answer<T>> {
      const record = (outcome: CallOutcome, isHealthy: boolean): void => {
        const endedAt = now()
        const { result, reason } = outcome
        setAttributes({ 'verigate.result': result, ...reason === null ? {} : { 'verigate.reason': reason } })
        const report = {
          provider, method, call, verificationId: subject.id, ...outcome, durationMs: Math.round(
            performance.now() - startedAt,
          ),
        }
        metrics.countCall(report)
        log.info(report, 'provider call')
        breaker.record(endedAt, isHealthy ? null : reason)
      }
      let value: T
      try {
        value = await withDeadline(callDeadlineMs[call], late, work)
      } catch (error) {
        const { reason, blame } = readError(error)
        const isRefusal = error instanceof ProviderError && !reasons[reason].isProviderFault
        record({ result: 'error', reason, blame }, isRefusal)
        if (isRefusal) return { refusal: error }
        throw error
      }
      record(outcomeOf(value), true)
      return { value }
    }

    try {
      const { id, traceparent } = subject
      const attributes = {
        'verigate.verification.id': id, 'verigate.provider': provider, 'verigate.method': method,
      }
      const span = { kind: 'client', traceparent, attributes } as const
      const answer = await breaker.execute(() => tracing.trace(`${provider} ${call}`, span, run))
      if ('refusal' in answer) throw answer.refusal
      return answer.value
    } catch (error) {
      if (!(error instanceof BrokenCircuitError)) throw error
      throw new ProviderError(provider, call, 'provider_unavailable', { retryable: true })
    }
  }

  return {
    ...adapter,
    // A start that sends no request is not a call.
    start: (attempt, subject) => methods[attempt.method]?.startsLocally === true
      ? adapter.start(attempt)
      : guard({ call: 'start', method: attempt.method, subject }, () => adapter.start(attempt)),
    ...resend === undefined ? {} : {
      resend: (attempt: AttemptContext, subject: Subject) =>
        guard({ call: 'resend', method: attempt.method, subject }, () => resend(attempt)),
    },
    ...cancel === undefined ? {} : {
      cancel: (attempt: AttemptContext, subject: Subject) =>
        guard({ call: 'cancel', method: attempt.method, subject }, () => cancel(attempt)),
    },
    resolve: (attempt, evidence, call, subject) => guard(
      { call: 'resolve', method: attempt.method, subject }, () => adapter.resolve(attempt, evidence, call),
      outcome => outcome.verdict === 'denied'
        ? { result: 'denied', reason: outcome.reason, blame: blameOf(outcome.reason) }
        : succeeded,
    ),
    health: breaker.health,
    isOpen: breaker.isOpen,
  }
}

function readError (error: unknown): { reason: Reason, blame: Blame } {
  return error instanceof ProviderError
    ? { reason: error.reason, blame: blameOf(error.reason) }
    : { reason: 'provider_error', blame: 'internal' }
}

type Breaker = Pick<GuardedAdapter, 'health' | 'isOpen'> & {
  /** Throws `BrokenCircuitError` while it is open. */
  execute<T> (work: () => Promise<T>): Promise<T>
  /** Notes how the call that is about to settle ended. `failure` is null for the answer of a healthy provider. */
  record (endedAt: number, failure: Reason | null): void
}

function createBreaker (now: () => number): Breaker {
  const sample = createSample()
  let endedAt = -Infinity
  let openedAt = -Infinity
  let lastSuccessAt: number | null = null
  let lastFailure: Health['lastFailure'] = null
  const policy: IBreaker = {
    state: undefined,
    success: () => sample.count(true, endedAt),
    failure: () => {
      sample.count(false, endedAt)
      const { calls, errorRate } = sample.read(endedAt)
      return lastFailure?.reason === 'provider_misconfigured' || (calls >= minCalls && errorRate >= 0.5)
    },
  }
  const circuit = circuitBreaker(handleAll, { halfOpenAfter: halfOpenAfterMs, breaker: policy })
  circuit.onBreak(() => { openedAt = endedAt })

  const isOpen = (): boolean => circuit.state === CircuitState.Open && now() < openedAt + halfOpenAfterMs
  return {
    execute: work => circuit.execute(work),
    record (at, failure) {
      endedAt = at
      if (failure === null) lastSuccessAt = at
      else lastFailure = { at, reason: failure }
    },
    health: () => ({
      // The circuit itself becomes half-open only with the call that probes.
      breaker: circuit.state === CircuitState.Closed ? 'closed' : isOpen() ? 'open' : 'halfOpen',
      errorRate: sample.read(now()).errorRate, lastSuccessAt, lastFailure,
    }),
    isOpen,
  }
}

type Sample = {
  count (isSuccess: boolean, at: number): void, read (at: number): { calls: number, errorRate: number },
}

/** Successes and failures of the last 30 seconds, in buckets of five. */
function createSample (): Sample {
  let buckets: { at: number, calls: number, failures: number }[] = []
  return {
    count (isSuccess, at) {
      const start = at - at % bucketMs
      let bucket = buckets.at(-1)
      if (bucket?.at !== start) {
        buckets = buckets.filter(old => old.at > at - windowMs)
        buckets.push(bucket = { at: start, calls: 0, failures: 0 })
      }
      bucket.calls += 1
      if (!isSuccess) bucket.failures += 1
    },
    read (at) {
      let [calls, failures] = [0, 0]
      for (const bucket of buckets) {
        if (bucket.at <= at - windowMs) continue
        calls += bucket.calls
        failures += bucket.failures
      }
      return { calls, errorRate: calls === 0 ? 0 : failures / calls }
    },
  }
}
