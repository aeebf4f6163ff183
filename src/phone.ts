import { getCountries, getCountryCallingCode, parsePhoneNumberFromString } from 'libphonenumber-js/core'
import metadata from 'libphonenumber-js/min/metadata'

const globalCallingCodes = ['800', '808', '870', '878', '881', '882', '883', '888', '979']
const callingCodes = new Set<string>(
  [...getCountries(metadata).map(country => getCountryCallingCode(country, metadata)), ...globalCallingCodes],
)

/**
 * Reads strict E.164: `+`, digits, nothing else, of a length that its calling code has. Whether the number is assigned
 * is not asked, so
 * that ranges reserved for fiction pass. `country` (ISO 3166-1 alpha-2) is null where several share the calling code
 * and the range is of
 * none of them. Null: not a number.
 */
export function parsePhoneNumber (text: string): { number: string, country: string | null } | null {
  if (!/^\+[1-9][0-9]{5,14}$/.test(text)) return null
  const parsed = parsePhoneNumberFromString(text, metadata)
  // A number that the library rewrites (a trunk 0 after the calling code) is a second spelling of another one.
  if (parsed === undefined || parsed.number !== text || !parsed.isPossible()) return null
  return { number: text, country: parsed.country ?? null }
}

/**
 * Reads what providers send back: a number or a string, with or without `+`, spaces tolerated; E.164 with `+`, or null.
 * The calling code must be there: a country is never guessed.
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
