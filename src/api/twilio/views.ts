import { hash } from 'node:crypto'
import type { Methods } from '../../adapters/guard.ts'
import type { Verification } from '../../core/verification.ts'
import { channelOf, channelOfStep, type ShownChannel } from './channels.ts'

/** Verifications in the form of Twilio's `Verification` and `VerificationCheck`. */

/** The SIDs that the caller sent. They are not interpreted; answers repeat those in Twilio's form. */
export type Names = { service: string, account: string }

export type ViewParts = { methods: Methods, publicUrl: string, attemptId: (id: string, index: number) => string }

type Shared = {
  sid: string | null, service_sid: string | null, account_sid: string | null, to: string | null,
  channel: ShownChannel, status: string, valid: boolean, amount: null, payee: null,
  date_created: string, date_updated: string
}
export type TwilioVerification = Shared & {
  lookup: object, send_code_attempts: { time: string, channel: string, attempt_sid: string }[]
  sna: { url: string } | null, url: string
}
export type TwilioCheck = Shared & { sna_attempts_error_codes: { attempt_sid: string, code: number }[] | null }

/** The statuses of Twilio. `deleted` has no counterpart: an erased verification does not exist. */
export function statusOf (verification: Verification): string {
  switch (verification.status) {
    case 'verified': return 'approved'
    case 'failed': return verification.reason === 'code_attempts_exhausted' ? 'max_attempts_reached' : 'failed'
    default: return verification.status
  }
}

/** The error of a silent check that did not succeed: the front end should fall back to another channel. */
const snaError = 60_510

export function viewTwilioVerification (
  verification: Verification, names: Names, { methods, publicUrl, attemptId }: ViewParts,
): TwilioVerification {
  const { id, reference, attempts, workflow } = verification
  const pending = attempts.at(-1)
  const action = pending !== undefined && 'action' in pending ? pending.action : null
  return {
    ...viewShared(verification, names, methods),
    lookup: {},
    send_code_attempts: attempts.flatMap(({ status, startedAt }, index) => status === 'skipped' ? [] : [{
      time: viewTime(startedAt), channel: channelOfStep(workflow[index], methods),
      attempt_sid: attemptSid(attemptId(id, index)),
    }]),
    sna: action?.type === 'openUrlOnCellular' ? { url: action.url } : null,
    url: `${publicUrl}/v2/Services/${encodeURIComponent(names.service)}/Verifications/${reference}`,
  }
}

export function viewTwilioCheck (
  verification: Verification, names: Names, { methods, attemptId }: ViewParts,
): TwilioCheck {
  const { id, attempts, workflow } = verification
  const shared = viewShared(verification, names, methods)
  const failed = attempts.flatMap(({ status }, index) =>
    (status === 'failed' || status === 'expired') && channelOfStep(workflow[index], methods) === 'sna'
      ? [{ attempt_sid: attemptSid(attemptId(id, index)), code: snaError }]
      : [])
  return { ...shared, sna_attempts_error_codes: shared.channel === 'sna' ? failed : null }
}

function viewShared (verification: Verification, { service, account }: Names, methods: Methods): Shared {
  const { reference, phoneNumber, status, createdAt, updatedAt } = verification
  return {
    sid: reference, service_sid: ofForm(/^VA[0-9a-f]{32}$/i, service),
    account_sid: ofForm(/^AC[0-9a-f]{32}$/i, account),
    to: phoneNumber, channel: channelOf(verification, methods), status: statusOf(verification),
    valid: status === 'verified', amount: null, payee: null,
    date_created: viewTime(createdAt), date_updated: viewTime(updatedAt),
  }
}

const ofForm = (form: RegExp, text: string): string | null => form.test(text) ? text : null
const attemptSid = (id: string): string => `VL${hash('sha256', id, 'hex').slice(0, 32)}`
/** ISO 8601 without fractions, as Twilio sends it. */
const viewTime = (milliseconds: number): string => new Date(milliseconds).toISOString().replace(/\.\d+Z$/, 'Z')
