import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { Callback } from '../../../src/adapters/adapter.ts'
import { refuseReport } from '../../../src/adapters/telegram/wire.ts'
import { callbackUrl } from '../../../src/conformance/index.ts'
import { delivery, report, token } from './documented.ts'

/** `telegram-gateway-verification` of PyPI, by another author: it checks the signatures of reports. */
const check = `
import base64, json, sys
from telegram_gateway_verification import verify_callback_signature
print(json.dumps([verify_callback_signature(
  api_token=one["token"], timestamp_header=one["time"], signature_header=one["signature"],
  raw_body=base64.b64decode(one["body"]), now=one["now"]) for one in json.load(sys.stdin)]))
`
const name = 'telegram-gateway-verification'
const own = join(process.env['VENDOR_SDK_DIR'] ?? join(import.meta.dirname, '../../..'), 'venv/bin/python3')
const python = existsSync(own) ? own : 'python3'
const isInstalled = spawnSync(python, ['-c', 'import telegram_gateway_verification'], { stdio: 'ignore' }).status === 0
const skip = !isInstalled && `${name} is not installed for ${python}; VENDOR_SDK_DIR can name a folder with a venv`

const at = Math.floor(Date.now() / 1000) * 1000
type Report = ReturnType<typeof report>
const good = report({ ...delivery('sent'), payload: 'ü "\\" \u2028 😀' }, { at })
const withHeader = (header: string, value: string): Report => (
  { ...good, headers: { ...good.headers, [header]: value } }
)
const signature = String(good.headers['x-request-signature'])
const cases: { about: string, one: Report, by?: string, now?: number, isGenuine: boolean }[] = [
  { about: 'as it was sent', one: good, isGenuine: true },
  { about: 'an empty body', one: report('', { at }), isGenuine: true },
  { about: 'after almost five minutes', one: good, now: at + 300_000, isGenuine: true },
  { about: 'after more than five minutes', one: good, now: at + 301_000, isGenuine: false },
  { about: 'from the future', one: good, now: at - 301_000, isGenuine: false },
  { about: 'of another account', one: good, by: `${token}x`, isGenuine: false },
  { about: 'another body', one: { ...good, rawBody: report(delivery('read')).rawBody }, isGenuine: false },
  { about: 'another time', one: withHeader('x-request-timestamp', String(at / 1000 + 1)), isGenuine: false },
  { about: 'no time', one: withHeader('x-request-timestamp', 'now'), isGenuine: false },
  { about: 'half a signature', one: withHeader('x-request-signature', signature.slice(0, 32)), isGenuine: false },
  { about: 'no signature', one: withHeader('x-request-signature', '0'.repeat(64)), isGenuine: false },
]

t.test('reports are genuine as Telegram documents it', async t => {
  for (const { about, one, by = token, now = at, isGenuine } of cases) {
    const callback: Callback = { ...one, url: callbackUrl }
    t.equal(refuseReport(callback, by, now) === null, isGenuine, about)
  }
})

t.test(`${name} judges every one of them like this gateway`, { skip }, async t => {
  const input = JSON.stringify(cases.map(({ one: { headers, rawBody }, by = token, now = at }) => ({
    token: by, time: headers['x-request-timestamp'], signature: headers['x-request-signature'],
    body: rawBody.toString('base64'), now: now / 1000,
  })))
  const judged: unknown = JSON.parse(execFileSync(python, ['-c', check], { input, encoding: 'utf8' }))
  t.strictSame(judged, cases.map(({ isGenuine }) => isGenuine))
})
