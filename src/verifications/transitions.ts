import { setTimeout as delay } from 'node:timers/promises'
import type { Apps } from '../apps/apps.ts'
import type { ProviderCalls } from './provider-calls.ts'
import type { UnverifiedBudget } from '../apps/unverified-budget.ts'
import type { Deliveries } from '../webhooks/deliveries.ts'
import type { Delivery } from '../webhooks/delivery.ts'
import { ApiError, isGone, ProviderError } from '../core/errors.ts'
import type { SingleUse } from './single-use.ts'
import type { InlineExecutor } from '../jobs/inline-executor.ts'
import type { Queues } from '../jobs/queues.ts'
import type { RecordKeys } from './record-keys.ts'
import type { Limits } from '../apps/limits.ts'
import { numberTag, type Logger } from '../telemetry/logger.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import type { Sealer } from '../store/sealing.ts'
import { partitionOfHash } from '../store/keys.ts'
import { StoreUnavailable, type Claim, type Counter, type CounterExceeded, type ClaimRelease, type Store, type Stored } from '../store/record-store.ts'
import { createVerification, currentAttempt, decide, isFinal, type Decision, type Effect, type Event, type IdempotencyClaim, type NewVerification, type Verification } from '../core/verification.ts'
import { skipIneligible, type RoutingContext } from './workflow.ts'

export type Current = Stored<Verification>
/** `isReplay`: nothing changed, because the evidence or the provider's id in the event was used for another attempt. */
export type Transition = { stored: Current, effects: Effect[], changed: boolean, isReplay: boolean }

/**
 * How a decision gets into the store and what it owes gets done, whoever asks and however many ask at once. What these return may be told: it is confirmed.
 * An effect is either taken on by the caller, or in the same breath by a hand of this process or a job; the record's due time is the net below them all.
 */
export type Transitions = {
  /** Throws `ApiError` gone. What is told of it before it changes again is to be confirmed. */
  load (id: string): Promise<Current>
  /** Waits until as many replicas as `REDIS_WAIT_REPLICAS` says have it, or what came after it, and these claims. Throws `StoreUnavailable`. */
  confirm (stored: Current, claims?: readonly ClaimRelease[]): Promise<void>
  /** Writes a new verification, made at `at`, and starts its first attempt; or tells which claim, or counter, stood in the way. `live` is held while it is not final. */
  create (request: NewVerification, bounds: { at: number, keys: Claim[], live: Claim[], counters: Counter[] }): Promise<Current | { claimConflict: { name: string, value: string } | null } | { counterExceeded: CounterExceeded }>
  /**
   * Lets an event happen to the newest state. `begins`, `resolves`: the caller will start, or resolve, at once; else a hand or a job does. `insists`: it is not
   * given up because the store is away for a moment.
   * `changed: false`: the event does not apply. Throws `ApiError` rate_limited for a code when too many were wrong.
   */
  apply (stored: Current, event: Event, options?: { begins?: boolean, resolves?: boolean, insists?: boolean }): Promise<Transition>
  /** Starts the attempt that the caller has begun, and the next ones while they fail and the budget lasts. */
  start (stored: Current, effects: Effect[]): Promise<Current>
  /**
   * Asks the provider about the evidence in hand and applies the answer. `isFirst`: the caller has just written that evidence, and asks at once.
   * Throws a retryable `ProviderError` unless it is the last try.
   */
  settle (stored: Current, call: { isFirst: boolean, isLastTry: boolean }): Promise<{ stored: Current, event: Event | null }>
  /** Puts the jobs into their queues that do what the verification owes. */
  delegate (verification: Verification, effects: readonly Effect[], delayMs?: number): Promise<void>
  /** Removes it and everything that leads to it, and in the same step what else of its partition is named. */
  erase (verification: Verification, others?: RelatedKeys): Promise<void>
}

/** Ids of records that go with another one, and lists that they stand in. */
export type RelatedKeys = { alsoDelete: string[], indexes: string[] }

export type TransitionsParts = {
  store: Store<Verification>
  sealer: Pick<Sealer, 'keyedHash' | 'keyedHashes'>
  apps: Pick<Apps, 'byId'>
  attempts: ProviderCalls
  keeping: RecordKeys
  evidenceClaims: SingleUse
  limits: Pick<Limits, 'forCode' | 'forWrongCode' | 'refuse'>
  budget: Pick<UnverifiedBudget, 'count'>
  surroundings: RoutingContext
  /** Jobs: `resolve(id)` and `notify(id)` of the gateway. */
  queues: Pick<Queues, 'resolve' | 'notify'>
  /** Null where jobs are another process's. */
  hands: InlineExecutor | null
  deliveries: Pick<Deliveries, 'stageEvents' | 'dispatch'>
  metrics: Pick<Metrics, 'countChange'>
  log: Logger
  now: () => number
}

/** How long a request goes on starting attempts; what is left is a job's. */
const startBudgetMs = 4_000
const conflictTries = 20
const confirmTries = 5
const storeRetryMs = 200
/** What a job is named by, as a tag: the same job for all that one revision owes. */
export const jobText = ({ id, revision }: Pick<Verification, 'id' | 'revision'>): string => `${id} ${revision}`
const [retryMs, longestRetryMs] = [500, 300_000]
/** When a job asks again what a provider could not answer; also when the provider wishes for much later, for nothing that waits for it lives so long. */
export const retryAfter = ({ retryAfterMs }: ProviderError): number => Math.min(retryAfterMs ?? retryMs, longestRetryMs)

export function createTransitions (
  { store, sealer, apps, attempts, keeping, evidenceClaims, limits, budget, surroundings, queues, hands, deliveries, metrics, log, now }: TransitionsParts,
): Transitions {
  const { numberName, deadlines, indexEntries, numberReleases } = keeping

  /** The claims that make a start the only one for its number; none when the method needs none. */
  function startClaims ({ next, effects }: Decision): Claim[] {
    const current = effects.includes('start') ? currentAttempt(next) : null
    const everyMs = current === null ? undefined : surroundings.methods.get(current.attempt.method)?.oncePerNumberMs
    if (current === null || everyMs === undefined || next.phoneNumber === null) return []
    const value = evidenceClaims.claimOwner(next, current.index)
    const places = sealer.keyedHashes('place', next.phoneNumber)
    return sealer.keyedHashes('once', `${current.attempt.method} ${next.phoneNumber}`)
      .map((name, at) => ({ name, value, expiresAt: now() + everyMs, partition: partitionOfHash(places[at] ?? '') }))
  }

  /** The start that the decision owes is taken on by us, in the same write; one that asks nobody is done in it, too. */
  async function beginStart (decision: Decision): Promise<Decision> {
    const current = decision.effects.includes('start') ? currentAttempt(decision.next) : null
    const begun = current === null ? null : decide(decision.next, { type: 'startClaimed', attempt: current.index }, now())
    if (current === null || begun === null) return decision
    const owed = { next: begun.next, effects: decision.effects }
    if (surroundings.methods.get(current.attempt.method)?.startsLocally !== true) return owed
    const started = decide(begun.next, await attempts.start(begun.next, current.index), now())
    if (started === null) return owed
    const { next, effects } = skipIneligible(started, surroundings, now())
    return beginStart({ next, effects: [...decision.effects.filter(effect => effect !== 'start'), ...effects] })
  }

  /** The start was asked for too recently: the next attempt takes its place. */
  function skipStart ({ next }: Decision): Decision {
    const current = currentAttempt(next)
    const skipped = current === null ? null : decide(next, { type: 'attemptSkipped', attempt: current.index, reason: 'recently_tried' }, now())
    if (skipped === null) throw new TypeError('only a start makes a claim')
    return skipIneligible(skipped, surroundings, now())
  }

  /** What the user types is looked at only while the number has tries left; a wrong code counts for the number, whatever the verification. */
  function countCodes ({ appId, phoneNumber, attempts }: Verification, event: Event): Counter[] {
    if (phoneNumber === null) return []
    if (event.type === 'codeIncorrect') return limits.forWrongCode(numberName(appId, phoneNumber))
    const attempt = event.type === 'evidenceReceived' && event.evidence.from === 'app' ? attempts.at(-1) : undefined
    const isTyped = attempt !== undefined && 'attemptsRemaining' in attempt && attempt.attemptsRemaining !== null
    return isTyped ? limits.forCode(apps.byId(appId), numberName(appId, phoneNumber)) : []
  }

  /** Of the number a tag, by which support can search the log (`npm run tag`). */
  const logFields = ({ id, appId, phoneNumber }: Verification) =>
    ({ verificationId: id, app: appId, numberTag: phoneNumber === null ? null : numberTag(sealer, phoneNumber) })

  /** What was written, and what it replaced; null when it is new. */
  function record (before: Verification | null, after: Verification): void {
    metrics.countChange(before, after)
    const { appId, country } = after
    const method = after.attempts.at(-1)?.method
    if (before === null) {
      if (country !== undefined) budget.count(appId, country, 'created')
      log.info({ ...logFields(after), method }, 'verification created')
    }
    if (!isFinal(after) || (before !== null && isFinal(before))) return
    if (after.status === 'verified' && country !== undefined) budget.count(appId, country, 'verified')
    const reason = 'reason' in after ? after.reason : null
    log.info({ ...logFields(after), status: after.status, reason, method }, 'verification ended')
  }

  async function load (id: string): Promise<Current> {
    const stored = await store.load(id)
    if (stored === null || keeping.isPastRetention(stored.record)) throw new ApiError('gone', 'This verification was erased or its retention has passed.')
    return stored
  }

  async function confirm (stored: Current, claims?: readonly ClaimRelease[]): Promise<void> {
    const { id, revision } = stored.record
    let newest: Current | null = stored
    for (let tries = 0; tries < confirmTries && newest !== null && newest.record.revision >= revision; tries += 1) {
      if (await store.confirm(id, newest.version, claims)) return
      newest = await store.load(id)
    }
    throw new StoreUnavailable('UNREPLICATED')
  }

  const hasten = (opened: readonly Delivery[], { siblingVersions: siblings }: { siblingVersions: readonly string[] }): Promise<unknown> =>
    Promise.all(opened.map((record, at) => deliveries.dispatch({ record, version: siblings[at] ?? '' })))

  /** Null: somebody else wrote first. */
  async function save (stored: Current, routed: Decision, event: Event, begins: boolean): Promise<Transition | null> {
    const decision = begins ? await beginStart(routed) : routed
    const { effects } = decision
    const { next, opened, siblings } = deliveries.stageEvents(decision.next)
    const once = startClaims(decision)
    const result = await store.save(next.id, stored.version, next, {
      ...deadlines(next),
      siblings,
      claims: [...evidenceClaims.claimsFor(stored.record, event), ...once],
      counters: countCodes(stored.record, event),
      releases: [...isFinal(next) ? numberReleases(next) : [], ...evidenceClaims.releasesOf(stored.record, event)],
      indexes: next.phoneNumber === stored.record.phoneNumber ? [] : indexEntries(next),
      publish: String(next.revision),
    })
    if ('conflict' in result) return null
    if ('counterExceeded' in result) throw limits.refuse(result.counterExceeded, next.phoneNumber)
    if ('claimConflict' in result) {
      const isEarlier = once.some(({ name }) => name === result.claimConflict.name)
      return isEarlier ? save(stored, skipStart(decision), event, begins) : { stored, effects: [], changed: false, isReplay: true }
    }
    record(stored.record, next)
    await hasten(opened, result)
    return { stored: { record: next, version: result.version }, effects: opened.length === 0 ? effects : effects.filter(effect => effect !== 'notify'), changed: true, isReplay: false }
  }

  async function apply (stored: Current, event: Event, { begins = false, resolves = false } = {}): Promise<Transition> {
    for (let tries = 0; tries < conflictTries; tries += 1) {
      const decision = decide(stored.record, event, now())
      if (decision === null) return { stored, effects: [], changed: false, isReplay: false }
      const change = await save(stored, skipIneligible(decision, surroundings, now()), event, begins)
      if (change !== null) {
        const owed = change.effects.filter(effect => !(effect === 'start' && begins) && !(effect === 'resolve' && resolves))
        // What the clock finds undone may be in a queue already: there it is not doubled.
        const taken = event.type !== 'timeElapsed' && owed.includes('resolve') && takeUp(change.stored)
        await delegate(change.stored.record, taken ? owed.filter(effect => effect !== 'resolve') : owed)
        return change
      }
      stored = await load(stored.record.id)
    }
    throw new ApiError('overloaded', 'Too many changes to this verification at the same time.', { retryAfterSeconds: 1 })
  }

  /** What a provider answered is known to nobody else: it is not given up because the store is away for a moment. */
  async function retryWhileStoreIsDown<T> (write: () => Promise<T>, until: number): Promise<T> {
    for (;;) {
      try {
        return await write()
      } catch (error) {
        if (!(error instanceof StoreUnavailable) || now() >= until) throw error
        await delay(storeRetryMs)
      }
    }
  }

  async function delegate (verification: Verification, effects: readonly Effect[], delayMs = 0): Promise<void> {
    const { id } = verification
    if (effects.length === 0) return
    try {
      // Named by revision: asked for again while it is there, it is the same job. By a tag, since BullMQ remembers names longer than jobs.
      const name = sealer.keyedHash('job', jobText(verification))
      if (effects.includes('notify')) await queues.notify(id, name)
      if (effects.some(effect => effect !== 'notify')) await queues.resolve(id, name, delayMs)
    } catch (error) {
      log.warn({ verificationId: id, cause: error instanceof Error ? error.name : 'unknown' }, 'job not queued, left to the sweeper')
    }
  }

  /** Lets a hand resolve the evidence that was just written. False: none is free. */
  function takeUp (stored: Current): boolean {
    return hands?.tryRun(async () => {
      try {
        await settle(stored, { isFirst: true, isLastTry: false })
      } catch (error) {
        if (isGone(error)) return
        if (!(error instanceof ProviderError)) throw error
        await delegate(stored.record, ['resolve'], retryAfter(error))
      }
    }) ?? false
  }

  async function start (stored: Current, effects: Effect[]): Promise<Current> {
    const until = now() + startBudgetMs
    while (effects.includes('start')) {
      const current = currentAttempt(stored.record)
      if (current === null) break
      const event = await attempts.start(stored.record, current.index)
      const begins = now() < until
      const write = (event: Event): Promise<Transition> => retryWhileStoreIsDown(() => apply(stored, event, { begins }), until + startBudgetMs)
      let change = await write(event)
      // The provider gave us an attempt that is somebody else's.
      if (change.isReplay) change = await write({ type: 'startFailed', attempt: current.index, reason: 'provider_bad_response' })
      stored = change.stored
      effects = begins ? change.effects : []
    }
    return stored
  }

  async function settle (stored: Current, { isFirst, isLastTry }: { isFirst: boolean, isLastTry: boolean }): Promise<{ stored: Current, event: Event | null }> {
    const current = currentAttempt(stored.record)
    if (current?.attempt.phase !== 'resolving') return { stored, event: null }
    const { index, attempt: { evidence, wasQueried } } = current
    const repeated = wasQueried && !isFirst
    // What the app brings is good for one answer: whether one may have been lost must be known also when we die now.
    if (evidence.from === 'app' && !wasQueried) {
      stored = (await apply(stored, { type: 'queryStarted', attempt: index })).stored
      await confirm(stored)
    }
    let event: Event
    try {
      event = await attempts.resolve(stored.record, index, evidence, repeated)
    } catch (error) {
      if (!(error instanceof ProviderError)) throw error
      if (!isLastTry) {
        if (evidence.from === 'app' && isTurnedAway(error) && !repeated) await apply(stored, { type: 'queryRejected', attempt: index })
        throw error
      }
      event = { type: 'attemptFailed', attempt: index, reason: error.reason }
    }
    const change = await retryWhileStoreIsDown(() => apply(stored, event, { begins: true }), now() + startBudgetMs)
    const settled = await start(change.stored, change.effects)
    await confirm(settled)
    return { stored: settled, event }
  }

  return {
    load,
    confirm,
    async apply (stored, event, { insists = false, ...options } = {}) {
      const write = (): Promise<Transition> => apply(stored, event, options)
      const change = await (insists ? retryWhileStoreIsDown(write, now() + startBudgetMs) : write())
      await confirm(change.stored)
      return change
    },
    async start (stored, effects) {
      const started = await start(stored, effects)
      await confirm(started)
      return started
    },
    delegate,
    async create (request, { at, keys, live, counters }) {
      let decision = await beginStart(skipIneligible(createVerification(request, at), surroundings, at))
      for (;;) {
        const { effects } = decision
        const { next, opened, siblings } = deliveries.stageEvents(decision.next)
        const once = startClaims(decision)
        const claims = [...keys, ...isFinal(next) ? [] : live, ...once]
        const result = await store.create(next.id, next, { ...deadlines(next), claims, counters, indexes: indexEntries(next), siblings })
        if (result.created) {
          record(null, next)
          await hasten(opened, result)
          await delegate(next, effects.filter(effect => effect !== 'start' && effect !== 'notify'))
          const started = await start({ record: next, version: result.version }, effects)
          await confirm(started, keys)
          return started
        }
        if ('counterExceeded' in result) return result
        if ('exists' in result || !once.some(({ name }) => name === result.claimConflict.name)) return { claimConflict: 'claimConflict' in result ? result.claimConflict : null }
        decision = await beginStart(skipStart(decision))
      }
    },
    settle,
    async erase (verification, { alsoDelete, indexes } = { alsoDelete: [], indexes: [] }) {
      await store.erase(verification.id, {
        alsoDelete, releases: [...numberReleases(verification), ...keyHolds(verification)],
        indexes: [...keeping.indexKeys(verification), ...indexes], publish: 'erased',
      })
      await store.confirm(verification.id, null)
    },
  }
}

/** The claims of the Idempotency-Key that it was made with. */
export const keyHolds = ({ key, spareKeys = [] }: Pick<Verification, 'key' | 'spareKeys'>): IdempotencyClaim[] => key === null ? spareKeys : [key, ...spareKeys]

/** The provider, or our own breaker, said in so many words that the question was not taken. A 5xx says nothing of that: it may be of what stands before the provider. */
const isTurnedAway = ({ status, reason }: ProviderError): boolean => status === null ? reason === 'provider_unavailable' : status < 500
