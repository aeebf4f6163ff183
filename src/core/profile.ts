import type { Profile } from './vocabulary.ts'

/** Control characters, halves of surrogate pairs, and characters that change the direction of the text around them. */
const unsafe = /[\p{Cc}\p{Cs}\u202a-\u202e\u2066-\u2069]/gu

/**
 * A profile that pages and logs of an app can show: users write their profiles at the provider. Unsafe characters are
 * dropped, URLs are https, and what is empty then is absent. Null: nothing is left.
 */
export function cleanProfile (profile: Profile): Profile | null {
  const { name, addresses, badges, avatarUrl, url, ...texts } = profile
  const cleaned: Profile = { ...cleanTexts(texts), ...cleanUrls({ avatarUrl, url }) }
  const cleanedName = cleanTexts(name ?? {})
  const cleanedAddresses = (addresses ?? []).map(cleanTexts).filter(isNotEmpty)
  const cleanedBadges = (badges ?? []).map(cleanText).filter(badge => badge !== '')
  if (isNotEmpty(cleanedName)) cleaned.name = cleanedName
  if (cleanedAddresses.length > 0) cleaned.addresses = cleanedAddresses
  if (cleanedBadges.length > 0) cleaned.badges = cleanedBadges
  return isNotEmpty(cleaned) ? cleaned : null
}

const cleanText = (text: string): string => text.replace(unsafe, '').trim()

const isNotEmpty = (value: object): boolean => Object.keys(value).length > 0

type Texts<Name extends string> = { [name in Name]?: string | undefined }

function cleanTexts<Name extends string> (texts: Texts<Name>): { [name in Name]?: string } {
  return mapTexts(texts, text => cleanText(text))
}

function cleanUrls<Name extends string> (texts: Texts<Name>): { [name in Name]?: string } {
  return mapTexts(texts, dirty => {
    const text = cleanText(dirty)
    const url = URL.parse(text)
    if (url?.protocol !== 'https:' || url.username !== '' || url.password !== '') return ''
    // In its canonical form, except that an origin may stay without its `/`.
    return url.href === `${text}/` ? text : url.href
  })
}

/** Leaves out what is absent or becomes empty. */
function mapTexts<Name extends string> (
  texts: Texts<Name>, map: (text: string) => string,
): { [name in Name]?: string } {
  const mapped: { [name in Name]?: string } = {}
  for (const name in texts) {
    const text = map(texts[name] ?? '')
    if (text !== '') mapped[name] = text
  }
  return mapped
}
