import { ProviderError } from '../core/errors.ts'
import { reasons, type Reason } from '../core/reasons.ts'
import type { ProviderCall, VendorAnswer } from '../core/vocabulary.ts'
import { createOutcomeWindow } from './outcome-window.ts'

/**
 * What a call says about its provider. `none`: it is about one user's evidence, one carrier or this program, so it
 * counts neither way.
 */
export type Sign = 'ok' | 'failed' | 'misconfigured' | 'none'

export type BreakerState = 'closed' | 'open' | 'halfOpen'

/** What one process tells the others about one kind of call. Times are ms since the epoch. */
export type HealthSummary = {
  /** When the breaker last closed: counts of before it are void. */
  closedAt: number
  /** When the breaker opened, or a probe failed last; null while it is closed. */
  openedAt: number | null
  /** Verifications of the last 30 seconds, by the sign of their last first call. */
  ok: number
  failed: number
  /** Verifications for which the provider refused our credentials since its last good answer. */
  misconfigured: number
  lastSuccessAt: number | null
  /** `vendor`: what the provider said, where it said anything. */
  lastFailure: { at: number, reason: Reason, vendor?: VendorAnswer | null } | null
}

export type CallOf = {
  verificationId: string
  /** The same was asked before, and not answered. A retry counts neither way, and is never the probe. */
  isRetry: boolean
}

/**
 * The health of one kind of call of one method. It counts verifications, so that no user, however often they try,
 * costs others the method.
 */
export type CallHealth = {
  /** How the call may be made; null: not at all for now. */
  admit (call: CallOf): 'call' | 'probe' | null
  record (call: CallOf & {
    sign: Sign, reason: Reason | null, vendor?: VendorAnswer | null, isProbe: boolean, at: number
  }): void
  breaker (at: number): BreakerState
  /** Whether a first call would be refused. */
  isOpen (): boolean
  /** What this process tells the others. */
  summary (at: number): HealthSummary
  /** What another process reported. */
  merge (from: string, reported: HealthSummary, at: number): void
  /** The summary of all processes. */
  total (at: number): HealthSummary
}

/** With fewer verifications in the window, a failure rate means nothing. */
const minVerifications = 10
const minMisconfigured = 2
const openMs = 5_000
/** Without any probe for this long, nothing is known any more, and calls are made again. */
const lapseMs = openMs + 30_000
const misconfiguredMs = 600_000
/** The report of another process is void after this time without another one. */
const staleMs = 10_000

export type CallHealthParts = {
  now: () => number
  /** The breaker has opened or closed, or a probe has failed. */
  onChange?: () => void
}

type Breaker = {
  state (at: number): BreakerState
  /** When it last closed and opened; see `HealthSummary`. */
  times (): Pick<HealthSummary, 'closedAt' | 'openedAt'>
  open (at: number): void
  close (at: number): void
  /** Admits the probe, if there is none yet. */
  beginProbe (): boolean
  /** The result of a probe; true: the state changed. A probe without a sign leaves the question to the next one. */
  conclude (sign: Sign, at: number): boolean
  isOpen (now: () => number): boolean
}

/** Opens for 5 s. Then a probe closes it, or keeps it open. `onClose`: counts of before `at` are void. */
function createBreaker (onClose: (at: number) => void): Breaker {
  let closedAt = 0
  let openedAt: number | null = null
  let isProbing = false

  function close (at: number): void {
    closedAt = at
    openedAt = null
    isProbing = false
    onClose(at)
  }

  function state (at: number): BreakerState {
    if (openedAt !== null && at >= openedAt + lapseMs) close(openedAt + lapseMs)
    if (openedAt === null) return 'closed'
    return at < openedAt + openMs ? 'open' : 'halfOpen'
  }

  return {
    state,
    times: () => ({ closedAt, openedAt }),
    open (at) { openedAt = at },
    close,
    beginProbe () {
      if (isProbing) return false
      isProbing = true
      return true
    },
    conclude (sign, at) {
      isProbing = false
      if (sign === 'none' || openedAt === null) return false
      if (sign === 'ok') close(at)
      else openedAt = at
      return true
    },
    isOpen (now) {
      if (openedAt === null) return false
      const current = state(now())
      return current === 'open' || (current === 'halfOpen' && isProbing)
    },
  }
}

/**
 * The breaker opens when half of at least ten verifications failed within 30 s, over all processes, or when the
 * provider refused our credentials for two. After 5 s a first call probes: it closes the breaker, or keeps it open.
 */
export function createCallHealth ({ now, onChange = () => {} }: CallHealthParts): CallHealth {
  const own = createOutcomeWindow()
  const misconfigured = new Map<string, number>()
  const others = new Map<string, { reported: HealthSummary, at: number }>()
  let lastSuccessAt: number | null = null
  let lastFailure: HealthSummary['lastFailure'] = null
  const breaker = createBreaker(at => {
    own.clear()
    misconfigured.clear()
    for (const [from, { reported }] of others) if (reported.closedAt < at) others.delete(from)
  })

  function summary (at: number): HealthSummary {
    breaker.state(at)
    for (const [id, since] of misconfigured) if (since <= at - misconfiguredMs) misconfigured.delete(id)
    return { ...breaker.times(), ...own.count(at), misconfigured: misconfigured.size, lastSuccessAt, lastFailure }
  }

  function total (at: number): HealthSummary {
    for (const [from, other] of others) if (other.at <= at - staleMs) others.delete(from)
    return [...others.values()].reduce((sum, { reported }) => addReported(sum, reported), summary(at))
  }

  function openIfUnhealthy (at: number): boolean {
    if (breaker.state(at) !== 'closed') return false
    const { ok, failed, misconfigured } = total(at)
    const isFailing = ok + failed >= minVerifications && failed >= ok
    if (!isFailing && misconfigured < minMisconfigured) return false
    breaker.open(at)
    return true
  }

  return {
    admit ({ verificationId, isRetry }) {
      if (breaker.times().openedAt === null) return 'call'
      switch (breaker.state(now())) {
        case 'closed': return 'call'
        case 'open': return null
        case 'halfOpen': return !isRetry && !own.hasFailed(verificationId) && breaker.beginProbe() ? 'probe' : null
      }
    },
    record ({ verificationId, isRetry, sign, reason, vendor = null, isProbe, at }) {
      if (sign === 'ok') lastSuccessAt = at
      else if (reason !== null) lastFailure = { at, reason, vendor }
      let hasChanged = isProbe && breaker.conclude(sign, at)
      if (sign !== 'none' && !isRetry) {
        own.add(verificationId, sign !== 'ok', at)
        if (sign === 'ok') misconfigured.clear()
        if (sign === 'misconfigured') misconfigured.set(verificationId, at)
        if (sign !== 'ok') hasChanged = openIfUnhealthy(at) || hasChanged
      }
      if (hasChanged) onChange()
    },
    breaker: breaker.state,
    isOpen: () => breaker.isOpen(now),
    summary,
    merge (from, reported, at) {
      const reportedOpenedAt = reported.openedAt ?? 0
      // A clock that is ahead must not keep a breaker open.
      if (Math.max(reported.closedAt, reportedOpenedAt) > at + staleMs) return
      breaker.state(at)
      if (reported.closedAt > breaker.times().closedAt) breaker.close(reported.closedAt)
      const { closedAt, openedAt } = breaker.times()
      if (reported.closedAt < closedAt) return void others.delete(from)
      others.set(from, { reported, at })
      if (reportedOpenedAt > (openedAt ?? 0) && at < reportedOpenedAt + lapseMs) breaker.open(reportedOpenedAt)
      openIfUnhealthy(at)
    },
    total,
  }
}

/** The summary of two processes; `sum` has what both share. */
const addReported = (sum: HealthSummary, reported: HealthSummary): HealthSummary => ({
  ...sum, ok: sum.ok + reported.ok, failed: sum.failed + reported.failed,
  misconfigured: sum.misconfigured + reported.misconfigured,
  lastSuccessAt: Math.max(sum.lastSuccessAt ?? 0, reported.lastSuccessAt ?? 0) || null,
  lastFailure: (reported.lastFailure?.at ?? 0) > (sum.lastFailure?.at ?? 0) ? reported.lastFailure : sum.lastFailure,
})

/** What an answer says: one about a user's evidence may come from anything that answers 404. */
export function signOfAnswer ({ reason }: { reason: Reason | null }): Sign {
  return reason?.startsWith('evidence_') === true ? 'none' : 'ok'
}

/** Statuses with which a provider refuses the content of a request: the number may be the cause. */
const contentStatuses = [400, 422]
/** Statuses that are about our account, whatever the evidence. */
const accountStatuses = [401, 402, 429]

/**
 * What an error says. Evidence comes from users and from strangers, so a 4xx to it, and a readable answer without a
 * meaning, may be their doing. A start has nothing of a user but the number.
 */
export function signOfError (error: unknown, call: ProviderCall['call']): Sign {
  // A fault of this program.
  if (!(error instanceof ProviderError)) return 'none'
  const { reason, status, isCarrierFault } = error
  if (!reasons[reason].isProviderFault) return signOfAnswer(error)
  if (isCarrierFault || isOfOneUser(reason, status, call)) return 'none'
  return reason === 'provider_misconfigured' ? 'misconfigured' : 'failed'
}

function isOfOneUser (reason: Reason, status: number | null, call: ProviderCall['call']): boolean {
  if (status === null || status >= 500) return false
  if (call !== 'resolve') return reason === 'provider_bad_response' && contentStatuses.includes(status)
  return reason === 'provider_bad_response' || (status >= 400 && !accountStatuses.includes(status))
}
