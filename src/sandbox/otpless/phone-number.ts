import { parsePhoneNumberFromString } from 'libphonenumber-js/core'
import metadata from 'libphonenumber-js/max/metadata'

/** With the country code, as calls with a message want it; the others want it without `+`. */
export const withPlus = '^\\+[1-9][0-9]{6,14}$'
export const withoutPlus = '^[1-9][0-9]{6,14}$'

/**
 * The national number, the calling code with `+`, and the country. A number of no calling code is national as a whole.
 */
export function splitNumber (digits: string): { phoneNumber: string, countryCode: string, country: string | null } {
  const parsed = parsePhoneNumberFromString(`+${digits}`, metadata)
  if (parsed === undefined) return { phoneNumber: digits, countryCode: '', country: null }
  const { nationalNumber, countryCallingCode, country = null } = parsed
  return { phoneNumber: nationalNumber, countryCode: `+${countryCallingCode}`, country }
}
