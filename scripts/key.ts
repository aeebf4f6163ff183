import { randomBytes } from 'node:crypto'
import { hashKey, scopes, type Scope } from '../src/apps/apps.ts'

/** A new API key, and the entry of `keys` in `APPS_FILE` that makes it known; only the entry may be kept. */
export type NewKey = { key: string, entry: { sha256: string, scopes: Scope[] } }

/** What an app's server needs, unless other scopes are asked for. */
const usualScopes: readonly Scope[] = [
  'verifications:read', 'verifications:write', 'webhooks:read', 'webhooks:write', 'providers:read',
]

/**
 * 256 random bits, with a prefix that secret scanners can know it by. Throws an `Error` for a scope that does not
 * exist.
 */
export function makeKey (wanted: readonly string[]): NewKey {
  const chosen = wanted.length === 0 ? [...usualScopes] : scopes.filter(scope => wanted.includes(scope))
  const unknown = wanted.find(word => !scopes.some(scope => scope === word))
  if (unknown !== undefined) throw new Error(`${unknown} is not a scope; there are ${scopes.join(', ')}`)
  const key = `vgk_${randomBytes(32).toString('base64url')}`
  return { key, entry: { sha256: hashKey(key), scopes: chosen } }
}

if (import.meta.main) {
  try {
    const { key, entry } = makeKey(process.argv.slice(2))
    process.stdout.write(
      `API key, shown only now: give it to the app's server.\n${key}\n\n`
        + `Entry for the app's "keys" in APPS_FILE:\n${JSON.stringify(entry)}\n`,
    )
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
    process.exitCode = 1
  }
}
