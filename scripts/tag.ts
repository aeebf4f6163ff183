import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { parseArgs, parseEnv } from 'node:util'
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
    throw new Error('This is neither a number in E.164 form, such as +14155550100, nor an IP address.')
  }
  const { sealKeys } = readConfig({
    SEAL_KEYS, SEAL_KEYS_FILE, SANDBOX, PUBLIC_URL: 'http://localhost', APPS_FILE: 'none',
  })
  const { keyedHashes } = createSealer(sealKeys)
  return number === undefined ? keyedHashes('address', networkOf(text)) : keyedHashes('place', number)
}

/** The environment, and below it that of `--env-file`: a key on the command line would be in the shell's history. */
if (import.meta.main) {
  try {
    const { values: { 'env-file': file }, positionals: [text] } = parseArgs({
      allowPositionals: true, options: { 'env-file': { type: 'string' } },
    })
    const environment = { ...file === undefined ? {} : parseEnv(readFileSync(file, 'utf8')), ...process.env }
    if (text === undefined) process.stderr.write('Numbers or IP addresses, one a line:\n')
    const lines = text === undefined ? createInterface({ input: process.stdin }) : [text]
    for await (const line of lines) for (const tag of tagsOf(line.trim(), environment)) console.log(tag)
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
    process.exitCode = 1
  }
}
