import type { App } from '../apps/apps.ts'
import type { CountryPolicy } from '../apps/country-policy.ts'
import type { Limits } from '../apps/limits.ts'
import type { AssuranceLevel } from '../core/assurance.ts'
import { allowsReturnUrl } from '../apps/return-urls.ts'
import type { MethodContext } from '../adapters/guard.ts'
import { createVerification } from '../core/decide.ts'
import { ApiError } from '../core/errors.ts'
import type { Step, Verification, NewVerification } from '../core/verification.ts'
import { defaultEventTypes, noCountry, webhookEventTypes, type WebhookEventType } from '../core/vocabulary.ts'
import { readAddress } from '../net.ts'
import { parsePhoneNumber, specialTypeOf } from '../phone.ts'
import type { Ids } from '../store/ids.ts'
import { partitions } from '../store/keys.ts'
import { numberTag, type KeyName, type Sealer } from '../store/sealing.ts'
import { createLogOnce, type LogOnce } from '../telemetry/log-once.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { Tracing } from '../telemetry/tracing.ts'
import type { ResolveConflict } from './create-conflict.ts'
import {
  holdKey, noIdempotencyKey, readIdempotencyKey, type IdempotencyKey, type IdempotentReplays,
} from './idempotency.ts'
import type { KeyClaim } from './key-claim.ts'
import { isReplyLost, type StartIfWritten } from './lost-reply.ts'
import { numberKeys } from './record-keys.ts'
import type { Start } from './start.ts'
import { findTestNumber, holdTestCode } from './test-numbers.ts'
import { planWorkflow, type WorkflowRequest } from './workflow.ts'
import type { Writer } from './writer.ts'

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
  minAssurance?: AssuranceLevel
}

/** A verification that was just written, for the log: `numberTag` stands for the number. */
export type Created = { verificationId: string, app: string, numberTag: string | null, method: string | undefined }

/**
 * A new verification, its first attempt started; or the one that an earlier request with the same key made.
 * `onCreated` is called as soon as a new one is written, even if its start fails.
 */
export type Create = (
  app: App, request: CreateRequest, idempotencyKey: string | null, onCreated?: OnCreated,
) => Promise<Verification>
export type OnCreated = (created: Created) => void

export type CreateParts = {
  write: Writer
  start: Start
  startIfWritten: StartIfWritten
  replays: Pick<IdempotentReplays, 'findEarlier'>
  resolveConflict: ResolveConflict
  names: {
    sealer: Pick<Sealer, 'names' | 'keyedHash' | 'keyedHashes'>, ids: Pick<Ids, 'newId'>, randomPartition: () => number,
  }
  routing: MethodContext
  policies: { limits: Pick<Limits, 'forCreate'>, country: Pick<CountryPolicy, 'assertAllowed'> }
  tracing: Pick<Tracing, 'traceparent'>
  log: Pick<Logger, 'warn'>
  now: () => number
}

type Number = { number: string, country: string | null }
/** What stays the same however often the insert is tried. */
type Plan = {
  app: App, request: CreateRequest, asked: Number | null, workflow: Step[], minAssurance: AssuranceLevel
  testCode: { code: string } | null, keys: KeyName[], tag: string | null, key: IdempotencyKey
  traceparent: string | null
}

/** Each try that fails is another create's success: as many can replace each other at once, and none fails. */
const maxTries = 200
const defaultExpirySeconds = 600

export function createCreate (parts: CreateParts): Create {
  const {
    write, start, startIfWritten, replays, resolveConflict, names: {
      sealer, ids, randomPartition,
    }, routing, policies, tracing, log, now,
  } = parts
  const warnOnce = createLogOnce(log)

  function plan (app: App, given: CreateRequest, idempotencyKey: string | null): Plan {
    const request = withAddress(given)
    const asked = request.phoneNumber === undefined ? null : readNumber(request.phoneNumber)
    if (request.returnUrl !== undefined && !allowsReturnUrl(app, request.returnUrl)) {
      warnOfReturnUrl(warnOnce, app, request.returnUrl)
      const errors = [{ field: 'returnUrl', message: 'is not allowed for this app' }]
      throw new ApiError('invalid_request', '`returnUrl` is not one of the app\'s allowed return URLs.', { errors })
    }
    const minAssurance = request.minAssurance ?? app.minAssurance ?? 1
    const testCode = asked === null || app.testNumbers === undefined ? null : findTestNumber(app, asked.number, now())
    const known = {
      phoneNumber: asked?.number ?? null, returnUrl: request.returnUrl ?? null, minAssurance,
      getsMessages: () => asked === null || testCode !== null || getsMessages(app, asked.number),
      ...testCode === null ? {} : { testNumber: testCode },
    }
    return {
      app, request, asked, minAssurance, testCode,
      workflow: planWorkflow(request.workflow ?? app.workflow, known, routing, app),
      keys: asked === null ? [] : numberKeys(sealer.names, app.id, asked.number),
      tag: asked === null ? null : numberTag(sealer, asked.number),
      key: idempotencyKey === null ? noIdempotencyKey : readIdempotencyKey(sealer, app.id, idempotencyKey, given),
      traceparent: tracing.traceparent(),
    }
  }

  /** Inserts it and starts its first attempt; `own`: the claim of its Idempotency-Key. */
  async function insert (planned: Plan, own: KeyClaim, onCreated: OnCreated): Promise<Verification> {
    const { app, request: { device: { ip } = {} }, tag: numberTag } = planned
    let claim = own
    for (let tries = 0; tries < maxTries; tries += 1) {
      const triedAt = tries === 0 ? own.at : now()
      const { id } = claim
      const request = newVerification(planned, claim, triedAt, sealer)
      const inserted = await write({
        stored: null, event: null, decision: createVerification(request, triedAt, { startsHere: true }), at: triedAt,
        counters: ip === undefined ? [] : policies.limits.forCreate(app, ip, triedAt), keys: planned.keys,
      }, { startsHere: true }).catch((error: unknown) => {
        if (isReplyLost(error)) void startIfWritten(id, triedAt)
        throw error
      })
      if ('stored' in inserted) {
        const method = inserted.stored.record.attempts.at(-1)?.method
        onCreated({ verificationId: id, app: app.id, numberTag, method })
        return (await start(inserted)).record
      }
      const next = await resolveConflict(planned, inserted, claim)
      if ('status' in next) return next
      claim = next
    }
    throw new ApiError('overloaded', 'Too many requests for this number at the same time.', { retryAfterSeconds: 1 })
  }

  return async (app, request, idempotencyKey, onCreated = () => {}) => {
    const planned = plan(app, request, idempotencyKey)
    const { asked, testCode, keys, key } = planned
    try {
      if (asked !== null && testCode === null) policies.country.assertAllowed(app, asked)
      const id = ids.newId(app.id, keys[0]?.partition ?? randomPartition())
      return await insert(planned, { id, hash: key.fingerprints[0] ?? '', at: now() }, onCreated)
    } catch (error) {
      // A repeated request creates nothing, so no policy refuses it.
      const isRefused = error instanceof ApiError && error.extra.refusal !== undefined
      const earlier = isRefused ? await replays.findEarlier(key) : null
      if (earlier === null) throw error
      return earlier
    }
  }
}

/** Without the path: it is the origin that is usually missing. */
function warnOfReturnUrl (warnOnce: LogOnce, { id }: App, returnUrl: string): void {
  const url = URL.parse(returnUrl)
  if (url === null) return
  const origin = url.host === '' ? url.protocol : `${url.protocol}//${url.host}`
  const set = `"allowedReturnUrls": ["${origin}/"] of the app in APPS_FILE, if the page is yours`
  warnOnce(`${id} ${origin}`, { app: id, origin, set }, 'returnUrl refused')
}

function newVerification (
  { app, request, asked, workflow, minAssurance, testCode, key, traceparent }: Plan, claim: KeyClaim, at: number,
  sealer: Pick<Sealer, 'keyedHash'>,
): NewVerification {
  const country = countryOf(asked)
  // In the order of the record's structure; see `record-codec.ts`.
  return {
    id: claim.id, appId: app.id, phoneNumber: asked?.number ?? null, reference: request.reference ?? null,
    metadata: request.metadata ?? {}, locale: request.locale ?? null, device: request.device ?? {},
    returnUrl: request.returnUrl ?? null, includeProfile: app.includeProfile === true, minAssurance, workflow,
    webhookEvents: eventsOf(app),
    expiresAt: at + (request.expiresInSeconds ?? defaultExpirySeconds) * 1000,
    idempotency: key === noIdempotencyKey ? null : holdKey(key, claim),
    ...testCode === null ? {} : { testNumber: holdTestCode(sealer, claim.id, testCode) },
    ...country === null ? {} : { country },
    ...traceparent === null ? {} : { traceparent },
  }
}

/** Whether the app's rules let messages be sent to a number of this type. */
export function getsMessages ({ allowedNumberTypes = [] }: App, number: string): boolean {
  const type = specialTypeOf(number)
  return type === null || allowedNumberTypes.includes(type)
}

function eventsOf ({ webhook }: App): WebhookEventType[] {
  if (webhook === undefined) return []
  const { events } = webhook
  return events === undefined
    ? [...defaultEventTypes]
    : webhookEventTypes.filter(type => events.includes(`verification.${type}`))
}

const countryOf = (asked: Number | null): string | null => asked === null ? null : asked.country ?? noCountry

/** Throws `ApiError` invalid_phone_number. */
export function readNumber (text: string): Number {
  const parsed = parsePhoneNumber(text)
  if (parsed !== null) return parsed
  const errors = [{ field: 'phoneNumber', message: 'must be E.164 with a leading +' }]
  throw new ApiError('invalid_phone_number', '`phoneNumber` is not an E.164 number.', { errors })
}

/** The request with `device.ip` in its canonical form, without a port. Throws `ApiError` invalid_request. */
export function withAddress<Request extends Pick<CreateRequest, 'device'>> (request: Request): Request {
  if (request.device?.ip === undefined) return request
  const ip = readAddress(request.device.ip)
  if (ip !== null) return { ...request, device: { ...request.device, ip } }
  const errors = [{ field: 'device/ip', message: 'must be an IP address' }]
  throw new ApiError('invalid_request', '`device/ip` must be an IP address.', { errors })
}

/** For `randomPartition`: a verification without a number may live in any partition. */
export const partitionOfByte = (byte: number): number => byte % partitions
