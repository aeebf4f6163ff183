import { randomBytes } from 'node:crypto'
import type { MethodContext, Methods } from '../../adapters/guard.ts'
import type { App } from '../../apps/apps.ts'
import { ApiError, isCodeIncorrect } from '../../core/errors.ts'
import { availableActions, currentAttempt, isFinal, type Verification } from '../../core/verification.ts'
import type { OnCreated } from '../../verifications/create.ts'
import type { Gateway } from '../../verifications/gateway.ts'
import { channelOf, chooseItems, completesItself, currentStep, workflowFor, type Channel } from './channels.ts'
import { TwilioError, twilioErrors } from './errors.ts'
import { readTags, readTo, type CheckForm, type CreateForm } from './requests.ts'

/**
 * Twilio's calls as use cases of the gateway. The sid of a verification is its `reference`, so it is found like any
 * other one, and nothing else has to be stored.
 */
export type TwilioCalls = {
  /** A new verification of the number; or its pending one, sent again, or by another channel under the same sid. */
  create (app: App, form: CreateForm, onCreated: OnCreated): Promise<Verification>
  /** Checks the pending verification of a number or sid. Another code can follow while it is still pending. */
  check (app: App, form: CheckForm): Promise<Verification>
  /** The newest verification with this sid or of this number. */
  fetch (app: App, sid: string): Promise<Verification>
  cancel (app: App, sid: string): Promise<Verification>
}

const sidPattern = /^VE[0-9a-f]{32}$/
const createSid = (): string => `VE${randomBytes(16).toString('hex')}`
const isOfTwilio = ({ reference }: Verification): boolean => reference !== null && sidPattern.test(reference)
/** How many of an app's verifications of a number are searched for one of this API. */
const maxFound = 20

export function createTwilioCalls (
  { gateway, routing, now }: {
    gateway: Pick<Gateway, 'create' | 'get' | 'find' | 'check' | 'resend' | 'cancel'>, routing: MethodContext,
    now: () => number,
  },
): TwilioCalls {
  const { methods } = routing
  /** The items that serve the channel; empty: none does. */
  const itemsOf = ({ Channel, EnableSnaClientToken }: CreateForm, app: App) =>
    workflowFor(Channel, app, methods, EnableSnaClientToken === 'true')

  function requestOf (app: App, form: CreateForm, items: ReturnType<typeof itemsOf>) {
    const { Channel, Locale, DeviceIp } = form
    if (items.length === 0) {
      throw new TwilioError(twilioErrors.invalidParameter, `Channel ${Channel} is served by no method of this app`)
    }
    return {
      phoneNumber: readTo(form.To), workflow: app.workflow === undefined ? chooseItems(items, routing) : items,
      metadata: readTags(form.Tags),
      ...Locale === undefined ? {} : { locale: Locale }, ...DeviceIp === undefined ? {} : { device: { ip: DeviceIp } },
    }
  }

  /** The same channel again: a message is sent again, and the URL of a silent check stays valid. */
  async function repeat (live: Verification): Promise<Verification> {
    if (channelOf(live, methods) === 'sna') return live
    if (availableActions(live).some(({ action }) => action === 'resend')) return gateway.resend(live.id)
    // Another request is sending it, or a code is being checked.
    const isBusy = currentAttempt(live)?.attempt.phase !== 'waiting'
    throw new TwilioError(isBusy ? twilioErrors.concurrent : twilioErrors.maxSends)
  }

  const { fetch, findForCheck } = createFinders({ gateway, methods, now })

  return {
    async create (app, form, onCreated) {
      const items = itemsOf(form, app)
      const request = requestOf(app, form, items)
      try {
        return await gateway.create(app, { ...request, reference: createSid() }, null, onCreated)
      } catch (error) {
        const id = error instanceof ApiError ? error.extra.verificationId : undefined
        if (id === undefined) throw error
        const live = await gateway.get(id)
        if (isFinal(live)) return gateway.create(app, { ...request, reference: createSid() }, null, onCreated)
        if (!isOfTwilio(live) || live.reference === null) throw error
        // A silent check that completes without a client token is not one with it.
        const isAsked = items.some(({ method }) => method === currentStep(live)?.method)
        if (isAsked && serves(form.Channel, channelOf(live, methods))) return repeat(live)
        const replacement = { ...request, reference: live.reference, onConflict: 'replace' } as const
        return gateway.create(app, replacement, null, onCreated)
      }
    },

    async check (app, { To, VerificationSid, Code, SnaClientToken }) {
      const by = VerificationSid ?? To
      if (by === undefined) throw new TwilioError(twilioErrors.invalidParameter, 'To or VerificationSid is required')
      const code = Code ?? SnaClientToken
      const pending = await findForCheck(app, by, code)
      if (To !== undefined && pending.phoneNumber !== readTo(To)) throw new TwilioError(twilioErrors.notFound)
      if (isFinal(pending)) return pending
      try {
        return (await gateway.check(pending.id, code === undefined ? {} : { code })).verification
      } catch (error) {
        if (isCodeIncorrect(error)) return gateway.get(pending.id)
        if (!(error instanceof ApiError) || error.apiCode !== 'invalid_state') throw error
        // It has ended meanwhile, or its pending attempt takes other evidence.
        const hasEnded = isFinal(await gateway.get(pending.id))
        throw hasEnded ? new TwilioError(twilioErrors.notFound) : refusedEvidence(code)
      }
    },

    fetch,
    cancel: async (app, sid) => gateway.cancel((await fetch(app, sid)).id),
  }
}

/** Finds verifications that this API created, by sid or number. Throws `TwilioError`. */
function createFinders (
  { gateway, methods, now }: { gateway: Pick<Gateway, 'find'>, methods: Methods, now: () => number },
) {
  async function fetch (app: App, by: string): Promise<Verification> {
    const isNumber = /^[+ ]/.test(by)
    if (!isNumber && !sidPattern.test(by)) throw new TwilioError(twilioErrors.notFound)
    const found = isNumber
      ? await gateway.find(app, { phoneNumber: readTo(by) }, maxFound)
      : await gateway.find(app, { reference: by }, 1)
    const newest = found.find(isOfTwilio)
    if (newest === undefined) throw new TwilioError(twilioErrors.notFound)
    return newest
  }

  /** Pending; or a silent check that ended before it was asked for, for as long as `isShown` says. */
  async function findForCheck (app: App, by: string, code: string | undefined): Promise<Verification> {
    const found = await fetch(app, by)
    const hasJudgedItself = (found.status === 'verified' || found.status === 'failed') && code === undefined
      && completesItself(found, methods) && isShown(found, { by, at: now() })
    if (!isFinal(found) || hasJudgedItself) return found
    // As with Twilio, an ended verification is not found, so that a code is approved once.
    const isExhausted = found.status === 'failed' && found.reason === 'code_attempts_exhausted'
    throw new TwilioError(isExhausted ? twilioErrors.maxChecks : twilioErrors.notFound)
  }

  return { fetch, findForCheck }
}

const byNumberMs = 60_000

/**
 * How long the result of a silent check that has ended is shown: by its sid while it could have been pending, by its
 * number for a minute only, because a request can name a number that another user has proved.
 */
export const isShown = (
  { updatedAt, expiresAt }: Pick<Verification, 'updatedAt' | 'expiresAt'>, { by, at }: { by: string, at: number },
): boolean => at < (sidPattern.test(by) ? expiresAt : Math.min(expiresAt, updatedAt + byNumberMs))

const refusedEvidence = (code: string | undefined): TwilioError => new TwilioError(
  twilioErrors.invalidParameter, code === undefined ? 'Code is required' : 'Code is not what the pending channel takes',
)

const serves = (wanted: Channel, present: string): boolean =>
  wanted === 'auto' ? present === 'sna' || present === 'sms' : wanted === present
