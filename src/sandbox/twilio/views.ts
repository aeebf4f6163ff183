import { accountSid, serviceSid } from './account.ts'
import { snaErrors } from './errors.ts'
import { type Attempt, latest, type Verification } from './verifications.ts'

const time = (at: number): string => `${new Date(at).toISOString().slice(0, 19)}Z`

/** What both resources have. With the variant `unusual` every optional member is null. */
function viewMembers (verification: Verification) {
  const { sid, to, status, scenario, createdAt, updatedAt } = verification
  return {
    sid, service_sid: serviceSid, account_sid: accountSid, to, channel: latest(verification).channel, status,
    valid: scenario === 'unusual' ? null : status === 'approved', amount: null, payee: null,
    date_created: time(createdAt), date_updated: time(updatedAt),
  }
}

/** The URL that the device opens over mobile data. */
const snaUrl = ({ sna, sid }: Attempt, origin: string): string => {
  const url = new URL(`/m/id/${sna?.key}`, origin)
  url.search = String(new URLSearchParams({ data: Buffer.from(sid).toString('base64'), cipherSalt: sid.slice(-16) }))
  return url.href
}

/** `verify.v2.service.verification` of Twilio's API document. `origin`: of the simulators. */
export function viewVerification (verification: Verification, origin: string): object {
  const attempt = latest(verification)
  const isSilent = attempt.sna !== undefined
  const isUnusual = verification.scenario === 'unusual'
  const carrier = {
    mobile_country_code: '311', type: 'mobile', error_code: null, mobile_network_code: '180',
    name: 'T-Mobile USA, Inc.',
  }
  return {
    ...viewMembers(verification),
    lookup: isUnusual ? null : isSilent ? { carrier } : {},
    send_code_attempts: isUnusual ? null : verification.attempts.map(({ at, channel, sid }) => ({
      time: time(at), channel: channel === 'sms' ? 'SMS' : channel, attempt_sid: sid,
    })),
    sna: isSilent ? { url: snaUrl(attempt, origin) } : null,
    url: `${origin}/v2/Services/${serviceSid}/Verifications/${verification.sid}`,
  }
}

/** `verify.v2.service.verification_check` of Twilio's API document. */
export function viewCheck (verification: Verification): object {
  const { attempts, status, scenario } = verification
  const isSilent = latest(verification).sna !== undefined
  const codes = attempts.flatMap(({ sna, sid, isMatch, errorCode = snaErrors.pending }) =>
    sna === undefined || isMatch ? [] : [{ attempt_sid: sid, code: errorCode }])
  const isUnusual = scenario === 'unusual' && status === 'approved'
  return { ...viewMembers(verification), sna_attempts_error_codes: isSilent && !isUnusual ? codes : null }
}

/** `verify.v2.service` of Twilio's API document. */
export const viewService = (origin: string): object => ({
  sid: serviceSid, account_sid: accountSid, friendly_name: 'Sandbox', code_length: 6, lookup_enabled: false,
  skip_sms_to_landlines: true, dtmf_input_required: true, url: `${origin}/v2/Services/${serviceSid}`,
})
