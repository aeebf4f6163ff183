import type { AttemptContext, Method, Outcome, Started } from '../adapters/adapter.ts'
import type { AdapterMap, GuardedAdapter, Subject } from '../adapters/guard.ts'
import { judgeCode, readKeptCode } from '../adapters/made-code.ts'
import type { Apps } from '../apps/apps.ts'
import { pageHostOf } from '../apps/return-urls.ts'
import { assuranceOf, type Assurance } from '../core/assurance.ts'
import { ProviderError } from '../core/errors.ts'
import type { Event } from '../core/events.ts'
import { cleanProfile } from '../core/profile.ts'
import { currentAttempt, providerOf, type Evidence, type Verification } from '../core/verification.ts'
import { noCountry, type Action } from '../core/vocabulary.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { Ids } from '../store/ids.ts'
import type { Sealer } from '../store/sealing.ts'
import { createAttemptCode } from './attempt-codes.ts'
import { standIn } from './test-numbers.ts'

/** The public URL at which a provider's server reaches this gateway. */
export const callbackUrl = (publicUrl: string, provider: string, key: string | null): string =>
  `${publicUrl}/callbacks/${provider}${key === null ? '' : `/${encodeURIComponent(key)}`}`

/** Local, since every call to a provider asks it twice. */
const providerIn = (method: string): string => method.slice(0, method.indexOf('.'))

/** Calls to adapters about one attempt: their answers become events. */
export type ProviderCalls = {
  /** What the adapter receives about an attempt. */
  contextOf (verification: Verification, index: number): AttemptContext
  /** Never throws `ProviderError`: a start that fails is an event, and so is one that cannot succeed. */
  start (verification: Verification, index: number): Promise<Event>
  /** The answer to evidence that needs no provider; null: the provider must be queried. */
  judge (verification: Verification, index: number, evidence: Evidence): Promise<Event | null>
  /** Throws retryable `ProviderError`s: the result is not known yet. */
  resolve (verification: Verification, index: number, evidence: Evidence, repeated: boolean): Promise<Event>
  /** Throws `ProviderError`. */
  resend (verification: Verification, index: number): Promise<Event>
  /** Ends a started attempt at the provider, where the adapter can. Best effort: a failure is logged. */
  cancel (verification: Verification, index: number): Promise<void>
}

export type ProviderCallsParts = {
  adapters: AdapterMap
  ids: Pick<Ids, 'attemptId' | 'callbackKey'>
  apps: Pick<Apps, 'byId'>
  /** For the fixed codes of test numbers, and the codes of attempts. */
  sealer: Pick<Sealer, 'keyedHash' | 'keyedHashes'>
  /** Replaces the codes that the gateway makes: those of the sandbox follow from the number. */
  fixedCode?: ((phoneNumber: string, length: number) => string) | undefined
  publicUrl: string
  log: Pick<Logger, 'warn'>
}

type Found = {
  adapter: Pick<GuardedAdapter, 'provider' | 'canServe' | 'start' | 'resend' | 'resolve'>, method: Called
  context: AttemptContext
}
/** What a call must know of the method. */
type Called = Pick<Method, 'assurance'>
  & Partial<Pick<Method, 'needsPhoneNumber' | 'resend' | 'codeAttempts' | 'isFoundByProviderId'>>

const codeAssurance: Assurance = { possession: 'message', binding: 'session', restricted: true }

/** Judges the code of a message that was sent by a provider which is not configured any more. */
function createCodeJudge (provider: string): Found['adapter'] {
  return {
    provider,
    async start () { throw new ProviderError(provider, 'start', 'provider_misconfigured') },
    resolve: async (attempt, evidence) => judgeCode(attempt, evidence),
  }
}

type ContextParts = Pick<ProviderCallsParts, 'adapters' | 'apps' | 'fixedCode' | 'ids' | 'publicUrl' | 'sealer'>

function createContextOf (
  { adapters, apps, fixedCode, ids, publicUrl, sealer }: ContextParts,
): ProviderCalls['contextOf'] {
  /**
   * A provider that wants its redirect URI registered gets one URL for all attempts, and returns our key in the query.
   */
  function returnTo ({ id, returnUrl }: Verification, index: number, provider: string, method: string) {
    if (returnUrl === null) return { redirectKey: null, redirectUrl: null }
    const redirectKey = ids.callbackKey(id, index, 'redirect')
    const isFixed = adapters.get(provider)?.methods[method]?.redirect === 'fixed'
    return { redirectKey, redirectUrl: callbackUrl(publicUrl, provider, isFixed ? null : redirectKey) }
  }

  return (verification, index) => {
    const { id, appId, phoneNumber, locale, device, returnUrl, expiresAt } = verification
    const attempt = verification.attempts[index]
    const step = verification.workflow[index]
    if (attempt === undefined || step === undefined) throw new RangeError('no such attempt')
    const provider = providerIn(step.method)
    let callbackKey: string | undefined
    // Getters, because each identifier is a hash, and most calls need one of them or none.
    return {
      get id () { return ids.attemptId(id, index) },
      method: step.method, phoneNumber, options: step.options, locale, device,
      state: 'state' in attempt ? attempt.state : null,
      startedAt: attempt.startedAt,
      expiresAt: 'expiresAt' in attempt ? attempt.expiresAt : expiresAt,
      get callbackKey () { return callbackKey ??= ids.callbackKey(id, index, 'callback') },
      get callbackUrl () { return callbackUrl(publicUrl, provider, this.callbackKey) },
      get app () {
        const app = apps.byId(appId)
        return { name: app?.name ?? appId, host: app === null ? null : pageHostOf(app, returnUrl) }
      },
      get code () {
        const fixed = phoneNumber === null || fixedCode === undefined
          ? undefined
          : (length: number) => fixedCode(phoneNumber, length)
        return createAttemptCode(sealer, `${id} ${index}`, fixed)
      },
      ...returnTo(verification, index, provider, step.method),
    }
  }
}

/** Null: the number belongs to no country. */
const countryOf = ({ country = noCountry }: Verification): string | null => country === noCountry ? null : country

function isJudgedHere (adapters: AdapterMap, { workflow }: Verification, index: number): boolean {
  const method = workflow[index]?.method ?? '.'
  return adapters.get(providerIn(method))?.methods[method]?.judgesLocally === true
}

export function createProviderCalls (parts: ProviderCallsParts): ProviderCalls {
  const { adapters, sealer, log } = parts
  const contextOf = createContextOf(parts)

  function find (verification: Verification, index: number): Found {
    const context = contextOf(verification, index)
    const provider = providerIn(context.method)
    const adapter = adapters.get(provider)
    const method = adapter?.methods[context.method]
    // The operator removed the provider while this verification was live. A code of ours needs no provider.
    if (adapter === undefined || method === undefined) {
      if (readKeptCode(context.state) === null) throw new ProviderError(provider, 'lookup', 'provider_misconfigured')
      return { adapter: createCodeJudge(provider), method: { assurance: codeAssurance }, context }
    }
    const { testNumber } = verification
    if (testNumber !== undefined) return { ...standIn(sealer, verification.id, testNumber, method), context }
    return { adapter, method, context }
  }

  async function resolve (
    verification: Verification, index: number, evidence: Evidence, repeated: boolean,
  ): Promise<Event> {
    try {
      const { adapter, method, context } = find(verification, index)
      const outcome = await adapter.resolve(context, evidence.value, { repeated }, subjectOf(verification))
      return eventOf(outcome, index, { assurance: assuranceOf(method.assurance, context.options), evidence })
    } catch (error) {
      if (error instanceof ProviderError && !error.retryable) {
        return { type: 'attemptFailed', attempt: index, reason: error.reason }
      }
      throw error
    }
  }

  return {
    contextOf,
    async start (verification, index) {
      try {
        const { adapter, method, context } = find(verification, index)
        const { phoneNumber, device } = context
        const country = countryOf(verification)
        const reason = phoneNumber === null || method.needsPhoneNumber !== true
          ? null
          : await adapter.canServe?.({ method: context.method, phoneNumber, country, device }, verification) ?? null
        if (reason !== null) return { type: 'attemptSkipped', attempt: index, reason }
        return startedEvent(await adapter.start(context, verification), index, method)
      } catch (error) {
        if (!(error instanceof ProviderError)) throw error
        // The breaker is open: nothing was started.
        if (error.reason === 'provider_unavailable') return {
          type: 'attemptSkipped', attempt: index, reason: error.reason,
        }
        return { type: 'startFailed', attempt: index, reason: error.reason }
      }
    },
    judge: async (verification, index, evidence) =>
      isJudgedHere(adapters, verification, index) ? resolve(verification, index, evidence, false) : null,
    resolve,
    async resend (verification, index) {
      const { adapter, method: { isFoundByProviderId: isFindable }, context } = find(verification, index)
      if (adapter.resend === undefined) throw new ProviderError(adapter.provider, 'resend', 'provider_misconfigured')
      const { state, action, id } = await adapter.resend(context, verification)
      return {
        type: 'resent', attempt: index, state, action, ...id === undefined ? {} : { providerId: id },
        ...isFindable === undefined ? {} : { isFindable },
      }
    },
    async cancel (verification, index) {
      const adapter = adapters.get(providerOf(verification.workflow[index]?.method ?? '.'))
      if (adapter?.cancel === undefined || verification.testNumber !== undefined) return
      try {
        await adapter.cancel(contextOf(verification, index), verification)
      } catch (error) {
        // The change that ended the attempt is written: not even a fault of the adapter may fail it now.
        const reason = error instanceof ProviderError ? error.reason : 'internal'
        log.warn({ verificationId: verification.id, reason }, 'attempt not canceled at the provider')
      }
    },
  }
}

function startedEvent (
  { state, action, id, isIdOptional, poll, expiresInMs, cost }: Started, attempt: number,
  { resend, codeAttempts, isFoundByProviderId: isFindable }: Called,
): Event {
  return {
    type: 'attemptStarted', attempt, state, action, attemptsRemaining: codeAttempts ?? null,
    resend: resend === undefined ? null : { left: resend.times, afterMs: resend.afterMs },
    ...id === undefined ? {} : { providerId: id },
    ...isIdOptional === undefined ? {} : { isIdOptional },
    ...isFindable === undefined ? {} : { isFindable },
    ...expiresInMs === undefined ? {} : { expiresInMs },
    ...cost === undefined ? {} : { cost },
    ...poll === undefined ? {} : { pollEveryMs: poll.afterMs },
  }
}

function subjectOf (verification: Verification): Subject {
  const { id, traceparent } = verification
  const attempt = currentAttempt(verification)?.attempt
  const isRetry = attempt?.phase === 'resolving' && attempt.isUnanswered === true
  return { id, isRetry, ...traceparent === undefined ? {} : { traceparent } }
}

/**
 * Which evidence the pending attempt accepts, and what the front end was asked to do; null when no attempt is pending,
 * or it is still starting.
 */
export function acceptedEvidence (
  verification: Verification, adapters: AdapterMap,
): { index: number, evidence: Method['evidence'], action: Action | null } | null {
  const current = currentAttempt(verification)
  if (current === null || current.attempt.phase === 'starting') return null
  const { method, action } = current.attempt
  const evidence = adapters.get(providerOf(method))?.methods[method]?.evidence
  return { index: current.index, evidence: evidence ?? (action?.type === 'submitCode' ? ['code'] : []), action }
}

function eventOf (
  outcome: Outcome, attempt: number,
  { assurance: promised, evidence: { from } }: { assurance: Assurance, evidence: Evidence },
): Event {
  switch (outcome.verdict) {
    case 'proven': {
      const { phoneNumber, profile = null, signals = null, assurance = promised } = outcome
      const cleaned = profile === null ? null : cleanProfile(profile)
      return { type: 'numberProven', attempt, phoneNumber, profile: cleaned, signals, assurance }
    }
    case 'denied': return { type: 'attemptFailed', attempt, reason: outcome.reason }
    case 'incorrect': return { type: 'codeIncorrect', attempt }
    case 'pending': {
      const { retryAfterMs, state, action } = outcome
      return {
        type: 'stillPending', attempt, from, retryAfterMs,
        ...state === undefined ? {} : { state }, ...action === undefined ? {} : { action },
      }
    }
    default: return outcome satisfies never
  }
}
