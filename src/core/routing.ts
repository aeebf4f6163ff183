import { assuranceOf, levelOf, testAssurance, type AssuranceLevel, type MethodAssurance } from './assurance.ts'
import { decide } from './decide.ts'
import type { Reason } from './reasons.ts'
import type { Attempt, Step, Verification } from './verification.ts'
import type { DecideOptions, Decision } from './events.ts'
import type { Action } from './vocabulary.ts'

/** What the choice of a method depends on, besides the verification. */
export type RoutingContext = {
  methods: ReadonlyMap<string, {
    needsPhoneNumber: boolean, needsReturnUrl?: boolean, startsLocally?: boolean, sendsMessage?: boolean,
    assurance: MethodAssurance, nextActions?: readonly Action['type'][],
  }>
  /** Whether the breaker of this method's provider is open. */
  isOpen (method: string): boolean
}

/** What is known of the messages of each method. */
export type MessageMethods = ReadonlyMap<string, { sendsMessage?: boolean }>

/** Whether one of these attempts has sent a message, or may have. */
export const hasSentMessage = (attempts: readonly Attempt[], methods: MessageMethods): boolean =>
  attempts.some(({ status, method }) => status !== 'skipped' && methods.get(method)?.sendsMessage === true)

/** What the choice of a method depends on in a request for a verification. */
export type Known = {
  phoneNumber: string | null, returnUrl: string | null, minAssurance: AssuranceLevel, withoutMessages?: boolean,
  testNumber?: object
}

/** Whether the method is configured, proves enough, and has what it needs from the request. */
export function canServe (
  { method: name, options }: Pick<Step, 'method' | 'options'>, known: Known, methods: RoutingContext['methods'],
): boolean {
  const { phoneNumber, returnUrl, minAssurance, withoutMessages, testNumber } = known
  const method = methods.get(name)
  if (method === undefined) return false
  if (testNumber !== undefined) return takesTypedCode(method) && levelOf(testAssurance) >= minAssurance
  if (method.needsPhoneNumber && phoneNumber === null) return false
  if (method.needsReturnUrl === true && returnUrl === null) return false
  if (method.sendsMessage === true && withoutMessages === true) return false
  return provesEnough(method, options, minAssurance)
}

/** One step of each group: the first whose provider is not failing, else the first. For steps that no caller listed. */
export const oneOfEach = <Item extends { method: string }>(
  steps: readonly Item[], groupOf: (step: Item) => unknown, { isOpen }: Pick<RoutingContext, 'isOpen'>,
): Item[] => [...Map.groupBy(steps, groupOf).values()].flatMap(
  group => group.find(({ method }) => !isOpen(method)) ?? group.slice(0, 1))

/** Whether the user types a code. Only such a method can verify a test number. */
export const takesTypedCode = ({ nextActions = [] }: { nextActions?: readonly Action['type'][] }): boolean =>
  nextActions.includes('submitCode')

/** Whether a proof by the method reaches the level. */
export const provesEnough = (
  { assurance }: { assurance: MethodAssurance }, options: Step['options'], minAssurance: AssuranceLevel,
): boolean => minAssurance === 1 || levelOf(assuranceOf(assurance, options)) >= minAssurance

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
    if (step.isUnfit === true || !context.methods.has(step.method) || isTested(next)) reason = null
    else if (next.testNumber === undefined && context.isOpen(step.method)) reason = 'provider_unavailable'
    else return decision
    decision = decide(next, { type: 'attemptSkipped', attempt, reason }, now, options) ?? decision
  }
}

/** Whether the test number has had its attempt: only the first method with a typed code takes its fixed code. */
const isTested = ({ testNumber, attempts }: Pick<Verification, 'testNumber' | 'attempts'>): boolean =>
  testNumber !== undefined && attempts.slice(0, -1).some(({ status }) => status !== 'skipped')
