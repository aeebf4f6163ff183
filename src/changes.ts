import { setTimeout as delay } from 'node:timers/promises'
import type { Attempts } from './attempts.ts'
import { ApiError, ProviderError } from './errors.ts'
import type { EvidenceClaims } from './evidence.ts'
import type { Queues } from './jobs/queues.ts'
import type { Logger } from './logger.ts'
import type { Metrics } from './metrics.ts'
import type { Sealer } from './seal.ts'
import { StoreUnavailable, type Claim, type IndexEntry, type Release, type SaveOptions, type Store, type Stored } from './store/store.ts'
import { begin, currentAttempt, decide, dueAt, isFinal, type Decision, type Effect, type Event, type Request, type Verification } from './verification.ts'
import { route, type Surroundings } from './workflow.ts'

export type Current = Stored<Verification>
/** `isReplay`: nothing changed, because the evidence or the provider's id in the event was used for another attempt. */
export type Change = { stored: Current, effects: Effect[], changed: boolean, isReplay: boolean }

/**
 * How a decision gets into the store and what it owes gets done, whoever asks and however many ask at once.
 * An effect is either taken on by the caller, or handed to a job in the same breath; the record's due time is the net below both.
 */
export type Changes = {
  /** Throws `ApiError` gone. */
  load (id: string): Promise<Current>
  /** Writes a new verification and starts its first attempt; or tells which claim stood in the way. `live` is held while it is not final. */
  create (request: Request, claims: { key: Claim | null, live: Claim | null }): Promise<Current | { taken: { name: string, value: string } | null }>
  /**
   * Lets an event happen to the newest state. `begins`, `resolves`: the caller will start, or resolve, at once; else a job does.
   * `changed: false`: the event does not apply.
   */
  apply (stored: Current, event: Event, options?: { begins?: boolean, resolves?: boolean }): Promise<Change>
  /** Starts the attempt that the caller has begun, and the next ones while they fail and the budget lasts. */
  start (stored: Current, effects: Effect[]): Promise<Current>
  /**
   * Asks the provider about the evidence in hand and applies the answer. `isFirst`: the caller has just written that evidence, and asks at once.
   * Throws a retryable `ProviderError` unless it is the last try.
   */
  settle (stored: Current, call: { isFirst: boolean, isLastTry: boolean }): Promise<{ stored: Current, event: Event | null }>
  /** Puts the jobs into their queues that do what the verification owes. */
  delegate (verification: Verification, effects: readonly Effect[], delayMs?: number): Promise<void>
  /** Removes it and everything that leads to it, and in the same step its deliveries. */
  erase (verification: Verification, deliveries: string[]): Promise<void>
  /** The claim that an app's live verification of a number holds. */
  liveClaim (appId: string, phoneNumber: string): string
}

export type ChangesParts = {
  store: Store<Verification>
  sealer: Pick<Sealer, 'tag'>
  attempts: Attempts
  evidenceClaims: EvidenceClaims
  surroundings: Surroundings
  /** Jobs: `resolve(id)` and `notify(id)` of the gateway. */
  queues: Pick<Queues, 'resolve' | 'notify'>
  metrics: Metrics
  log: Logger
  now: () => number
  retentionMs: number
}

/** How long a request goes on starting attempts; what is left is a job's. */
const startBudgetMs = 4_000
/** What is still to be told is kept at least this long. */
const newsMs = 3_600_000
const conflictTries = 20
const storeRetryMs = 200
/** Longest life of a verification: what is found by an index is kept this much longer than its retention. */
const longestLifeMs = 86_400_000

export function createChanges ({ store, sealer, attempts, evidenceClaims, surroundings, queues, metrics, log, now, retentionMs }: ChangesParts): Changes {
  const liveClaim = (appId: string, phoneNumber: string): string => sealer.tag('live', `${appId} ${phoneNumber}`)
  const indexNames = ({ appId, phoneNumber, reference }: Verification): string[] => [
    ...(phoneNumber === null ? [] : [sealer.tag('number', `${appId} ${phoneNumber}`)]),
    ...(reference === null ? [] : [sealer.tag('reference', `${appId} ${reference}`)]),
  ]
  const indexesOf = (verification: Verification): IndexEntry[] =>
    indexNames(verification).map(name => ({ name, score: verification.createdAt, keepMs: longestLifeMs + retentionMs }))
  const releasesOf = ({ id, appId, phoneNumber }: Verification): Release[] =>
    phoneNumber === null ? [] : [{ name: liveClaim(appId, phoneNumber), value: id }]
  const times = (verification: Verification): Pick<SaveOptions, 'expiresAt' | 'dueAt'> => ({
    expiresAt: (isFinal(verification) ? verification.updatedAt : verification.expiresAt) + (owesNews(verification) ? Math.max(retentionMs, newsMs) : retentionMs),
    dueAt: dueAt(verification),
  })

  const owesNews = ({ news }: Verification): boolean => news !== null && news.owed.length > 0

  /** The claim that makes a start the only one for its number; null when the method needs none. */
  function startClaim ({ next, effects }: Decision): Claim | null {
    const current = effects.includes('start') ? currentAttempt(next) : null
    const everyMs = current === null ? undefined : surroundings.methods.get(current.attempt.method)?.oncePerNumberMs
    if (current === null || everyMs === undefined || next.phoneNumber === null) return null
    return { name: sealer.tag('once', `${current.attempt.method} ${next.phoneNumber}`), value: evidenceClaims.holderOf(next, current.index), expiresAt: now() + everyMs }
  }

  /** The start that the decision owes is taken on by us, in the same write; one that asks nobody is done in it, too. */
  async function beginStart (decision: Decision): Promise<Decision> {
    const current = decision.effects.includes('start') ? currentAttempt(decision.next) : null
    const begun = current === null ? null : decide(decision.next, { type: 'startBegun', attempt: current.index }, now())
    if (current === null || begun === null) return decision
    const owed = { next: begun.next, effects: decision.effects }
    if (surroundings.methods.get(current.attempt.method)?.startsLocally !== true) return owed
    const started = decide(begun.next, await attempts.start(begun.next, current.index), now())
    if (started === null) return owed
    const { next, effects } = route(started, surroundings, now())
    return beginStart({ next, effects: [...decision.effects.filter(effect => effect !== 'start'), ...effects] })
  }

  /** The start was asked for too recently: the next attempt takes its place. */
  function skipStart ({ next }: Decision): Decision {
    const current = currentAttempt(next)
    const skipped = current === null ? null : decide(next, { type: 'attemptSkipped', attempt: current.index, reason: 'recently_tried' }, now())
    if (skipped === null) throw new TypeError('only a start makes a claim')
    return route(skipped, surroundings, now())
  }

  function noteEnd (verification: Verification): void {
    if (!isFinal(verification)) return
    metrics.countEnd(verification)
    const reason = 'reason' in verification ? verification.reason : null
    log.info({ verificationId: verification.id, status: verification.status, reason, method: verification.attempts.at(-1)?.method }, 'verification ended')
  }

  async function load (id: string): Promise<Current> {
    const stored = await store.load(id)
    if (stored === null) throw new ApiError('gone', 'This verification was erased or its retention has passed.')
    return stored
  }

  /** Null: somebody else wrote first. */
  async function save (stored: Current, event: Event, decision: Decision): Promise<Change | null> {
    const { next, effects } = decision
    const once = startClaim(decision)
    const result = await store.save(next.id, stored.mark, next, {
      ...times(next),
      claims: [evidenceClaims.claimOf(stored.record, event), once].filter(claim => claim !== null),
      releases: [...isFinal(next) ? releasesOf(next) : [], ...evidenceClaims.releasesOf(stored.record, event)],
      indexes: next.phoneNumber === stored.record.phoneNumber ? [] : indexesOf(next),
      announce: String(next.revision),
    })
    if ('conflict' in result) return null
    if ('taken' in result) {
      return result.taken.name === once?.name ? save(stored, event, skipStart(decision)) : { stored, effects: [], changed: false, isReplay: true }
    }
    noteEnd(next)
    return { stored: { record: next, mark: result.mark }, effects, changed: true, isReplay: false }
  }

  async function apply (stored: Current, event: Event, { begins = false, resolves = false } = {}): Promise<Change> {
    for (let tries = 0; tries < conflictTries; tries += 1) {
      const decision = decide(stored.record, event, now())
      if (decision === null) return { stored, effects: [], changed: false, isReplay: false }
      const routed = route(decision, surroundings, now())
      const change = await save(stored, event, begins ? await beginStart(routed) : routed)
      if (change !== null) {
        await delegate(change.stored.record, change.effects.filter(effect => !(effect === 'start' && begins) && !(effect === 'resolve' && resolves)))
        return change
      }
      stored = await load(stored.record.id)
    }
    throw new ApiError('overloaded', 'Too many changes to this verification at the same time.', { retryAfterSeconds: 1 })
  }

  /** What a provider answered is known to nobody else: it is not given up because the store is away for a moment. */
  async function insist<T> (write: () => Promise<T>, until: number): Promise<T> {
    for (;;) {
      try {
        return await write()
      } catch (error) {
        if (!(error instanceof StoreUnavailable) || now() >= until) throw error
        await delay(storeRetryMs)
      }
    }
  }

  async function delegate ({ id, revision }: Verification, effects: readonly Effect[], delayMs = 0): Promise<void> {
    try {
      // Named by revision: asked for again while it is there, it is the same job.
      if (effects.includes('notify')) await queues.notify(id, `${id}.${revision}`)
      if (effects.some(effect => effect !== 'notify')) await queues.resolve(id, `${id}.${revision}`, delayMs)
    } catch (error) {
      log.warn({ verificationId: id, cause: error instanceof Error ? error.name : 'unknown' }, 'job not queued, left to the sweeper')
    }
  }

  async function start (stored: Current, effects: Effect[]): Promise<Current> {
    const until = now() + startBudgetMs
    while (effects.includes('start')) {
      const current = currentAttempt(stored.record)
      if (current === null) break
      const event = await attempts.start(stored.record, current.index)
      const begins = now() < until
      const write = (event: Event): Promise<Change> => insist(() => apply(stored, event, { begins }), until + startBudgetMs)
      let change = await write(event)
      // The provider gave us an attempt that is somebody else's.
      if (change.isReplay) change = await write({ type: 'startFailed', attempt: current.index, reason: 'provider_bad_response' })
      stored = change.stored
      effects = begins ? change.effects : []
    }
    return stored
  }

  return {
    load,
    apply,
    start,
    delegate,
    liveClaim,
    async create (request, { key, live }) {
      let decision = await beginStart(route(begin(request, now()), surroundings, now()))
      for (;;) {
        const { next, effects } = decision
        const once = startClaim(decision)
        const claims = [key, isFinal(next) ? null : live, once].filter(claim => claim !== null)
        const result = await store.create(next.id, next, { ...times(next), claims, indexes: indexesOf(next) })
        if (result.created) {
          metrics.countCreate()
          noteEnd(next)
          await delegate(next, effects.filter(effect => effect !== 'start'))
          return start({ record: next, mark: result.mark }, effects)
        }
        if ('exists' in result || result.taken.name !== once?.name) return { taken: 'taken' in result ? result.taken : null }
        decision = await beginStart(skipStart(decision))
      }
    },
    async settle (stored, { isFirst, isLastTry }) {
      const current = currentAttempt(stored.record)
      if (current?.attempt.phase !== 'resolving') return { stored, event: null }
      const { index, attempt: { evidence, isAsked } } = current
      const repeated = isAsked && !isFirst
      // What the app brings is good for one answer: whether one may have been lost must be known also when we die now.
      if (evidence.from === 'app' && !isAsked) stored = (await apply(stored, { type: 'asked', attempt: index })).stored
      let event: Event
      try {
        event = await attempts.resolve(stored.record, index, evidence.value, repeated)
      } catch (error) {
        if (!(error instanceof ProviderError)) throw error
        if (!isLastTry) {
          if (evidence.from === 'app' && isTurnedAway(error) && !repeated) await apply(stored, { type: 'turnedAway', attempt: index })
          throw error
        }
        event = { type: 'attemptFailed', attempt: index, reason: error.reason }
      }
      const change = await insist(() => apply(stored, event, { begins: true }), now() + startBudgetMs)
      return { stored: await start(change.stored, change.effects), event }
    },
    erase: (verification, deliveries) => store.erase(verification.id, {
      also: deliveries, releases: [...releasesOf(verification), ...verification.key === null ? [] : [verification.key]], indexes: indexNames(verification), announce: 'erased',
    }),
  }
}

/** The provider, or our own breaker, said in so many words that the question was not taken. */
const isTurnedAway = ({ status, reason }: ProviderError): boolean => status !== null || reason === 'provider_unavailable'
