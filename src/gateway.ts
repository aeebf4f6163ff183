import type { Callback, EvidenceKind, Json } from './adapters/adapter.ts'
import { allowsReturnUrl, type App } from './apps.ts'
import { takes, type AdapterMap, type Attempts } from './attempts.ts'
import type { Changes } from './changes.ts'
import { ApiError, ProviderError } from './errors.ts'
import type { Ids } from './ids.ts'
import type { Logger } from './logger.ts'
import type { CallbackResult, Metrics } from './metrics.ts'
import { parsePhoneNumber } from './phone.ts'
import type { NextReason } from './reasons.ts'
import type { CreateRequest, Evidence, ProviderItem } from './routes/schemas.ts'
import { SealBroken, type Sealer } from './seal.ts'
import type { Announcements } from './store/announcements.ts'
import { partitions } from './store/keys.ts'
import { StoreUnavailable, type Store } from './store/store.ts'
import { availableActions, currentAttempt, isFinal, providerOf, type Event, type Verification } from './verification.ts'
import { planWorkflow, type Methods } from './workflow.ts'

/** THE SHELL: one method for each thing that can happen. Routes and jobs only translate to it; ids that reach it are known to be ours. */
export type Gateway = {
  /** A new verification, its first attempt started; or the one that an earlier request with the same key made. */
  create (app: App, request: CreateRequest, idempotencyKey: string | null): Promise<Verification>
  get (id: string): Promise<Verification>
  /** Waits until the revision is above `revision` (null: the present one), it is final, or the time is over. */
  watch (id: string, options: { revision: number | null, waitMs: number, signal: AbortSignal }): Promise<Verification>
  /** `settled: false`: the evidence is still being checked. */
  submit (id: string, evidence: Evidence): Promise<{ verification: Verification, settled: boolean }>
  next (id: string, reason: NextReason): Promise<Verification>
  resend (id: string): Promise<Verification>
  cancel (id: string): Promise<Verification>
  erase (id: string): Promise<void>
  /** The app's own, newest first. */
  find (app: App, by: { reference: string } | { phoneNumber: string }, limit: number): Promise<Verification[]>
  /** A provider's call. Whatever is wrong with it, it is only counted. */
  receive (provider: string, callback: Callback): Promise<void>
  /** Where to send a browser that came back from a provider; null when there is nowhere. Changes nothing. */
  readReturn (provider: string, key: string, query: Record<string, string>): Promise<string | null>
  providers (): ProviderItem[]
  /** Does what the verification owes: begins its attempt, resolves its evidence. Throws a retryable `ProviderError` unless it is the last try. */
  resolve (id: string, isLastTry: boolean): Promise<void>
  /** Tells every verification whose time has come what time it is. Returns how many there were. */
  sweep (): Promise<number>
}

export type GatewayParts = {
  changes: Changes
  store: Pick<Store<Verification>, 'load' | 'find' | 'due' | 'postpone' | 'release' | 'erase'>
  ids: Ids
  sealer: Pick<Sealer, 'tag' | 'tags'>
  adapters: AdapterMap
  attempts: Attempts
  methods: Methods
  announcements: Pick<Announcements, 'waitFor'>
  metrics: Metrics
  log: Logger
  now: () => number
  randomBytes: (size: number) => Buffer
}

/** How long an Idempotency-Key is remembered. */
const idempotencyMs = 86_400_000
/** When a job asks again what a provider could not answer, unless it said when. */
const retryMs = 500
const replayWaitMs = 6_000
/** Whoever claimed a key this long ago and has written nothing will not write any more. */
const unwrittenMs = 10_000
const sweepBatch = 500
/** A record that cannot be swept is tried again then. */
const postponedMs = 60_000

export function createGateway ({ changes, store, ids, sealer, adapters, attempts, methods, announcements, metrics, log, now, randomBytes }: GatewayParts): Gateway {
  const { load, apply } = changes
  const partitionOfTag = (tag: string): number => Buffer.from(tag, 'base64url').readUInt8(0) % partitions

  /** What an earlier request with this key made; `unwritten` when it may have died before it could write; `gone` when nothing is left of it. */
  async function replay ({ id, hash, at }: KeyClaim, fingerprint: string): Promise<Verification | 'unwritten' | 'gone'> {
    if (hash !== fingerprint) throw new ApiError('idempotency_key_reused', 'This Idempotency-Key was used before with another body.')
    const until = now() + replayWaitMs
    for (;;) {
      const heard = announcements.waitFor(id, { timeoutMs: Math.max(1, until - now()) })
      const stored = await store.load(id)
      if (stored === null) return now() - at < unwrittenMs ? 'unwritten' : 'gone'
      if (currentAttempt(stored.record)?.attempt.phase !== 'starting') return stored.record
      if (now() >= until) throw new ApiError('idempotency_in_progress', 'The first request with this Idempotency-Key is still being worked on.', { retryAfterSeconds: 1 })
      await heard
    }
  }

  return {
    async create (app, request, idempotencyKey) {
      const asked = request.phoneNumber === undefined ? null : readNumber(request.phoneNumber)
      const phoneNumber = asked?.number ?? null
      if (asked !== null && app.allowedCountries?.includes(asked.country ?? '') === false) {
        throw new ApiError('country_not_allowed', 'This app may not verify numbers of this country.', { errors: [{ field: 'phoneNumber', message: 'is of a country that is not allowed' }] })
      }
      if (request.returnUrl !== undefined && !allowsReturnUrl(app, request.returnUrl)) {
        throw new ApiError('invalid_request', '`returnUrl` is not one of the app\'s allowed return URLs.', { errors: [{ field: 'returnUrl', message: 'is not allowed for this app' }] })
      }
      const workflow = planWorkflow(request.workflow ?? app.workflow, phoneNumber, methods)
      const keyName = idempotencyKey === null ? null : sealer.tag('key', `${app.id} ${idempotencyKey}`)
      const fingerprint = keyName === null ? '' : sealer.tag('body', canonical(request))
      const liveName = phoneNumber === null ? null : changes.liveClaim(app.id, phoneNumber)
      const partition = phoneNumber === null ? randomBytes(1).readUInt8() % partitions : partitionOfTag(sealer.tag('place', phoneNumber))
      let own: KeyClaim = { id: ids.newId(app.id, partition), hash: fingerprint, at: now() }

      for (let tries = 0; tries < 5; tries += 1) {
        const { id, at } = own
        const expiresAt = now() + (request.expiresInSeconds ?? 600) * 1000
        const key = keyName === null ? null : { name: keyName, value: writeKeyClaim(own), partition: partitionOfTag(keyName) }
        const made = await changes.create({
          id, appId: app.id, phoneNumber, reference: request.reference ?? null, metadata: request.metadata ?? {}, locale: request.locale ?? null,
          device: request.device ?? {}, returnUrl: request.returnUrl ?? null, includeProfile: app.includeProfile === true, workflow, expiresAt, key,
        }, {
          key: key === null ? null : { ...key, expiresAt: at + idempotencyMs },
          live: liveName === null ? null : { name: liveName, value: id, expiresAt },
        })
        if ('record' in made) return made.record
        const { taken } = made
        if (taken !== null && taken.name === liveName) {
          if (request.onConflict !== 'replace') {
            throw new ApiError('verification_in_progress', 'This app already has a live verification of this number.', { verificationId: taken.value })
          }
          await apply(await load(taken.value), { type: 'canceled', reason: 'superseded' })
        } else {
          const claimed = taken === null ? own : readKeyClaim(taken.value)
          const earlier = await replay(claimed, fingerprint)
          if (typeof earlier === 'object') return earlier
          if (earlier === 'unwritten') own = claimed
          else if (key !== null) await store.release({ ...key, value: writeKeyClaim(claimed) })
        }
      }
      throw new ApiError('overloaded', 'Too many requests for this number at the same time.', { retryAfterSeconds: 1 })
    },

    get: async id => (await load(id)).record,

    async watch (id, { revision, waitMs, signal }) {
      const until = now() + waitMs
      for (;;) {
        const heard = announcements.waitFor(id, { timeoutMs: Math.max(1, until - now()), signal })
        const { record } = await load(id)
        revision ??= record.revision
        if (isFinal(record) || record.revision > revision || signal.aborted || now() >= until) return record
        await heard
      }
    },

    async submit (id, submitted) {
      const stored = await load(id)
      const { record } = stored
      if (isFinal(record)) throw invalidState(record, 'The verification is over.')
      const kind = kindOf(submitted)
      const value: Json = { ...submitted }
      const wanted = takes(record, adapters)
      if (wanted === null) throw invalidState(record, 'The attempt is still being started.')
      if (kind === 'none' && wanted.evidence.length === 0) return { verification: record, settled: false }
      if (!wanted.evidence.includes(kind)) throw invalidState(record, `The attempt in hand takes ${wanted.evidence.join(' or ') || 'nothing'}, not ${kind}.`)

      const received = await apply(
        stored, { type: 'evidenceReceived', attempt: wanted.index, evidence: { from: kind === 'none' ? 'nudge' : 'app', value } }, { resolves: true },
      )
      if (!received.changed) {
        const current = currentAttempt(received.stored.record)
        const isSame = current?.attempt.phase === 'resolving' && (kind === 'none' || canonical(current.attempt.evidence.value) === canonical(value))
        if (!isSame) throw invalidState(received.stored.record, 'Other evidence is being checked, or the attempt is over.')
        return { verification: received.stored.record, settled: false }
      }
      try {
        const { stored: { record: after }, event } = await changes.settle(received.stored, { isFirst: true, isLastTry: false })
        if (event?.type === 'codeRefused') {
          const current = currentAttempt(after)
          const left = current?.index === wanted.index && 'codesLeft' in current.attempt ? current.attempt.codesLeft ?? 0 : 0
          throw new ApiError('code_incorrect', left > 0 ? 'The code is not right.' : 'The code is not right, and no attempt is left.', { attemptsRemaining: left })
        }
        return { verification: after, settled: event?.type !== 'leftUndecided' }
      } catch (error) {
        if (!(error instanceof ProviderError)) throw error
        await changes.delegate(received.stored.record, error.retryAfterMs ?? retryMs)
        return { verification: received.stored.record, settled: false }
      }
    },

    async next (id, reason) {
      const { stored, effects, changed } = await apply(await load(id), { type: 'nextRequested', reason }, { begins: true })
      if (!changed) throw invalidState(stored.record, 'The verification is over.')
      return (await changes.start(stored, effects)).record
    },

    async resend (id) {
      const before = await load(id)
      const current = currentAttempt(before.record)
      const { stored, changed } = await apply(before, { type: 'resendRequested', attempt: current?.index ?? -1 })
      if (!changed || current === null) {
        const offer = availableActions(stored.record).find(({ action }) => action === 'resend')
        if (offer === undefined) throw invalidState(stored.record, 'The attempt in hand cannot be sent again.')
        const retryAfterSeconds = Math.max(1, Math.ceil((offer.availableAt - now()) / 1000))
        throw new ApiError('rate_limited', `It can be sent again in ${retryAfterSeconds} s.`, { retryAfterSeconds })
      }
      try {
        return (await apply(stored, await attempts.resend(stored.record, current.index))).stored.record
      } catch (error) {
        if (!(error instanceof ProviderError)) throw error
        throw new ApiError('provider_unavailable', 'The provider could not send it again. What was sent before is still good.')
      }
    },

    async cancel (id) {
      const { stored, changed } = await apply(await load(id), { type: 'canceled', reason: 'app_canceled' })
      if (!changed) throw invalidState(stored.record, 'The verification is over.')
      return stored.record
    },

    erase: async id => changes.erase((await load(id)).record),

    async find (app, by, limit) {
      const text = 'reference' in by ? by.reference : readNumber(by.phoneNumber).number
      const names = sealer.tags('reference' in by ? 'reference' : 'number', `${app.id} ${text}`)
      const found = await Promise.all((await store.find(names, limit)).map(id => store.load(id)))
      return found.flatMap(stored => stored?.record.appId === app.id ? [stored.record] : [])
    },

    async receive (provider, callback) {
      const adapter = adapters.get(provider)
      if (adapter === undefined) throw new ApiError('not_found', 'There is no such provider.')
      const count = (result: CallbackResult): void => {
        metrics.countCallback(provider, result)
        log.info({ provider, result }, 'callback')
      }
      const received = adapter.receive?.(callback) ?? null
      if (received === null) return count('malformed')
      const named = ids.readCallbackKey(received.key, 'callback')
      const stored = named === null ? null : await store.load(named.id)
      if (named === null || stored === null) return count('unknown')
      const { attemptIndex: attempt } = named
      const method = stored.record.workflow[attempt]?.method
      if (method === undefined || providerOf(method) !== provider) return count('wrong_provider')
      if (received.type === 'noted') return count('accepted')
      const event: Event = received.type === 'evidence'
        ? { type: 'evidenceReceived', attempt, evidence: { from: 'provider', value: received.evidence } }
        : received.type === 'denied' ? { type: 'declined', attempt, reason: received.reason } : { type: 'opened', attempt }
      const { changed, stored: { record: after } } = await apply(stored, event)
      if (changed) return count('accepted')
      count(currentAttempt(after)?.index === attempt ? 'duplicate' : 'late')
    },

    async readReturn (provider, key, query) {
      const adapter = adapters.get(provider)
      const named = ids.readCallbackKey(key, 'redirect')
      const record = named === null ? null : (await store.load(named.id))?.record ?? null
      if (named === null || record === null || record.returnUrl === null || adapter?.readReturn === undefined) return null
      const { attemptIndex } = named
      if (providerOf(record.workflow[attemptIndex]?.method ?? '.') !== provider) return null
      const returned = currentAttempt(record)?.index === attemptIndex
        ? adapter.readReturn(attempts.describe(record, attemptIndex), query) ?? { error: 'evidence_invalid' }
        : { error: 'evidence_expired' }
      const url = new URL(record.returnUrl)
      for (const [name, value] of Object.entries(returned)) url.searchParams.set(name, value)
      url.searchParams.set('verification', record.id)
      return url.href
    },

    providers: () => [...adapters.values()].map(adapter => {
      const { breaker, errorRate, lastSuccessAt, lastFailure } = adapter.health()
      return {
        provider: adapter.provider,
        methods: Object.entries(adapter.methods).map(([method, { needsPhoneNumber, evidence, nextActions }]) => ({ method, needsPhoneNumber, evidence, nextActions })),
        health: {
          breaker, errorRate,
          lastSuccessAt: lastSuccessAt === null ? null : new Date(lastSuccessAt).toISOString(),
          lastFailure: lastFailure === null ? null : { at: new Date(lastFailure.at).toISOString(), reason: lastFailure.reason },
        },
      }
    }),

    async resolve (id, isLastTry) {
      const stored = await store.load(id)
      const current = stored === null ? null : currentAttempt(stored.record)
      if (stored === null || current === null) return
      const { index, attempt } = current
      if (attempt.phase === 'starting') {
        const begun = await apply(stored, { type: 'startBegun', attempt: index })
        if (begun.changed) await changes.start(begun.stored, ['start'])
      } else if (attempt.phase === 'resolving') {
        await changes.settle(stored, { isFirst: false, isLastTry })
      }
    },

    async sweep () {
      const swept = await Promise.all(Array.from({ length: partitions }, async (_, partition) => {
        const due = await store.due(partition, now(), sweepBatch)
        for (const id of due) await tick(id)
        return due.length
      }))
      return swept.reduce((sum, count) => sum + count, 0)
    },
  }

  /** One verification that cannot be read or written must not stand in the way of the others. */
  async function tick (id: string): Promise<void> {
    try {
      const stored = await store.load(id)
      if (stored === null) await store.erase(id, { announce: 'erased' })
      else await apply(stored, { type: 'ticked' })
    } catch (error) {
      if (error instanceof StoreUnavailable) throw error
      if (error instanceof SealBroken) metrics.countUnreadable()
      log.error({ verificationId: id, err: error }, 'verification not swept')
      await store.postpone(id, now() + postponedMs)
    }
  }
}

/** What the claim of an Idempotency-Key tells: which id it is for, a hash of the body, and when it was claimed. */
type KeyClaim = { id: string, hash: string, at: number }
const writeKeyClaim = ({ id, hash, at }: KeyClaim): string => `${id} ${hash} ${at}`
function readKeyClaim (value: string): KeyClaim {
  const [id = '', hash = '', at] = value.split(' ')
  return { id, hash, at: Number(at) }
}

function readNumber (text: string): { number: string, country: string | null } {
  const parsed = parsePhoneNumber(text)
  if (parsed === null) throw new ApiError('invalid_phone_number', '`phoneNumber` is not an E.164 number.', { errors: [{ field: 'phoneNumber', message: 'must be E.164 with a leading +' }] })
  return parsed
}

function kindOf (evidence: Evidence): EvidenceKind {
  if ('code' in evidence) return 'code'
  if ('token' in evidence) return 'token'
  if ('authorizationCode' in evidence) return 'authorizationCode'
  return 'payload' in evidence ? 'payload' : 'none'
}

const invalidState = (verification: Verification, detail: string): ApiError => new ApiError('invalid_state', detail, { verificationStatus: verification.status })

/** The same text for the same content, whatever the order of its members. */
function canonical (value: unknown): string {
  return JSON.stringify(value, (_key, member: unknown) => member !== null && typeof member === 'object' && !Array.isArray(member)
    ? Object.fromEntries(Object.entries(member).sort(([a], [b]) => a < b ? -1 : 1))
    : member)
}
