import type { TSchema } from 'typebox'
import { Compile, type Validator } from 'typebox/compile'
import type { Adapter, Json, Method } from '../adapters/adapter.ts'
import type { WorkflowItem } from '../apps/apps.ts'
import { ApiError } from '../core/errors.ts'
import type { Reason } from '../core/reasons.ts'
import { currentAttempt, decide, type Decision, providerOf, type Step } from '../core/verification.ts'

export type Methods = ReadonlyMap<string, Method>

/** Every method of the opened adapters, by name. */
export function collectMethods (adapters: Iterable<Adapter>): Methods {
  return new Map([...adapters].flatMap(({ methods }) => Object.entries(methods)))
}

/** The one option that every method takes: a user's "no" goes to the next step instead of ending the verification. */
const rejectionOption = 'continueWhenRejected'

/**
 * The steps of a new verification: what was asked for, else the app's, else every configured method that can serve the request, silent ones first.
 * Throws `ApiError`: a method that is not there, an option it does not take, or nothing that can serve the request.
 */
export function planWorkflow (items: readonly WorkflowItem[] | undefined, phoneNumber: string | null, methods: Methods): Step[] {
  const chosen = items ?? defaultWorkflow(phoneNumber, methods)
  const steps = chosen.map((item, index) => planStep(typeof item === 'string' ? { method: item } : item, index, methods))
  if (!steps.some(step => canServe(step, phoneNumber, methods))) {
    throw new ApiError('no_eligible_method', phoneNumber === null ? 'No method of the workflow works without a phone number.' : 'No configured method can verify this number.')
  }
  return steps
}

function defaultWorkflow (phoneNumber: string | null, methods: Methods): string[] {
  return [...methods]
    .filter(([, method]) => method.defaultRank !== undefined && method.needsPhoneNumber === (phoneNumber !== null))
    .sort(([, a], [, b]) => (a.defaultRank ?? 0) - (b.defaultRank ?? 0))
    .map(([name]) => name)
}

function planStep (item: Exclude<WorkflowItem, string>, index: number, methods: Methods): Step {
  const method = methods.get(item.method)
  const field = `workflow/${index}`
  if (method === undefined) {
    throw new ApiError('method_unavailable', `Item ${index} of the workflow names a method that is unknown or not configured.`, { errors: [{ field, message: 'is not available' }] })
  }
  const { [rejectionOption]: continues = false, ...options } = (item.options ?? {}) as { [name: string]: Json }
  const problem = typeof continues === 'boolean' ? findProblem(method.options, options) : { instancePath: `/${rejectionOption}`, message: 'must be boolean' }
  if (problem !== undefined) {
    const name = problem.instancePath.split('/')[1] ?? ''
    const isKnown = name === rejectionOption || Object.hasOwn(method.options.properties, name)
    // A name of the caller's own may be anything, also a number: it is not repeated.
    const path = `${field}/options/${isKnown ? name : '*'}`
    const message = isKnown ? problem.message : 'is not an option of this method'
    throw new ApiError('invalid_request', `\`${path}\` ${message}.`, { errors: [{ field: path, message }] })
  }
  return {
    method: item.method,
    timeoutMs: item.timeoutSeconds === undefined ? method.timeoutMs : item.timeoutSeconds * 1000,
    options,
    isRepeatable: method.isRepeatable,
    continueWhenRejected: continues === true,
  }
}

const validators = new WeakMap<TSchema, Validator>()

function findProblem (schema: TSchema, value: unknown): { instancePath: string, message: string } | undefined {
  let validator = validators.get(schema)
  if (validator === undefined) validators.set(schema, validator = Compile(schema))
  return validator.Check(value) ? undefined : validator.Errors(value)[0]
}

function canServe (step: Step, phoneNumber: string | null, methods: Methods): boolean {
  const method = methods.get(step.method)
  return method !== undefined && (phoneNumber !== null || !method.needsPhoneNumber)
}

export type RoutingContext = {
  methods: Methods
  /** Whether calls to this provider are stopped for now. */
  isOpen (provider: string): boolean
}

/** Skips every attempt that cannot start, until one can or none is left. */
export function skipIneligible (decision: Decision, { methods, isOpen }: RoutingContext, now: number): Decision {
  const { next } = decision
  const current = currentAttempt(next)
  const step = current === null ? undefined : next.workflow[current.index]
  if (current === null || step === undefined || current.attempt.phase !== 'starting' || !decision.effects.includes('start')) return decision
  let reason: Reason | null
  if (!canServe(step, next.phoneNumber, methods)) reason = null
  else if (isOpen(providerOf(step.method))) reason = 'provider_unavailable'
  else return decision
  const skipped = decide(next, { type: 'attemptSkipped', attempt: current.index, reason }, now)
  return skipped === null ? decision : skipIneligible(skipped, { methods, isOpen }, now)
}
