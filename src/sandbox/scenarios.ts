/** What a simulated provider does about one number. */
export type Scenario = (typeof scenarios)[number]['scenario'] | Variant
export type Variant = (typeof variants)[number]['scenario']

/**
 * The sandbox's number table. The first row that matches the last two digits counts; `odd` and `even` match the last
 * digit of all other numbers. For a method without such an event, `unsupported` and `rejected` mean silence, and
 * `startFails`, `repeated` and `reordered` mean `verified`.
 */
export const scenarios = [
  { suffix: '99', scenario: 'error', meaning: 'the provider\'s generic error; tru.ID: `ERROR`' },
  { suffix: '98', scenario: 'malformed', meaning: 'malformed answers' },
  { suffix: '97', scenario: 'flaky', meaning: 'result calls answer 5xx twice, then succeed' },
  { suffix: '96', scenario: 'startFails', meaning: 'the start call answers 5xx' },
  { suffix: '95', scenario: 'reordered', meaning: 'callbacks reordered' },
  { suffix: '94', scenario: 'repeated', meaning: 'every callback three times' },
  { suffix: '93', scenario: 'slow', meaning: 'slow: callback after 20 s' },
  { suffix: '92', scenario: 'silent', meaning: 'silence: nothing ever arrives' },
  { suffix: '91', scenario: 'unsupported', meaning: 'not possible for this number' },
  { suffix: '90', scenario: 'rejected', meaning: 'the user refuses; where a method has no such event: silence' },
  { suffix: 'odd', scenario: 'mismatch', meaning: 'another number is proven; OTP: the code is never correct' },
  { suffix: 'even', scenario: 'verified', meaning: 'verified' },
] as const

/** What the third-last digit limits the last two to. Any other digit: every provider. */
export const limits = [
  { digit: '2', provider: 'truecaller', meaning: 'Truecaller' },
  { digit: '3', provider: 'truid', meaning: 'tru.ID' },
  { digit: '4', provider: 'otpless', meaning: 'OTPLESS' },
  { digit: '5', provider: null, meaning: 'all other providers' },
] as const

const vendors = ['truecaller', 'truid', 'otpless', 'camara', 'twilio', 'vonage', 'telegram'] as const

/**
 * Other outcomes of a suffix, chosen by the two digits before the third-last: `…81x91`. A provider that is not listed
 * does what the suffix says without them.
 */
export const variants = [
  {
    digits: '81', suffix: '99', scenario: 'evidenceInvalid', providers: [...vendors, 'firebase'],
    meaning: 'the code or token is not accepted: Telegram does not know the request, and the key of the token is not '
      + 'Firebase\'s',
  },
  {
    digits: '82', suffix: '99', scenario: 'evidenceExpired', providers: [...vendors, 'firebase'],
    meaning: 'the code or token has expired',
  },
  {
    digits: '83', suffix: '99', scenario: 'unverified', providers: ['truecaller', 'twilio'],
    meaning: '`truecaller.oauth`: the profile says that its number is not verified; Twilio: the check ends as `failed`',
  },
  {
    digits: '84', suffix: '99', scenario: 'noProfile', providers: ['truecaller'],
    meaning: '`truecaller.oauth`: the token has no profile',
  },
  {
    digits: '85', suffix: '99', scenario: 'operatorTimeout', providers: ['truid'],
    meaning: 'the operator does not answer tru.ID (`mno_timeout`)',
  },
  {
    digits: '86', suffix: '99', scenario: 'operatorUnclear', providers: ['truid'],
    meaning: 'the operator\'s answer to tru.ID is invalid (`mno_response_error`)',
  },
  {
    digits: '81', suffix: '98', scenario: 'unusual', providers: [...vendors, 'acme'],
    meaning: 'unusual answers that still say "verified": optional members are null, numbers and ids have another type '
      + 'or spelling; the error of a wrong OTP arrives with the status 200',
  },
  {
    digits: '81', suffix: '96', scenario: 'startLimited', providers: [...vendors, 'acme'],
    meaning: 'the start call answers 429; Truecaller: the token call of `truecaller.oauth`',
  },
  {
    digits: '82', suffix: '96', scenario: 'startRefused', providers: [...vendors, 'acme'],
    meaning: 'the start call rejects the credentials; so does the number call of `truecaller.missed_call`',
  },
  {
    digits: '83', suffix: '96', scenario: 'startHangs', providers: [...vendors, 'acme'],
    meaning: 'the start call is never answered',
  },
  {
    digits: '81', suffix: '92', scenario: 'undelivered', providers: ['otpless', 'acme', 'telegram'],
    meaning: 'the message is not delivered by its first channel; the next one of the list brings it, if there is one',
  },
  {
    digits: '81', suffix: '91', scenario: 'notCellular', providers: ['truid', 'otpless', 'camara', 'twilio', 'vonage'],
    meaning: 'the phone is not on mobile data (OTPLESS, Twilio: only the methods `sna`)',
  },
  {
    digits: '82', suffix: '91', scenario: 'otherDevice', providers: ['truid', 'otpless', 'vonage'],
    meaning: 'the URL is opened by the phone of another number (OTPLESS: `otpless.sna` only)',
  },
  {
    digits: '83', suffix: '91', scenario: 'redirectUnsupported', providers: ['truid'],
    meaning: 'the operator does not support the redirects (`mno_redirect_unsupported`)',
  },
  {
    digits: '85', suffix: '91', scenario: 'subscriberUnknown', providers: ['truid', 'camara'],
    meaning: 'the operator does not know the number (`mno_user_not_found`)',
  },
  {
    digits: '86', suffix: '91', scenario: 'noData', providers: ['truid'],
    meaning: 'the operator may not share what it knows (`mno_no_data_available`)',
  },
  {
    digits: '87', suffix: '91', scenario: 'otherAddress', providers: ['truid'],
    meaning: 'the URL is opened from another address than announced (`ip_mismatch`)',
  },
  {
    digits: '84', suffix: '91', scenario: 'otherAuthentication', providers: ['camara'],
    meaning: '`camara.number_verification`: the token is not from the mobile network '
      + '(`USER_NOT_AUTHENTICATED_BY_MOBILE_NETWORK`)',
  },
  {
    digits: '88', suffix: '91', scenario: 'numberBlocked', providers: ['camara'],
    meaning: '`camara.sms`: the operator sends no messages to the number (`PHONE_NUMBER_BLOCKED`)',
  },
  {
    digits: '89', suffix: '91', scenario: 'tooManyCodes', providers: ['camara'],
    meaning: '`camara.sms`: too many codes were sent to the number (`MAX_OTP_CODES_EXCEEDED`)',
  },
  {
    digits: '81', suffix: '90', scenario: 'dismissed', providers: ['truecaller'],
    meaning: 'the user closes the dialog of `truecaller.web` (`flow_cancelled`)',
  },
  {
    digits: '82', suffix: '90', scenario: 'otherNumber', providers: ['truecaller'],
    meaning: 'the user wants to use another number (`use_another_number`)',
  },
  {
    digits: '81', suffix: '88', scenario: 'simChanged', providers: ['truid', 'camara'],
    meaning: 'verified, and the SIM was changed within the last day',
  },
  {
    digits: '82', suffix: '88', scenario: 'simChangedOddly', providers: ['truid'],
    meaning: 'verified, and the SIM was changed within 43201 minutes, which the vendor shows but does not list',
  },
  {
    digits: '83', suffix: '88', scenario: 'simUnknown', providers: ['truid', 'camara'],
    meaning: 'verified, and the operator says nothing about the SIM',
  },
  {
    digits: '84', suffix: '88', scenario: 'simFails', providers: ['truid', 'camara'],
    meaning: 'verified, and the call that asks about the SIM answers 5xx',
  },
  {
    digits: '85', suffix: '88', scenario: 'simNotMonitored', providers: ['camara'],
    meaning: 'verified, and the operator knows only that the SIM was not changed within the last 120 days',
  },
] as const

/** What ends the verification of an example, besides what the user and the provider do. */
export type Ending = 'cancel' | 'replace' | 'deadline'

/**
 * Every reason of the API with a number that causes it. `method`: the only method of the workflow. `again`: the second
 * verification of the number has the reason. `ending`: what the app does, or that `expiresInSeconds` passes. `blocked`
 * has no row: no policy that could forbid a verification is built.
 */
export const reasonExamples: readonly {
  reason: string, method: string, phoneNumber: string, meaning: string, ending?: Ending, again?: true,
}[] = [
  {
    reason: 'number_mismatch', method: 'truid.phone_check', phoneNumber: '+14155550101',
    meaning: 'the SIM has another number',
  },
  {
    reason: 'user_rejected', method: 'truecaller.web', phoneNumber: '+14155550190', meaning: 'the user refuses',
  },
  {
    reason: 'code_attempts_exhausted', method: 'otpless.otp', phoneNumber: '+14155550101',
    meaning: 'no code is correct; submit five',
  },
  {
    reason: 'app_not_installed', method: 'truecaller.web', phoneNumber: '+14155550191',
    meaning: 'the deep link opens nothing, and the front end says so with `next`',
  },
  {
    reason: 'not_on_cellular', method: 'truid.phone_check', phoneNumber: '+14155581191',
    meaning: 'the phone is on Wi-Fi',
  },
  {
    reason: 'carrier_unsupported', method: 'truid.phone_check', phoneNumber: '+14155550191',
    meaning: 'the operator does not take part',
  },
  {
    reason: 'number_not_registered', method: 'truecaller.push', phoneNumber: '+14155550191',
    meaning: 'the number has no Truecaller account',
  },
  {
    reason: 'device_mismatch', method: 'truid.phone_check', phoneNumber: '+14155582191',
    meaning: 'another phone opens the URL',
  },
  {
    reason: 'recently_tried', method: 'truecaller.push', phoneNumber: '+14155550100', again: true,
    meaning: 'a second verification of the number within five minutes',
  },
  {
    reason: 'attempt_timeout', method: 'truecaller.push', phoneNumber: '+14155550192', meaning: 'nobody answers',
  },
  {
    reason: 'abandoned', method: 'truecaller.web', phoneNumber: '+14155581190', meaning: 'the user closes the dialog',
  },
  {
    reason: 'evidence_invalid', method: 'otpless.token', phoneNumber: '+14155581199',
    meaning: 'OTPLESS does not know the token',
  },
  {
    reason: 'evidence_expired', method: 'otpless.token', phoneNumber: '+14155582199', meaning: 'the token is too old',
  },
  {
    reason: 'provider_timeout', method: 'otpless.otp', phoneNumber: '+14155583196',
    meaning: 'OTPLESS never answers; the attempt has the reason',
  },
  {
    reason: 'provider_error', method: 'truid.phone_check', phoneNumber: '+14155550199',
    meaning: 'the operator fails; the attempt has the reason',
  },
  {
    reason: 'provider_bad_response', method: 'truecaller.push', phoneNumber: '+14155550198',
    meaning: 'Truecaller\'s answer makes no sense; the attempt has the reason',
  },
  {
    reason: 'rate_limited_by_provider', method: 'truid.phone_check', phoneNumber: '+14155581196',
    meaning: 'tru.ID answers 429; the attempt has the reason',
  },
  {
    reason: 'provider_misconfigured', method: 'otpless.otp', phoneNumber: '+14155582196',
    meaning: 'OTPLESS rejects the credentials; the attempt has the reason',
  },
  {
    reason: 'provider_unavailable', method: 'otpless.otp', phoneNumber: '+14155550196',
    meaning: 'the last method fails on the provider\'s side',
  },
  {
    reason: 'deadline', method: 'otpless.otp', phoneNumber: '+14155550192', ending: 'deadline',
    meaning: 'nobody answers before `expiresAt`',
  },
  {
    reason: 'app_canceled', method: 'otpless.otp', phoneNumber: '+14155550102', ending: 'cancel',
    meaning: 'the app calls `cancel`',
  },
  {
    reason: 'superseded', method: 'otpless.otp', phoneNumber: '+14155550104', ending: 'replace',
    meaning: 'the app creates another one of the number with `onConflict: "replace"`',
  },
]

/**
 * The scenario of a number with a provider: E.164 digits with or without `+`, as a string or a JSON number. With the
 * providers that the third-last digit excludes, every number is verified.
 */
export function scenarioOf (phoneNumber: string | number, provider: string): Scenario {
  const digits = String(phoneNumber)
  if (!concerns(digits.at(-3), provider)) return 'verified'
  const suffix = digits.slice(-2)
  const variant = variants.find(row => row.suffix === suffix && digits.slice(-5, -3) === row.digits)
  if (variant?.providers.some(one => one === provider)) return variant.scenario
  const row = scenarios.find(row => row.suffix === suffix)
  return row?.scenario ?? (Number(digits.at(-1)) % 2 === 1 ? 'mismatch' : 'verified')
}

function concerns (digit: string | undefined, provider: string): boolean {
  const limit = limits.find(row => row.digit === digit)
  if (limit === undefined) return true
  return limit.provider === null ? !limits.some(row => row.provider === provider) : limit.provider === provider
}

/** The digits (without `+`) that a provider proves for a number: its own; for `mismatch`, those of another number. */
export function provenDigits (phoneNumber: string | number, provider: string): string {
  const digits = String(phoneNumber).replace('+', '')
  if (scenarioOf(digits, provider) !== 'mismatch') return digits
  return `${digits.slice(0, -1)}${(Number(digits.at(-1)) + 1) % 10}`
}
