import {
  type CountryCode, getCountries, getCountryCallingCode, parsePhoneNumberFromString,
} from 'libphonenumber-js/core'
import metadata from 'libphonenumber-js/max/metadata'

const countries: ReadonlySet<string> = new Set(getCountries(metadata))
const isCountry = (code: string): code is CountryCode => countries.has(code)

/** ISO 3166-1 alpha-2 of a number (digits without `+`); `US` where several countries share the calling code. */
export function countryOf (digits: string): string {
  return parsePhoneNumberFromString(`+${digits}`, metadata)?.country ?? 'US'
}

/** The calling code of a country (ISO 3166-1 alpha-2); undefined: no such country. */
export function callingCodeOf (country: string): string | undefined {
  return isCountry(country) ? getCountryCallingCode(country, metadata) : undefined
}

/** A country with this calling code; undefined: no such code. */
export function countryWith (callingCode: string): string | undefined {
  const found = metadata.country_calling_codes[callingCode]
  return found?.[0]
}
