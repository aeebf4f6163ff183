import type { Callback, EvidenceKind, Json } from '../adapters/adapter.ts'
import { allowsReturnUrl, type App } from '../apps/apps.ts'
import { acceptedEvidence, type ProviderCalls } from './provider-calls.ts'
import { createCallbacks, type CallbacksParts } from './callbacks.ts'
import { retryAfter, type Transitions } from './transitions.ts'
import { createProcessors, type ProcessorsParts } from './processors.ts'
import { ApiError, isGone, ProviderError } from '../core/errors.ts'
import { createIdempotentReplays, readKeyClaim, writeKeyClaim, type KeyClaim } from './idempotency.ts'
import type { Ids } from '../store/ids.ts'
import type { RecordKeys, ClaimKey } from './record-keys.ts'
import type { Limits } from '../apps/limits.ts'
import { noCountry, parsePhoneNumber } from '../phone.ts'
import { defaultEventTypes } from '../core/outbox.ts'
import type { CountryPolicy } from '../apps/country-policy.ts'
import type { NextReason } from '../core/reasons.ts'
import type { CreateRequest, Evidence, ProviderItem } from '../api/schemas/requests.ts'
import type { Sealer } from '../store/sealing.ts'
import type { ChangeFeed, Listener } from '../store/change-feed.ts'
import { partitionOfHash, partitions } from '../store/keys.ts'
import type { Store } from '../store/record-store.ts'
import { availableActions, currentAttempt, isFinal, providerOf, type IdempotencyClaim, type Verification } from '../core/verification.ts'
import { planWorkflow, type Methods } from './workflow.ts'

/** THE SHELL: one method for each thing that can happen. Routes and jobs only translate to it; ids that reach it are known to be ours. */
export type Gateway = {
  /** A new verification, its first attempt started; or the one that an earlier request with the same key made. */
  create (app: App, request: CreateRequest, idempotencyKey: string | null): Promise<Verification>
  get (id: string): Promise<Verification>
  /** Calls the listener when the verification may have changed, or was erased, in whatever process; until the returned function is called. */
  listen (id: string, listener: Listener): () => void
  /** `settled: false`: the evidence is still being checked. */
  submit (id: string, evidence: Evidence): Promise<{ verification: Verification, settled: boolean }>
  next (id: string, reason: NextReason): Promise<Verification>
  resend (id: string): Promise<Verification>
  cancel (id: string): Promise<Verification>
  erase (id: string): Promise<void>
  /** The app's own, newest first. */
  find (app: App, by: { reference: string } | { phoneNumber: string }, limit: number): Promise<Verification[]>
  /** A provider's call. Whatever is wrong with it, it is only counted. */
  receive (provider: string, callback: Omit<Callback, 'url'>): Promise<void>
  /** Where to send a browser that came back from a provider; null when there is nowhere. Changes nothing. */
  readReturn (provider: string, key: string, query: Record<string, string>): Promise<string | null>
  providers (): ProviderItem[]
  /**
   * Does what the verification owes: begins its attempt, resolves its evidence; by the name of a job, only what it owed when that was made. Throws a retryable
   * `ProviderError` unless it is the last try.
   */
  resolve (id: string, isLastTry: boolean, job?: string): Promise<void>
  /** Takes the verification's news over for delivery and tries to deliver them; or, with the id of a delivery, tries that again. */
  notify (id: string): Promise<void>
  /** Tells every verification whose time has come what time it is. Returns how many there were. */
  sweep (): Promise<number>
}

export type GatewayParts = CallbacksParts & ProcessorsParts & {
  changes: Transitions
  store: Pick<Store<Verification>, 'load' | 'find' | 'due' | 'reschedule' | 'release' | 'erase' | 'claimOf'>
  ids: Ids
  sealer: Pick<Sealer, 'keyedHash' | 'keyedHashes'>
  attempts: ProviderCalls
  methods: Methods
  keeping: Pick<RecordKeys, 'numberClaims' | 'isPastRetention' | 'deadlines'>
  limits: Pick<Limits, 'forCreate' | 'refuse'>
  policy: Pick<CountryPolicy, 'assertAllowed'>
  announcements: Pick<ChangeFeed, 'once' | 'subscribe'>
  randomBytes: (size: number) => Buffer
}

/** How long an Idempotency-Key is remembered. */
const idempotencyMs = 86_400_000

export function createGateway (parts: GatewayParts): Gateway {
  const { changes, store, ids, sealer, adapters, attempts, methods, keeping, limits, policy, deliveries, announcements, tracing, now, randomBytes } = parts
  const { load, apply } = changes

  const { waitForFirst, findEarlier } = createIdempotentReplays({ changes, store, announcements, now })

  /**
   * Frees a number that is claimed. A claim that was left behind, by what is over or erased, stands in nobody's way: its release was lost, or a version that
   * names claims otherwise ended it. Throws `ApiError` verification_in_progress for a live one that is not to be replaced.
   */
  async function makeWay (places: readonly ClaimKey[], id: string, { replaces }: { replaces: boolean }): Promise<void> {
    const holder = await store.load(id)
    if (holder === null || isFinal(holder.record)) await Promise.all(places.map(place => store.release({ ...place, value: id })))
    else if (!replaces) throw new ApiError('verification_in_progress', 'This app already has a live verification of this number.', { verificationId: id })
    else {
      await apply(holder, { type: 'canceled', reason: 'superseded' }).catch(error => {
        if (!isGone(error)) throw error
      })
    }
  }

  return {
    ...createCallbacks(parts),
    ...createProcessors(parts),

    async create (app, request, idempotencyKey) {
      const asked = request.phoneNumber === undefined ? null : readNumber(request.phoneNumber)
      const phoneNumber = asked?.number ?? null
      if (request.returnUrl !== undefined && !allowsReturnUrl(app, request.returnUrl)) {
        throw new ApiError('invalid_request', '`returnUrl` is not one of the app\'s allowed return URLs.', { errors: [{ field: 'returnUrl', message: 'is not allowed for this app' }] })
      }
      const workflow = planWorkflow(request.workflow ?? app.workflow, phoneNumber, methods)
      // Under each key of `SEAL_KEYS`: while they rotate, processes differ in which one is the first.
      const keyNames = idempotencyKey === null ? [] : sealer.keyedHashes('key', `${app.id} ${idempotencyKey}`)
      const fingerprints = idempotencyKey === null ? [''] : sealer.keyedHashes('body', canonical(request))
      try {
        if (asked !== null) policy.assertAllowed(app, asked)
      } catch (refusal) {
        const earlier = await findEarlier(keyNames, fingerprints)
        if (earlier === null) throw refusal
        return earlier
      }
      const places = phoneNumber === null ? [] : keeping.numberClaims(app.id, phoneNumber)
      const country = asked === null ? null : asked.country ?? noCountry
      const takesCodes = workflow.some(({ method }) => methods.get(method)?.codeAttempts !== undefined)
      const counters = limits.forCreate(app, { phoneNumber, numberName: places[0]?.name ?? null, country, ip: request.device?.ip ?? null, takesCodes })
      const partition = places[0]?.partition ?? randomBytes(1).readUInt8() % partitions
      const traceparent = tracing.traceparent()
      let own: KeyClaim = { id: ids.newId(app.id, partition), hash: fingerprints[0] ?? '', at: now() }

      for (let tries = 0; tries < 5; tries += 1) {
        const { id } = own
        const at = now()
        const expiresAt = at + (request.expiresInSeconds ?? 600) * 1000
        const holdKeys = (claim: KeyClaim): IdempotencyClaim[] => keyNames.map(name => ({ name, value: writeKeyClaim(claim), partition: partitionOfHash(name) }))
        const [key = null, ...spareKeys] = holdKeys(own)
        const made = await changes.create({
          id, appId: app.id, phoneNumber, reference: request.reference ?? null, metadata: request.metadata ?? {}, locale: request.locale ?? null,
          device: request.device ?? {}, returnUrl: request.returnUrl ?? null, includeProfile: app.includeProfile === true, workflow, expiresAt, key,
          ...(spareKeys.length === 0 ? {} : { spareKeys }),
          ...(country === null ? {} : { country }),
          ...(traceparent === null ? {} : { traceparent }),
          ...(app.webhook === undefined ? {} : { wants: app.webhook.events ?? defaultEventTypes }),
        }, {
          at,
          keys: holdKeys(own).map(hold => ({ ...hold, expiresAt: own.at + idempotencyMs })),
          live: places.map(place => ({ ...place, value: id, expiresAt })),
          counters,
        })
        if ('record' in made) return made.record
        if ('counterExceeded' in made) throw limits.refuse(made.counterExceeded, phoneNumber)
        const { claimConflict: taken } = made
        if (taken !== null && places.some(({ name }) => name === taken.name)) {
          await makeWay(places, taken.value, { replaces: request.onConflict === 'replace' })
        } else {
          const claimed = taken === null ? own : readKeyClaim(taken.value)
          const earlier = await waitForFirst(claimed, fingerprints)
          if (typeof earlier === 'object') return earlier
          if (earlier === 'unwritten') own = claimed
          else await Promise.all(holdKeys(claimed).map(hold => store.release(hold)))
        }
      }
      throw new ApiError('overloaded', 'Too many requests for this number at the same time.', { retryAfterSeconds: 1 })
    },

    get: async id => (await load(id)).record,

    listen: announcements.subscribe,

    async submit (id, submitted) {
      const stored = await load(id)
      const { record } = stored
      if (isFinal(record)) throw invalidState(record, 'The verification is over.')
      const kind = kindOf(submitted)
      const value: Json = { ...submitted }
      const wanted = acceptedEvidence(record, adapters)
      if (wanted === null) throw invalidState(record, 'The attempt is still being started.')
      if (kind === 'none' && wanted.evidence.length === 0) return { verification: record, settled: false }
      if (!wanted.evidence.includes(kind)) throw invalidState(record, `The attempt in hand takes ${wanted.evidence.join(' or ') || 'nothing'}, not ${kind}.`)

      const received = await apply(
        stored, { type: 'evidenceReceived', attempt: wanted.index, evidence: { from: kind === 'none' ? 'poll' : 'app', value } }, { resolves: true },
      )
      if (received.isReplay) throw invalidState(received.stored.record, 'This evidence was used before.')
      if (!received.changed) {
        const current = currentAttempt(received.stored.record)
        const isSame = current?.attempt.phase === 'resolving' && (kind === 'none' || canonical(current.attempt.evidence.value) === canonical(value))
        if (!isSame) throw invalidState(received.stored.record, 'Other evidence is being checked, or the attempt is over.')
        return { verification: received.stored.record, settled: false }
      }
      if (currentAttempt(received.stored.record)?.index !== wanted.index) throw invalidState(received.stored.record, 'The attempt is over.')
      try {
        const { stored: { record: after }, event } = await changes.settle(received.stored, { isFirst: true, isLastTry: false })
        if (event?.type === 'codeIncorrect') {
          const current = currentAttempt(after)
          const left = current?.index === wanted.index && 'attemptsRemaining' in current.attempt ? current.attempt.attemptsRemaining ?? 0 : 0
          throw new ApiError('code_incorrect', left > 0 ? 'The code is not right.' : 'The code is not right, and no attempt is left.', { attemptsRemaining: left })
        }
        return { verification: after, settled: event?.type !== 'stillPending' }
      } catch (error) {
        if (!(error instanceof ProviderError)) throw error
        await changes.delegate(received.stored.record, ['resolve'], retryAfter(error))
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
        const sent = await apply(stored, await attempts.resend(stored.record, current.index), { insists: true })
        if (sent.isReplay) throw new ProviderError(providerOf(current.attempt.method), 'resend', 'provider_bad_response')
        return sent.stored.record
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

    async erase (id) {
      const { record } = await load(id)
      await changes.erase(record, deliveries.relatedKeys(record))
    },

    async find (app, by, limit) {
      const text = 'reference' in by ? by.reference : readNumber(by.phoneNumber).number
      const names = sealer.keyedHashes('reference' in by ? 'reference' : 'number', `${app.id} ${text}`)
      const found = await Promise.all((await store.find(names, limit)).map(id => store.load(id)))
      return found.flatMap(stored => stored?.record.appId === app.id && !keeping.isPastRetention(stored.record) ? [stored.record] : [])
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
  }
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
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null'
  if (Array.isArray(value)) return `[${value.map(canonical).join()}]`
  const members = Object.entries(value).filter(([, member]) => member !== undefined).sort(([a], [b]) => a < b ? -1 : 1)
  return `{${members.map(([name, member]) => `${JSON.stringify(name)}:${canonical(member)}`).join()}}`
}
