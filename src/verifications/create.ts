import type { App } from '../apps/apps.ts'
import type { CountryPolicy } from '../apps/country-policy.ts'
import type { Limits } from '../apps/limits.ts'
import { allowsReturnUrl } from '../apps/return-urls.ts'
import type { Methods } from '../adapters/guard.ts'
import type { NewVerification } from '../core/decide.ts'
import { ApiError, isGone } from '../core/errors.ts'
import { isFinal, type Step, type Verification } from '../core/verification.ts'
import { defaultEventTypes, noCountry } from '../core/vocabulary.ts'
import { parsePhoneNumber } from '../phone.ts'
import type { Ids } from '../store/ids.ts'
import { partitions } from '../store/keys.ts'
import type { Store } from '../store/record-store.ts'
import type { KeyName, Sealer } from '../store/sealing.ts'
import type { Tracing } from '../telemetry/tracing.ts'
import type { Dispatch } from './dispatch.ts'
import {
  holdKey, noIdempotencyKey, readIdempotencyKey, readKeyClaim, type IdempotencyKey, type IdempotentReplays, type KeyClaim,
} from './idempotency.ts'
import { idempotencyReleases, numberKeys } from './record-keys.ts'
import type { Start } from './start.ts'
import type { InsertConflict, Transitions } from './transitions.ts'
import { planWorkflow, type WorkflowRequest } from './workflow.ts'

/** Body of `POST /verifications`; the API validates it. */
export type CreateRequest = {
  phoneNumber?: string
  workflow?: WorkflowRequest
  reference?: string
  metadata?: { [name: string]: string }
  locale?: string
  device?: { ip?: string, userAgent?: string, platform?: string }
  returnUrl?: string
  expiresInSeconds?: number
  onConflict?: 'error' | 'replace'
}

/** A new verification, its first attempt started; or the one that an earlier request with the same key made. */
export type Create = (app: App, request: CreateRequest, idempotencyKey: string | null) => Promise<Verification>

export type CreateParts = {
  transitions: Pick<Transitions, 'insert'>
  dispatch: Pick<Dispatch, 'apply'>
  start: Start
  replays: IdempotentReplays
  store: Pick<Store<Verification>, 'load' | 'release'>
  names: { sealer: Pick<Sealer, 'names' | 'keyedHashes'>, ids: Pick<Ids, 'newId'>, randomPartition: () => number }
  methods: Methods
  policies: { limits: Pick<Limits, 'forCreate'>, country: CountryPolicy }
  tracing: Pick<Tracing, 'traceparent'>
  now: () => number
}

type Number = { number: string, country: string | null }
/** What stays the same however often the insert is tried. */
type Plan = {
  app: App, request: CreateRequest, asked: Number | null, workflow: Step[], keys: KeyName[], key: IdempotencyKey,
}

const maxTries = 5
const defaultExpirySeconds = 600

export function createCreate (parts: CreateParts): Create {
  const {
    transitions, dispatch, start, replays, store, names: { sealer, ids, randomPartition }, methods, policies, tracing,
    now,
  } = parts

  function plan (app: App, request: CreateRequest, idempotencyKey: string | null): Plan {
    const asked = request.phoneNumber === undefined ? null : readNumber(request.phoneNumber)
    if (request.returnUrl !== undefined && !allowsReturnUrl(app, request.returnUrl)) {
      const errors = [{ field: 'returnUrl', message: 'is not allowed for this app' }]
      throw new ApiError('invalid_request', '`returnUrl` is not one of the app\'s allowed return URLs.', { errors })
    }
    const known = { phoneNumber: asked?.number ?? null, returnUrl: request.returnUrl ?? null }
    return {
      app, request, asked, workflow: planWorkflow(request.workflow ?? app.workflow, known, methods),
      keys: asked === null ? [] : numberKeys(sealer.names, app.id, asked.number),
      key: idempotencyKey === null ? noIdempotencyKey : readIdempotencyKey(sealer, app.id, idempotencyKey, request),
    }
  }

  function countersOf ({ app, request, asked, workflow, keys }: Plan, at: number) {
    return policies.limits.forCreate(app, {
      phoneNumber: asked?.number ?? null, numberName: keys[0]?.name
        ?? null, country: countryOf(asked), ip: request.device?.ip ?? null,
      takesCodes: workflow.some(({ method }) => methods.get(method)?.codeAttempts !== undefined),
    }, at)
  }

  function newVerification (
    { app, request, asked, workflow, key }: Plan, claim: KeyClaim, at: number,
  ): NewVerification {
    const country = countryOf(asked)
    const traceparent = tracing.traceparent()
    // In the order of the record's structure; see `record-codec.ts`.
    return {
      id: claim.id, appId: app.id, phoneNumber: asked?.number ?? null, reference: request.reference ?? null,
      metadata: request.metadata ?? {}, locale: request.locale ?? null, device: request.device ?? {},
      returnUrl: request.returnUrl ?? null, includeProfile: app.includeProfile === true, workflow,
      webhookEvents: app.webhook === undefined ? [] : [...app.webhook.events ?? defaultEventTypes],
      expiresAt: at + (request.expiresInSeconds ?? defaultExpirySeconds) * 1000,
      idempotency: holdKey(key, claim),
      ...country === null ? {} : { country },
      ...traceparent === null ? {} : { traceparent },
    }
  }

  /**
   * Frees a number that is claimed. A claim of a final or erased verification is a leftover: its release was lost.
   * Throws
   * `ApiError` verification_in_progress for a live one that is not replaced.
   */
  async function freeNumber ({ request, keys }: Plan, id: string): Promise<void> {
    const holder = await store.load(id)
    if (holder === null || isFinal(holder.record)) {
      await Promise.all(keys.map(key => store.release({ ...key, value: id })))
    } else if (request.onConflict !== 'replace') {
      const detail = 'This app already has a live verification of this number.'
      throw new ApiError('verification_in_progress', detail, { verificationId: id })
    } else {
      await dispatch.apply(holder, { type: 'canceled', reason: 'superseded' }).catch(error => {
        if (!isGone(error)) throw error
      })
    }
  }

  /** The earlier verification, or the claim with which the insert is tried again. */
  async function resolveConflict (
    planned: Plan, conflict: InsertConflict, own: KeyClaim,
  ): Promise<Verification | KeyClaim> {
    if (conflict.type === 'live') {
      await freeNumber(planned, conflict.holder.value)
      return own
    }
    const claimed = conflict.holder === null ? own : readKeyClaim(conflict.holder.value)
    const earlier = await replays.waitForFirst(claimed, planned.key)
    if (typeof earlier === 'object') return earlier
    if (earlier === 'not_written') return claimed
    const held = idempotencyReleases({ id: claimed.id, idempotency: holdKey(planned.key, claimed) })
    await Promise.all(held.map(claim => store.release(claim)))
    return own
  }

  return async (app, request, idempotencyKey) => {
    const planned = plan(app, request, idempotencyKey)
    const at = now()
    try {
      if (planned.asked !== null) policies.country.assertAllowed(app, planned.asked, at)
    } catch (refusal) {
      const earlier = await replays.findEarlier(planned.key)
      if (earlier === null) throw refusal
      return earlier
    }
    const partition = planned.keys[0]?.partition ?? randomPartition()
    let claim: KeyClaim = { id: ids.newId(app.id, partition), hash: planned.key.fingerprints[0] ?? '', at }
    for (let tries = 0; tries < maxTries; tries += 1) {
      const triedAt = tries === 0 ? at : now()
      const inserted = await transitions.insert(
        newVerification(planned, claim, triedAt), triedAt, countersOf(planned, triedAt),
      )
      if ('stored' in inserted) return (await start(inserted)).record
      const next = await resolveConflict(planned, inserted, claim)
      if ('status' in next) return next
      claim = next
    }
    throw new ApiError('overloaded', 'Too many requests for this number at the same time.', { retryAfterSeconds: 1 })
  }
}

const countryOf = (asked: Number | null): string | null => asked === null ? null : asked.country ?? noCountry

/** Throws `ApiError` invalid_phone_number. */
export function readNumber (text: string): Number {
  const parsed = parsePhoneNumber(text)
  if (parsed !== null) return parsed
  const errors = [{ field: 'phoneNumber', message: 'must be E.164 with a leading +' }]
  throw new ApiError('invalid_phone_number', '`phoneNumber` is not an E.164 number.', { errors })
}

/** For `randomPartition`: a verification without a number may live in any partition. */
export const partitionOfByte = (byte: number): number => byte % partitions
