import { twilio } from '../../../src/adapters/twilio/index.ts'
import type { Answer, Call, Contract, Vendor } from '../../../src/conformance/index.ts'

/** Answers as Twilio's description and pages show them, with other sids and numbers. */

export const phoneNumber = '+14155550100'
const hex = '0123456789abcdef0123456789abcdef'
export const serviceSid = `VA${hex}`
export const sid = `VE${hex}`
const apiKey = `SK${hex}`
export const secrets = [apiKey, 'the-api-secret', '550100', 'the-client-token']

export const settings = ({ origin }: Vendor) => ({
  TWILIO_API_KEY: apiKey, TWILIO_API_SECRET: 'the-api-secret', TWILIO_SERVICE_SID: serviceSid, TWILIO_API_URL: origin,
})

export const base = `/v2/Services/${serviceSid}`
export const isStart = ({ method, path }: Call): boolean => method === 'POST' && path === `${base}/Verifications`
export const isCheck = ({ path }: Call): boolean => path === `${base}/VerificationCheck`
export const isCancel = ({ path }: Call): boolean => path === `${base}/Verifications/${sid}`
export const formOf = ({ text }: Call): Record<string, string> => Object.fromEntries(new URLSearchParams(text))

const dates = { date_created: '2026-07-30T20:00:00Z', date_updated: '2026-07-30T20:00:00Z' }
const of = {
  sid, service_sid: serviceSid, account_sid: `AC${hex}`, to: phoneNumber, amount: null, payee: null, ...dates,
}
export const silentUrl = 'https://mi.dnlsrv.com/m/id/ANBByzx7?data=AAAglRRdNn02iTFWfDWwdTjOzM8o%2F6JAxJ1Q&cipherSalt=1'

export function verification (channel: string, more: object = {}): Record<string, unknown> {
  const attempt = { time: dates.date_created, channel: channel.toUpperCase(), attempt_sid: `VL${hex}` }
  return {
    ...of, channel, status: 'pending', valid: false, lookup: {}, send_code_attempts: [attempt],
    sna: channel === 'sna' ? { url: silentUrl } : null, url: `https://verify.twilio.com${base}/Verifications/${sid}`,
    ...more,
  }
}

export function check (channel: string, status: string, more: object = {}): Record<string, unknown> {
  return { ...of, channel, status, valid: status === 'approved', sna_attempts_error_codes: [], ...more }
}

/** The error codes of a silent check, oldest first. */
export const silentErrors = (...codes: unknown[]) =>
  ({ sna_attempts_error_codes: codes.map(code => ({ attempt_sid: `VL${hex}`, code })) })

export function answerWell (_vendor: Vendor, call: Call): Answer {
  const { Channel = 'sms', Status, Code } = formOf(call)
  if (isStart(call)) return { status: 201, body: verification(Channel) }
  if (isCancel(call)) return { body: verification('sms', { status: Status }) }
  if (isCheck(call)) return { body: check(Code === undefined ? 'sna' : 'sms', 'approved') }
  return { body: { sid: serviceSid, friendly_name: 'Shop', code_length: 6 } }
}

export const error = (status: number, code?: number, message = 'No'): Answer =>
  ({ status, body: { code, message, more_info: `https://www.twilio.com/docs/errors/${code}`, status } })
/** Checks are refused. */
export const refuse = (status: number, code?: number, message?: string) => (call: Call): Answer | null =>
  isCheck(call) ? error(status, code, message) : null
/** Checks say this. */
export const say = (body: unknown) => (call: Call): Answer | null => isCheck(call) ? { body } : null

export const denied = (reason: string) => ({ verdict: 'denied', reason }) as Contract['bad'][number]['ends']
export const failed = (reason: string, retryable = false) => ({ failed: reason, retryable })
export const misconfigured = failed('provider_misconfigured')

export const common = { provider: twilio, settings, secrets, vendor: answerWell, singleUse: null, cancel: isCancel }

/** What a 4xx with an empty body means. */
export const refusals: Contract['refusals'] = [
  { call: isStart, phase: 'start', ends: status => status === 401 || status === 404 ? misconfigured : null },
  {
    call: isCheck, phase: 'resolve',
    ends: status => status === 404 ? denied('evidence_expired') : status === 401 ? misconfigured : null,
  },
]
