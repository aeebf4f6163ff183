import { assuranceOf, levelOf, type AssuranceLevel, type MethodAssurance } from './assurance.ts'
import { decide } from './decide.ts'
import type { Reason } from './reasons.ts'
import type { Attempt, Step } from './verification.ts'
import type { DecideOptions, Decision } from './events.ts'

/** What the choice of a method depends on, besides the verification. */
export type RoutingContext = {
  methods: ReadonlyMap<string, {
    needsPhoneNumber: boolean, needsReturnUrl?: boolean, startsLocally?: boolean, sendsMessage?: boolean,
    assurance: MethodAssurance,
  }>
  /** Whether the breaker of this method's provider is open. */
  isOpen (method: string): boolean
}

/** What is known of the messages of each method. */
export type MessageMethods = ReadonlyMap<string, { sendsMessage?: boolean }>

/** Whether one of these attempts has sent a message, or may have. */
export const hasSentMessage = (attempts: readonly Attempt[], methods: MessageMethods): boolean =>
  attempts.some(({ status, method }) => status !== 'skipped' && methods.get(method)?.sendsMessage === true)

/** What the choice of a method depends on in a verification, or in a request for one. */
export type Known = {
  phoneNumber: string | null, returnUrl: string | null, minAssurance: AssuranceLevel, withoutMessages?: boolean
}

/** Whether the method is configured, proves enough, and has what it needs from the request. */
export function canServe (
  { method: name, options }: Pick<Step, 'method' | 'options'>, known: Known, methods: RoutingContext['methods'],
): boolean {
  const { phoneNumber, returnUrl, minAssurance, withoutMessages } = known
  const method = methods.get(name)
  if (method === undefined || (method.needsPhoneNumber && phoneNumber === null)) return false
  if (method.needsReturnUrl === true && returnUrl === null) return false
  if (method.sendsMessage === true && withoutMessages === true) return false
  return provesEnough(method, options, minAssurance)
}

/** Whether a proof by the method reaches the level. */
export const provesEnough = (
  { assurance }: { assurance: MethodAssurance }, options: Step['options'], minAssurance: AssuranceLevel,
): boolean => levelOf(assuranceOf(assurance, options)) >= minAssurance

/** Skips every attempt that cannot start, until one can or none is left. */
export function skipIneligible (
  decision: Decision, context: RoutingContext, now: number, options: DecideOptions = {},
): Decision {
  for (;;) {
    const { next, effect } = decision
    const attempt = next.attempts.length - 1
    const step = next.workflow[attempt]
    if (effect !== 'start' || step === undefined) return decision
    let reason: Reason | null
    if (!canServe(step, next, context.methods)) reason = null
    else if (context.isOpen(step.method)) reason = 'provider_unavailable'
    else return decision
    decision = decide(next, { type: 'attemptSkipped', attempt, reason }, now, options) ?? decision
  }
}
