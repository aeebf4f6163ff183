/** What a simulated provider does about one number. */
export type Scenario = (typeof scenarios)[number]['scenario']

/**
 * The sandbox's number table: the last two digits decide, from the top; `odd` and `even` look at the last digit and
 * take what is left.
 * Where a method knows no such event, `unsupported` and `rejected` are silence; `startFails`, `repeated` and
 * `reordered` are `verified`.
 */
export const scenarios = [
  { suffix: '99', scenario: 'error', meaning: 'tru.ID ERROR; Truecaller and OTPLESS: their generic error' },
  { suffix: '98', scenario: 'malformed', meaning: 'malformed answers' },
  { suffix: '97', scenario: 'flaky', meaning: 'result calls answer 5xx twice, then well' },
  { suffix: '96', scenario: 'startFails', meaning: 'the start call answers 5xx' },
  { suffix: '95', scenario: 'reordered', meaning: 'callbacks reordered' },
  { suffix: '94', scenario: 'repeated', meaning: 'every callback three times' },
  { suffix: '93', scenario: 'slow', meaning: 'slow: callback after 20 s' },
  { suffix: '92', scenario: 'silent', meaning: 'silence: nothing ever comes' },
  { suffix: '91', scenario: 'unsupported', meaning: 'not possible for this number' },
  { suffix: '90', scenario: 'rejected', meaning: 'the user says no; where a method has no such event: silence' },
  { suffix: 'odd', scenario: 'mismatch', meaning: 'another number is proven; OTP: the code is never right' },
  { suffix: 'even', scenario: 'verified', meaning: 'verified' }
] as const

/** The scenario of a number: E.164 digits with or without `+`, as string or JSON number. */
export function scenarioOf(phoneNumber: string | number): Scenario {
  const digits = String(phoneNumber)
  const row = scenarios.find(({ suffix }) => digits.endsWith(suffix))
  return row?.scenario ?? (Number(digits.at(-1)) % 2 === 1 ? 'mismatch' : 'verified')
}

/** The digits (no `+`) that a provider proves for a number: its own, or under `mismatch` those of a neighbour. */
export function provenDigits(phoneNumber: string | number): string {
  const digits = String(phoneNumber).replace('+', '')
  return scenarioOf(digits) === 'mismatch' ? `${digits.slice(0, -1)}${(Number(digits.at(-1)) + 1) % 10}` : digits
}
