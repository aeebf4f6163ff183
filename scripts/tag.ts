import { readConfig } from '../src/config.ts'
import { parsePhoneNumber } from '../src/phone.ts'
import { createSealer } from '../src/store/sealing.ts'

/**
 * The `numberTag`s by which the log knows a number, those of the first key of `SEAL_KEYS` first; older keys wrote older
 * lines.
 * Throws an `Error` that shows neither number nor key.
 */
export function tagsOf (
  phoneNumber: string, { SEAL_KEYS, SANDBOX }: Readonly<Record<string, string | undefined>>,
): string[] {
  const parsed = parsePhoneNumber(phoneNumber)
  if (parsed === null) throw new Error('Give one number in E.164 form: npm run tag -- +14155550100')
  const { sealKeys } = readConfig({ SEAL_KEYS, SANDBOX, PUBLIC_URL: 'http://localhost', APPS_FILE: 'none' })
  return createSealer(sealKeys).keyedHashes('place', parsed.number)
}

if (import.meta.main) {
  try {
    for (const tag of tagsOf(process.argv[2] ?? '', process.env)) console.log(tag)
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
    process.exitCode = 1
  }
}
