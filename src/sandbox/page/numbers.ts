import { limits, reasonExamples, scenarioOf, scenarios, variants, type Scenario } from '../scenarios.ts'

const areas = ['415', '212', '312', '206', '617', '303', '503', '702']
const pick = (list: readonly string[]): string => list[Math.floor(Math.random() * list.length)] ?? ''

/**
 * A number whose last digits cause a scenario: `suffix` two digits, `limit` the digit of the only provider that it
 * concerns, `variant` the two digits of another outcome. The rest is different each time, because a number can be asked
 * by Truecaller only every five minutes.
 */
export function numberFor (
  { suffix, limit = '0', variant }: { suffix: string, limit?: string, variant?: string | undefined },
): string {
  const free = String(Math.floor(Math.random() * 80)).padStart(2, '0')
  return `+1${pick(areas)}55${variant ?? free}${limit}${suffix}`
}

/** The number of an example, with another area code. */
export const withOtherArea = (phoneNumber: string): string => `+1${pick(areas)}${phoneNumber.slice(5)}`

/** The number of an Indian mobile with the same last digits. */
export const inIndia = (phoneNumber: string): string => `+9198765${phoneNumber.slice(-5)}`

const names: Readonly<Record<string, string>> = { truid: 'tru.ID', otpless: 'OTPLESS', camara: 'CAMARA' }
/** A provider's name for people. */
export const nameOf = (provider: string): string =>
  names[provider] ?? provider.charAt(0).toUpperCase() + provider.slice(1)
export const providerOf = (method: string): string => method.split('.', 1)[0] ?? ''

/** Without backticks: a menu cannot show code. */
const plain = (text: string): string => text.replaceAll('`', '')
const meanings = new Map<Scenario, string>([...scenarios, ...variants].map(row => [row.scenario, plain(row.meaning)]))

/** The table of reasons for the menu. */
export const examples = reasonExamples.map(example => ({ ...example, meaning: plain(example.meaning) }))

/** What a number does with each provider of a workflow. */
export function describeNumber (phoneNumber: string, methods: readonly string[]): string[] {
  const providers = [...new Set(methods.map(providerOf))]
  return providers.map(provider => `${nameOf(provider)}: ${meanings.get(scenarioOf(phoneNumber, provider)) ?? ''}`)
}

/** Every row of the table for the menu of outcomes: `suffix` and `variant` as `numberFor` takes them. */
export const outcomes = [
  ...scenarios.map(({ suffix, meaning }) => ({
    suffix: suffix === 'even' ? '00' : suffix === 'odd' ? '01' : suffix, variant: undefined, meaning: plain(meaning),
  })),
  ...variants.map(({ digits, suffix, meaning }) => ({ suffix, variant: digits, meaning: plain(meaning) })),
]

/** The row of `outcomes` that a number has, and the digit of `concerned`. */
export function outcomeOf (phoneNumber: string): { index: number, limit: string } {
  const [limit = '0', suffix, variant] = [phoneNumber.at(-3), phoneNumber.slice(-2), phoneNumber.slice(-5, -3)]
  const same = Number(suffix) % 2 === 1 ? '01' : '00'
  const find = (matches: (row: typeof outcomes[number]) => boolean): number => outcomes.findIndex(matches)
  const found = [
    find(row => row.suffix === suffix && row.variant === variant),
    find(row => row.suffix === suffix && row.variant === undefined), find(row => row.suffix === same),
  ]
  const isKnown = limits.some(({ digit }) => digit === limit)
  return { index: found.find(index => index >= 0) ?? 0, limit: isKnown ? limit : '0' }
}

export const concerned = [{ digit: '0', meaning: 'every provider' }, ...limits]
