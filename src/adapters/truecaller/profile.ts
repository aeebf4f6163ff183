import type { Profile } from '../../core/vocabulary.ts'
import { readList, readText, type Members } from '../message.ts'

const maxText = 1024

/**
 * The parts of a profile, from wherever a message has them. `name` has `first` and `last`; an address has
 * `countryCode`, `city`, `street` and `zipcode`. What cannot be read is left out.
 */
export type ProfileParts = {
  [name in 'email' | 'gender' | 'avatarUrl' | 'company' | 'jobTitle' | 'about' | 'url']?: unknown
} & {
  name: Members
  addresses?: Members[]
  badges?: unknown
}

/** Undefined: nothing of it is known. */
export function toProfile ({ name, addresses = [], badges, ...texts }: ProfileParts): Profile | undefined {
  const profile: Profile = readTexts(texts, ['email', 'gender', 'avatarUrl', 'company', 'jobTitle', 'about', 'url'])
  const names = readTexts(name, ['first', 'last'])
  const places = addresses.map(address => readTexts(address, ['countryCode', 'city', 'street', 'zipcode']))
    .filter(address => Object.keys(address).length > 0)
  const shown = readList(badges, 10).map(badge => readText(badge, maxText)).filter(badge => badge !== null)
  if (Object.keys(names).length > 0) profile.name = names
  if (places.length > 0) profile.addresses = places
  if (shown.length > 0) profile.badges = shown
  return Object.keys(profile).length > 0 ? profile : undefined
}

function readTexts<Name extends string> (from: Members, names: readonly Name[]): { [name in Name]?: string } {
  const texts: { [name in Name]?: string } = {}
  for (const name of names) {
    const text = readText(from[name], maxText)
    if (text !== null) texts[name] = text
  }
  return texts
}
