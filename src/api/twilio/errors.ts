import { ApiError, apiErrors, type RefusalCause } from '../../core/errors.ts'

/**
 * Errors in the form of Twilio: https://www.twilio.com/docs/usage/twilios-response, with the codes of
 * https://www.twilio.com/docs/verify/api.
 */

/** The body of an error. `code` is Twilio's, `status` the HTTP status. */
export type TwilioProblem = { code: number, message: string, more_info: string, status: number }

/** An answer that only this part of the API gives. The message contains nothing that was sent. */
export class TwilioError extends Error {
  readonly code: number
  readonly status: number
  constructor (known: { code: number, status: number, text: string }, detail = '') {
    super(detail === '' ? known.text : `${known.text}: ${detail}`)
    this.name = 'TwilioError'
    this.code = known.code
    this.status = known.status
  }
}

export const twilioErrors = {
  invalidParameter: { code: 60200, status: 400, text: 'Invalid parameter' },
  maxChecks: { code: 60202, status: 429, text: 'Max check attempts reached' },
  maxSends: { code: 60203, status: 429, text: 'Max send attempts reached' },
  notSupported: { code: 60204, status: 403, text: 'Service does not support this feature' },
  concurrent: { code: 60212, status: 429, text: 'Too many concurrent requests for phone number' },
  blocked: { code: 60410, status: 403, text: 'Verification delivery attempt blocked' },
  countryBlocked: { code: 60605, status: 403, text: 'Verification delivery attempt blocked by geo permissions' },
  unauthenticated: { code: 20003, status: 401, text: 'Authenticate' },
  notFound: { code: 20404, status: 404, text: 'The requested resource was not found' },
  beingChecked: { code: 20503, status: 503, text: 'The code is still being checked: fetch the verification' },
  tooManyRequests: { code: 20429, status: 429, text: 'Too many requests' },
} as const

/** Parameters of Twilio that have no counterpart here. Each is refused by its name, instead of being ignored. */
const unsupportedParameters: readonly string[] = [
  'CustomCode', 'CustomMessage', 'CustomFriendlyName', 'SendDigits', 'Amount', 'Payee', 'RateLimits',
  'ChannelConfiguration', 'AppHash', 'TemplateSid', 'TemplateCustomSubstitutions',
]

/** The parameters that become fields of our own requests. */
const parameterOf: Readonly<Record<string, string>> = {
  phoneNumber: 'To', 'device/ip': 'DeviceIp', locale: 'Locale', metadata: 'Tags', code: 'Code',
}

/** Limits on what is sent. */
const sendLimits: readonly RefusalCause[] = [
  'message_limit', 'number_limit', 'app_message_limit', 'prefix_limit', 'country_limit',
]

/** What a failure is in Twilio's words. */
export function readTwilioError (error: ApiError | TwilioError): TwilioError {
  if (error instanceof TwilioError) return error
  const { apiCode, message, extra: { errors: [first] = [], refusal } } = error
  switch (apiCode) {
    case 'unauthenticated': return new TwilioError(twilioErrors.unauthenticated)
    case 'not_found': case 'gone': return new TwilioError(twilioErrors.notFound)
    case 'invalid_request': return invalidField(first, message)
    case 'invalid_phone_number':
      return new TwilioError(twilioErrors.invalidParameter, 'To must be an E.164 number with a leading +')
    case 'no_eligible_method': case 'method_unavailable': return new TwilioError(twilioErrors.invalidParameter, message)
    case 'country_not_allowed': return new TwilioError(twilioErrors.countryBlocked)
    case 'number_type_not_allowed': return new TwilioError(twilioErrors.blocked, message)
    case 'unsupported_media_type': return new TwilioError({
      code: 20_415, status: 415, text: 'Send `content-type: application/x-www-form-urlencoded`.',
    })
    case 'rate_limited': {
      if (refusal?.cause === 'code_limit') return new TwilioError(twilioErrors.maxChecks)
      if (refusal?.cause === 'unverified_budget') return new TwilioError(twilioErrors.blocked, message)
      const isSendLimit = refusal !== undefined && sendLimits.includes(refusal.cause)
      return new TwilioError(isSendLimit ? twilioErrors.maxSends : twilioErrors.tooManyRequests, message)
    }
    default: {
      const { status } = apiErrors[apiCode]
      return new TwilioError({ code: 20_000 + status, status, text: message })
    }
  }
}

function invalidField (first: { field: string, message: string } | undefined, message: string): TwilioError {
  if (first === undefined || first.field === '') return new TwilioError(twilioErrors.invalidParameter, message)
  const name = parameterOf[first.field] ?? first.field
  return unsupportedParameters.includes(name)
    ? new TwilioError(twilioErrors.notSupported, `${name} has no counterpart in Verigate`)
    : new TwilioError(twilioErrors.invalidParameter, `${name} ${first.message}`)
}

export const viewTwilioError = ({ code, message, status }: TwilioError): TwilioProblem =>
  ({ code, message, more_info: `https://www.twilio.com/docs/errors/${code}`, status })
