import { getCountries, getCountryCallingCode, parsePhoneNumberFromString } from 'libphonenumber-js/core'
import metadata from 'libphonenumber-js/min/metadata'

const globalCallingCodes = ['800', '808', '870', '878', '881', '882', '883', '888', '979']
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

/**
 * Reads a phone number in a provider's response: a number or a string, with or without `+`, possibly with spaces.
 * Returns E.164, or null when it is invalid. The calling code is required: this function does not guess a country.
 */
export function readPhoneNumber (value: unknown): string | null {
  if (typeof value !== 'string' && typeof value !== 'number') return null
  const digits = String(value).replaceAll(' ', '').replace(/^\+/, '')
  return parsePhoneNumber(`+${digits}`)?.number ?? null
}

/** E.164 without the `+`. */
export function digitsOf (number: string): string {
  return number.replace(/^\+/, '')
}

/** Keeps the calling code and the last two digits: `+1********00`. */
export function maskPhoneNumber (number: string): string {
  const digits = digitsOf(number)
  const code = [1, 2, 3].map(length => digits.slice(0, length)).find(start => callingCodes.has(start)) ?? ''
  return `+${code}${'*'.repeat(Math.max(0, digits.length - code.length - 2))}${digits.slice(-2)}`
}
