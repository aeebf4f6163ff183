import { getCountries, getCountryCallingCode, parsePhoneNumberFromString, PhoneNumber } from 'libphonenumber-js/core'
// The smaller sets do not know every type. This one takes 0.4 MB more memory, and no time more to load or parse.
import metadata from 'libphonenumber-js/max/metadata'

const globalCallingCodes = ['800', '808', '870', '878', '881', '882', '883', '888', '979']
/** ISO 3166-1 alpha-2 of every country that has numbers. */
export const countries: ReadonlySet<string> = new Set(getCountries(metadata))
const callingCodes = new Set<string>(
  [...getCountries(metadata).map(country => getCountryCallingCode(country, metadata)), ...globalCallingCodes],
)

/**
 * Reads strict E.164: `+` and digits, of a length that the calling code allows. Does not check that the number is
 * assigned, so ranges reserved for fiction pass. `country` (ISO 3166-1 alpha-2) is null when several countries share
 * the calling code and the range belongs to none of them. Null: not a number.
 */
export function parsePhoneNumber (text: string): { number: string, country: string | null } | null {
  if (!/^\+[1-9][0-9]{5,14}$/.test(text)) return null
  const parsed = parsePhoneNumberFromString(text, metadata)
  // When the library rewrites a number (a trunk 0 after the calling code), it is a second spelling of another one.
  if (parsed === undefined || parsed.number !== text || !parsed.isPossible()) return null
  return { number: text, country: parsed.country ?? null }
}

const specialTypes = {
  PREMIUM_RATE: 'premium_rate', SHARED_COST: 'shared_cost', TOLL_FREE: 'toll_free', UAN: 'uan', PAGER: 'pager',
  VOICEMAIL: 'voicemail',
} as const

/**
 * What kind of number this is, if it is not one of a person's own phone. `satellite`: of a global calling code, which
 * belongs to satellites and other networks without a country.
 */
export function specialTypeOf (number: string): typeof specialTypes[keyof typeof specialTypes] | 'satellite' | null {
  const parsed = new PhoneNumber(number, metadata)
  const type = parsed.getType()
  if (type !== undefined && Object.hasOwn(specialTypes, type)) return specialTypes[type as keyof typeof specialTypes]
  return parsed.isNonGeographic() ? 'satellite' : null
}

/** What may stand between the digits of a number: blanks, direction marks, dashes, dots, brackets. */
const separators = /[\s\p{Cf}\p{Pd}().]/gu

/**
 * Numbers that a country has lengthened or shortened: what they were, and what they are. No number of today matches.
 */
const formerPlans: readonly [RegExp, string][] = [
  // Ivory Coast, 2021: two digits of the operator before the former eight. Mobile Moov, MTN, Orange; fixed the same.
  [/^\+225(0[1-3]\d{6}|[457][0-3]\d{6})$/, '+22501$1'],
  [/^\+225([04-9][4-6]\d{6})$/, '+22505$1'],
  [/^\+225((?:0|[4-8])[7-9]\d{6}|9[78]\d{6})$/, '+22507$1'],
  [/^\+225((?:2[0-4]|3[0-6])8\d{5})$/, '+22521$1'],
  [/^\+225((?:2[0-4]|3[0-6])0\d{5})$/, '+22525$1'],
  [/^\+225((?:2[0-4]|3[0-6])[1-79]\d{5})$/, '+22527$1'],
  // Benin, 2024: 01 before the former eight digits.
  [/^\+229([2-9]\d{7})$/, '+22901$1'],
  // Mexico, 2019: no 1 before a mobile number, and no national prefix.
  [/^\+52(?:1|01|04[45])([2-9]\d{9})$/, '+52$1'],
  // Brazil, 2012 to 2016: a 9 before a mobile number. Eight digits that begin with 7 may be a radio's, which has no 9.
  [/^\+55(?<area>[1-9]{2})(?<rest>[689]\d{7})$/, '+55$<area>9$<rest>'],
]

/** A provider's list is not read further than this. */
const maxListed = 64

/**
 * Reads a phone number in a provider's message: a text or a number with the calling code, with `+`, `00` or neither,
 * with separators, with a trunk prefix after the calling code, or of a former numbering plan. Returns `expected` when
 * it is the same number, so that numbers can be compared as texts; otherwise the E.164 number of today's plan, or null
 * when it cannot be read. A number without its calling code cannot: no country is guessed.
 */
export function readPhoneNumber (value: unknown, expected: string | null): string | null {
  const number = toCurrentNumber(value)
  return number !== null && expected !== null && number === toCurrentNumber(expected) ? expected : number
}

/** The number of a provider's list that is `expected`; otherwise the first that can be read, or null. */
export function findPhoneNumber (values: readonly unknown[], expected: string | null): string | null {
  const numbers = values.slice(0, maxListed).map(value => readPhoneNumber(value, expected))
  return numbers.find(number => number !== null && number === expected) ?? numbers.find(number => number !== null)
    ?? null
}

/** Two spellings of one number give the same text; every number of a current plan gives itself. */
function toCurrentNumber (value: unknown): string | null {
  const text = typeof value === 'number' && Number.isSafeInteger(value) && value > 0 ? String(value) : value
  if (typeof text !== 'string') return null
  const digits = /^(?:\+|00|\+00)?([1-9]\d{5,16})$/.exec(text.replaceAll(separators, ''))?.[1]
  // The library drops a trunk prefix.
  const number = digits === undefined ? undefined : parsePhoneNumberFromString(`+${digits}`, metadata)?.number
  if (number === undefined) return null
  const [former, current] = formerPlans.find(([pattern]) => pattern.test(number)) ?? []
  const today = former === undefined || current === undefined ? number : number.replace(former, current)
  return parsePhoneNumber(today)?.number ?? null
}

/** E.164 without the `+`. */
export function digitsOf (number: string): string {
  return number.replace(/^\+/, '')
}

/** The calling code of an E.164 number, without `+`; '' when it has none. */
export function callingCodeOf (number: string): string {
  const digits = digitsOf(number)
  return [1, 2, 3].map(length => digits.slice(0, length)).find(start => callingCodes.has(start)) ?? ''
}

/** Keeps the calling code and the last two digits: `+1********00`. */
export function maskPhoneNumber (number: string): string {
  const digits = digitsOf(number)
  const code = callingCodeOf(number)
  return `+${code}${'*'.repeat(Math.max(0, digits.length - code.length - 2))}${digits.slice(-2)}`
}
