import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { runProviderTest } from '../src/provider-test.ts'
import { openVendor } from '../src/conformance/index.ts'

const entry = {
  name: 'acme', channel: 'sms',
  request: {
    url: '${env:ACME_URL}/messages?key=${env:ACME_KEY}',
    headers: { authorization: 'Basic user:${env:ACME_TOKEN}' },
    body: { to: '{phoneNumber}', text: '{text}', callback: '{callbackUrl}' },
  },
  accepted: { status: [202], id: '/id' },
  refused: [{ status: 400, match: { '/code': 1 }, reason: 'number_not_registered' }],
  text: { default: '{code} is your code for {app}', de: '{code} ist Ihr Code für {app}' },
}
const secrets = ['hunter2', 'k/y', 'k%2Fy', Buffer.from('user:hunter2').toString('base64')]

async function open (t: Test, entries: unknown[] = [entry]) {
  const folder = await mkdtemp(join(tmpdir(), 'verigate-test-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const file = join(folder, 'providers.json')
  await writeFile(file, JSON.stringify(entries))
  const vendor = await openVendor(t, () => ({ status: 202, body: { id: 'm-1' } }))
  const environment = {
    PROVIDERS_FILE: file, ACME_URL: vendor.origin, ACME_TOKEN: 'hunter2', ACME_KEY: 'k/y',
    ALLOW_INSECURE_PROVIDERS: 'true',
  }
  const run = async (args: string[], more: Record<string, string> = {}) => {
    let text = ''
    const code = await runProviderTest({ ...environment, ...more }, args, part => { text += part })
    for (const secret of secrets) t.notOk(text.includes(secret), `no ${secret}`)
    return { code, text }
  }
  return { vendor, run, file }
}

t.test('the request is shown with the names of secrets, and not sent', async t => {
  const { vendor, run } = await open(t)
  const { code, text } = await run(['acme', '+491701234567', '--locale', 'de', '--host', 'shop.example'])
  t.equal(code, 0)
  t.match(text, `POST *ACME_URL*/messages?key=*ACME_KEY*\nhost: ${vendor.host}`)
  t.match(text, 'authorization: Basic user:*ACME_TOKEN* (as base64)')
  t.match(text, /"to": "\+491701234567"/)
  t.match(text, /"text": "\d{6} ist Ihr Code für Shop\\n\\n@shop\.example #\d{6}"/)
  t.match(text, /"callback": "https:\/\/verify\.example\.com\/callbacks\/acme\/(test){12}"/)
  t.match(text, /\nText: \d\d characters, GSM-7, 1 part\nNot sent\./)
  t.strictSame(vendor.calls, [])
})

t.test('with --send the answer is shown without secrets, and what it is read as', async t => {
  const { vendor, run } = await open(t)
  const args = ['acme.sms', '+491701234567', '--send']
  t.match(await run(args), { code: 0, text: /Answer: 202\n\{\n  "id": "m-1"\n\}\nRead as: accepted, id m-1\n$/ })
  t.match(vendor.calls, [{ path: '/messages?key=k%2Fy', body: { text: /^\d{6} is your code for Shop$/ } }])
  const basic = secrets[3]
  vendor.answer = () => ({ status: 400, body: { code: 1, echo: ['hunter2', 'x k/y', 'k%2Fy', `Basic ${basic}`] } })
  t.match(await run(args), { code: 1, text: /"\*ACME_TOKEN\*"[^]*Read as: number_not_registered\n$/ })
  vendor.answer = () => ({ status: 200, body: 'OK' })
  t.match(await run(args), { code: 1, text: /not JSON: OK\nRead as: provider_bad_response: neither accepted nor / })
  vendor.answer = () => ({ status: 202, body: {} })
  t.match(await run(args), { code: 1, text: /means, or there is no id at \/id\n$/ })
  vendor.answer = () => ({ status: 503, body: { message: 'hunter2' } })
  t.match(await run(args), { code: 1, text: /Answer: 503.*\nRead as: provider_error\n$/ })
  t.match(await run(args, { ACME_URL: 'http://127.0.0.1:1' }), { code: 1, text: /Read as: provider_error\n$/ })
})

t.test('an error names what is wrong', async t => {
  const { run, file } = await open(t, [{ ...entry, codeLength: 1 }, { ...entry, name: 'ACME' }])
  t.match(await run([]), { code: 1, text: /npm run provider:test -- <name> <phone number>/ })
  t.match(await run(['acme', '12']), { code: 1, text: /E\.164/ })
  t.match(await run(['acme', '+491701234567']), {
    code: 1, text: /^PROVIDERS_FILE\/0\/codeLength must[^]*\nPROVIDERS_FILE\/1\/name must/,
  })
  t.match(await run(['acme', '+491701234567'], { PROVIDERS_FILE: '/nowhere' }), {
    code: 1, text: 'PROVIDERS_FILE cannot be read: ENOENT\n',
  })
  await writeFile(file, JSON.stringify([entry]))
  t.match(await run(['north', '+491701234567']), { code: 1, text: 'The file has no provider north. It has: acme.\n' })
  await writeFile(file, JSON.stringify([{ ...entry, request: { ...entry.request, url: '${env:SEAL_KEYS}/x' } }]))
  t.match(await run(['acme', '+491701234567']), { code: 1, text: /SEAL_KEYS: it is one of Verigate's own/ })
})
