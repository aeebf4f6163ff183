import type {
  Adapter, AttemptContext, Eligibility, EligibilityQuestion, Method, Outcome, Started,
} from './adapter.ts'
import {
  signOfAnswer, signOfError, type BreakerState, type CallHealth, type HealthSummary,
} from './call-health.ts'
import { createProviderHealth, type ProviderHealth } from './provider-health.ts'
import { withDeadline } from '../net.ts'
import { ProviderError } from '../core/errors.ts'
import { blameOf, reasons, type Blame, type Reason } from '../core/reasons.ts'
import type { RoutingContext } from '../core/routing.ts'
import { noTracing, type SetAttributes, type Tracing } from '../telemetry/tracing.ts'
import type { Verification } from '../core/verification.ts'
import type { Json, Money, ProviderCall, VendorAnswer } from '../core/vocabulary.ts'

/** How well a provider has answered lately, as all processes saw it. Times are ms since the epoch. */
export type Health = {
  /** Of the method and the kind of call that is worst. */
  breaker: BreakerState
  /** Failed ÷ all verifications of the last 30 seconds; 0 when there were none. */
  errorRate: number
  lastSuccessAt: number | null
  lastFailure: HealthSummary['lastFailure']
  /** The breaker of each kind of call, of the method where it is worst. */
  breakers: { call: ProviderCall['call'], breaker: BreakerState }[]
}

/** The verification that a call is for: it goes into the report and the span, and to no adapter. */
export type Subject = Pick<Verification, 'traceparent'> & {
  /** Null: no verification. */
  id: string | null
  /** The same was asked before, and not answered. */
  isRetry?: boolean
}

/** An adapter whose calls name the verification that they are for. */
export type GuardedAdapter = Omit<Adapter, 'canServe' | 'start' | 'resend' | 'resolve' | 'cancel'> & {
  /** Null also when it is not known. Takes at most a second, never throws, and is not part of the health. */
  canServe?: (question: EligibilityQuestion, subject: Subject) => Eligibility | Promise<Eligibility>
  start (attempt: AttemptContext, subject: Subject): Promise<Started>
  resend?: (attempt: AttemptContext, subject: Subject) => Promise<Started>
  resolve (attempt: AttemptContext, evidence: Json, call: { repeated: boolean }, subject: Subject): Promise<Outcome>
  cancel?: (attempt: AttemptContext, subject: Subject) => Promise<void>
  health (): Health
  /** The breaker stops calls that start an attempt by this method, for now. */
  isOpen (method: string): boolean
}

/** Every method of the opened adapters, by name. */
export type Methods = ReadonlyMap<string, Method>
/** The same, each with its provider. */
export type OpenedMethods = ReadonlyMap<string, Method & { provider: string }>
export type AdapterMap = ReadonlyMap<string, GuardedAdapter>

export function collectMethods (adapters: Iterable<Pick<Adapter, 'provider' | 'methods'>>): OpenedMethods {
  return new Map([...adapters].flatMap(({ provider, methods }) =>
    Object.entries(methods).map(([name, method]) => [name, { ...method, provider }])))
}

/** The configured methods, and which of them are failing; see `core/routing.ts`. */
export type MethodContext = Pick<RoutingContext, 'isOpen'> & { methods: Methods }

/** Reads the maps at each call: providers can be replaced while the process runs. */
export function createRoutingContext (adapters: AdapterMap, methods: OpenedMethods): MethodContext {
  return {
    methods,
    isOpen (name) {
      const method = methods.get(name)
      if (method === undefined) return true
      // A start that sends no request does not depend on the provider.
      return method.startsLocally !== true && (adapters.get(method.provider)?.isOpen(name) ?? true)
    },
  }
}

/**
 * Deadline of a whole call, however many requests the adapter makes in it. Those of a start and of the eligibility
 * before it are together shorter than the lease of the process that makes the calls.
 */
export const callDeadlineMs = { start: 5_000, resend: 5_000, resolve: 7_000, cancel: 3_000, eligibility: 1_000 }

export type GuardParts = {
  /** Milliseconds since the epoch. Read once per call, at its end. */
  now: () => number
  tracing: Pick<Tracing, 'trace'>
  metrics: { countCall (call: ProviderCall): void, recordBalance (provider: string, balance: Money): void }
  log: Record<'info' | 'warn', (fields: object, message: string) => void>
  /** Default: this process is alone. */
  health?: Pick<ProviderHealth, 'of'>
}

type Call = Pick<ProviderCall, 'method' | 'call'> & { subject: Subject }
type CallOutcome = Pick<ProviderCall, 'result' | 'reason'> & {
  blame: Blame, vendor?: VendorAnswer | null, balance?: Money,
}

const succeeded: CallOutcome = { result: 'ok', reason: null, blame: 'none' }
const withBalance = ({ balance }: Started): CallOutcome => balance === undefined ? succeeded : { ...succeeded, balance }

type HealthOf = (method: string, call: ProviderCall['call']) => CallHealth

/** Makes a call with a total deadline, a circuit breaker, a report and a span. */
function createGuard (
  provider: string, healthOf: HealthOf, { now, tracing, metrics, log }: GuardParts,
) {
  return async function guard<T> (
    { call, method, subject }: Call, work: () => Promise<T>, outcomeOf: (value: T) => CallOutcome = () => succeeded,
  ): Promise<T> {
    const calls = healthOf(method, call)
    const { id, traceparent, isRetry = false } = subject
    const counted = { verificationId: id ?? '', isRetry: isRetry || id === null }
    const admission = calls.admit(counted)
    if (admission === null) throw new ProviderError(provider, call, 'provider_unavailable', { retryable: true })
    const startedAt = performance.now()
    const late = (): Error => new ProviderError(provider, call, 'provider_timeout', { retryable: true })

    async function run (setAttributes: SetAttributes | undefined): Promise<T> {
      const record = (outcome: CallOutcome, error?: unknown): void => {
        const { result, reason, blame, vendor = null, balance } = outcome
        setAttributes?.({ 'verigate.result': result, ...reason === null ? {} : { 'verigate.reason': reason } })
        const durationMs = Math.round(performance.now() - startedAt)
        const about = { provider, method, call, verificationId: id, result }
        const report = { ...about, reason, blame, durationMs }
        metrics.countCall(report)
        if (balance !== undefined) metrics.recordBalance(provider, balance)
        const line = reason === null ? { ...about, durationMs } : vendor === null ? report : { ...report, vendor }
        log[blame === 'operator' ? 'warn' : 'info'](line, 'provider call')
        const failure = reason !== null && reasons[reason].isProviderFault ? reason : null
        const at = now()
        const sign = error === undefined ? signOfAnswer(outcome) : signOfError(error, call)
        calls.record({ ...counted, sign, reason: failure, vendor, isProbe: admission === 'probe', at })
      }
      let value: T
      try {
        value = await withDeadline(callDeadlineMs[call], late, work())
      } catch (error) {
        record({ result: 'error', ...readError(error) }, error)
        throw error
      }
      const outcome = outcomeOf(value)
      record(outcome)
      return value
    }

    if (tracing === noTracing) return run(undefined)
    const attributes = {
      ...id === null ? {} : { 'verigate.verification.id': id },
      'verigate.provider': provider, 'verigate.method': method,
    }
    return tracing.trace(`${provider} ${call}`, { kind: 'client', traceparent, attributes }, run)
  }
}

/**
 * Wraps an adapter with what no adapter should know: a total deadline, a circuit breaker for each method and kind of
 * call (`call-health.ts`), and a report and a span of every call.
 */
export function guardAdapter (adapter: Adapter, parts: GuardParts): GuardedAdapter {
  const { now, health = createProviderHealth({ now }) } = parts
  const { canServe, ...others } = adapter
  const { provider, methods, resend, cancel } = others
  const healths = new Map(Object.keys(methods).map(
    method => [method, new Map(callsOf(adapter).map(call => [call, health.of(method, call)]))],
  ))
  const healthOf: HealthOf = (method, call) => healths.get(method)?.get(call) ?? health.of(method, call)
  const guard = createGuard(provider, healthOf, parts)

  return {
    ...others,
    ...canServe === undefined ? {} : {
      canServe (question: EligibilityQuestion, subject: Subject) {
        const answer = canServe(question)
        // An answer that is known already needs no call.
        if (typeof answer !== 'function') return answer
        return guard({ call: 'eligibility', method: question.method, subject }, answer).catch(() => null)
      },
    },
    // What sends no request is not a call.
    start: (attempt, subject) => methods[attempt.method]?.startsLocally === true
      ? adapter.start(attempt)
      : guard({ call: 'start', method: attempt.method, subject }, () => adapter.start(attempt), withBalance),
    ...resend === undefined ? {} : {
      resend: (attempt: AttemptContext, subject: Subject) =>
        guard({ call: 'resend', method: attempt.method, subject }, () => resend(attempt), withBalance),
    },
    ...cancel === undefined ? {} : {
      cancel: (attempt: AttemptContext, subject: Subject) =>
        guard({ call: 'cancel', method: attempt.method, subject }, () => cancel(attempt)),
    },
    resolve: (attempt, evidence, call, subject) => methods[attempt.method]?.judgesLocally === true
      ? adapter.resolve(attempt, evidence, call)
      : guard(
        { call: 'resolve', method: attempt.method, subject }, () => adapter.resolve(attempt, evidence, call),
        outcome => outcome.verdict === 'denied'
          ? { result: 'denied', reason: outcome.reason, blame: blameOf(outcome.reason), vendor: outcome.vendor ?? null }
          : succeeded,
      ),
    health: () => summarize([...healths.values()].flatMap(calls => [...calls]), now()),
    isOpen: method => healthOf(method, 'start').isOpen(),
  }
}

/** The calls on which a verification depends. */
function callsOf ({ resend, cancel }: Adapter): ProviderCall['call'][] {
  const calls: ProviderCall['call'][] = ['start', 'resolve']
  if (resend !== undefined) calls.push('resend')
  if (cancel !== undefined) calls.push('cancel')
  return calls
}

function summarize (calls: [ProviderCall['call'], CallHealth][], at: number): Health {
  const totals = calls.map(([, health]) => health.total(at))
  const states = calls.map(([call, health]) => ({ call, breaker: health.breaker(at) }))
  const breakers = [...Map.groupBy(states, ({ call }) => call)].map(
    ([call, each]) => ({ call, breaker: worstOf(each) }),
  )
  const [ok, failed] = [sumOf(totals, 'ok'), sumOf(totals, 'failed')]
  const lastFailures = totals.flatMap(({ lastFailure }) => lastFailure ?? []).toSorted((a, b) => b.at - a.at)
  return {
    breaker: worstOf(breakers),
    errorRate: failed === 0 ? 0 : failed / (ok + failed),
    lastSuccessAt: Math.max(0, ...totals.map(({ lastSuccessAt }) => lastSuccessAt ?? 0)) || null,
    lastFailure: lastFailures[0] ?? null,
    breakers,
  }
}

const worstOf = (states: readonly { breaker: BreakerState }[]): BreakerState =>
  (['open', 'halfOpen'] as const).find(state => states.some(({ breaker }) => breaker === state)) ?? 'closed'

const sumOf = (totals: HealthSummary[], field: 'ok' | 'failed'): number =>
  totals.reduce((sum, total) => sum + total[field], 0)

function readError (error: unknown): Pick<CallOutcome, 'vendor' | 'blame'> & { reason: Reason } {
  return error instanceof ProviderError
    ? { reason: error.reason, blame: blameOf(error.reason), vendor: error.vendor }
    : { reason: 'provider_error', blame: 'internal' }
}
