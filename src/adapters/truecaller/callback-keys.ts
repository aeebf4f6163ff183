import { hash, timingSafeEqual } from 'node:crypto'
import type { Settings } from '../adapter.ts'

/**
 * Truecaller signs nothing, and whether a token is bound to the partner that it was granted to is not documented.
 * Without a key in the path anybody could present a token that a victim granted to another partner.
 */
export function readCallbackKeys (env: Settings, allowInsecure: boolean): string[] {
  const name = 'TRUECALLER_CALLBACK_KEY'
  if (env[name]) {
    const keys = env[name].split(',').map(key => key.trim())
    if (keys.every(key => /^[\w-]{22,128}$/.test(key))) return keys
    throw new Error(`${name} must be 22 to 128 URL-safe characters, or several such keys separated by commas`)
  }
  if (allowInsecure || env.TRUECALLER_ALLOW_UNKEYED_CALLBACKS === 'true') return []
  throw new Error(`${name} is missing: register PUBLIC_URL/callbacks/truecaller/<key> with Truecaller`)
}

/** Compares with all of them, in a time that depends on none. */
export function isOneOf (given: string, keys: readonly string[]): boolean {
  const digest = (text: string): Buffer => hash('sha256', text, 'buffer')
  return keys.reduce((found, key) => timingSafeEqual(digest(given), digest(key)) || found, false)
}
