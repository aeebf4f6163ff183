/** What a simulated provider does about one number. */
export type Scenario = (typeof scenarios)[number]['scenario']

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

/** The scenario of a number: E.164 digits with or without `+`, as a string or a JSON number. */
export function scenarioOf (phoneNumber: string | number): Scenario {
  const digits = String(phoneNumber)
  const row = scenarios.find(({ suffix }) => digits.endsWith(suffix))
  return row?.scenario ?? (Number(digits.at(-1)) % 2 === 1 ? 'mismatch' : 'verified')
}

/** The digits (without `+`) that a provider proves for a number: its own; for `mismatch`, those of another number. */
export function provenDigits (phoneNumber: string | number): string {
  const digits = String(phoneNumber).replace('+', '')
  return scenarioOf(digits) === 'mismatch' ? `${digits.slice(0, -1)}${(Number(digits.at(-1)) + 1) % 10}` : digits
}
