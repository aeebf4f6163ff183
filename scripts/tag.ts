import { readConfig } from '../src/config.ts'
import { networkOf, readAddress } from '../src/net.ts'
import { parsePhoneNumber } from '../src/phone.ts'
import { createSealer } from '../src/store/sealing.ts'

/**
 * The `numberTag`s or `addressTag`s by which the log knows a number or an IP address, those of the first key of
 * `SEAL_KEYS` first; older keys wrote older lines. Throws an `Error` that shows neither the text nor a key.
 */
export function tagsOf (
  text: string, { SEAL_KEYS, SEAL_KEYS_FILE, SANDBOX }: Readonly<Record<string, string | undefined>>,
): string[] {
  const number = parsePhoneNumber(text)?.number
  const address = readAddress(text)
  if (number === undefined && address === null) {
    throw new Error('Give one number in E.164 form, or an IP address: npm run tag -- +14155550100')
  }
  const { sealKeys } = readConfig({
    SEAL_KEYS, SEAL_KEYS_FILE, SANDBOX, PUBLIC_URL: 'http://localhost', APPS_FILE: 'none',
  })
  const { keyedHashes } = createSealer(sealKeys)
  return number === undefined ? keyedHashes('address', networkOf(text)) : keyedHashes('place', number)
}

if (import.meta.main) {
  try {
    for (const tag of tagsOf(process.argv[2] ?? '', process.env)) console.log(tag)
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
    process.exitCode = 1
  }
}
