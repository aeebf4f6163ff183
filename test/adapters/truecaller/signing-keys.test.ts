import { generateKeyPairSync } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { createSigningKeys, readKeys } from '../../../src/adapters/truecaller/signing-keys.ts'
import { openIo, openVendor } from '../../../src/conformance/index.ts'
import { createSigner, spkiOf } from './signer.ts'

const [one, two] = [createSigner(), createSigner()]

t.test('RSA keys are read, and others are ignored', async t => {
  t.equal(readKeys([one.key, two.key]).length, 2)
  const spkiWith = (pair: { publicKey: Parameters<typeof spkiOf>[0] }) => spkiOf(pair.publicKey)
  const others = [
    { keyType: 'RSA', key: spkiWith(generateKeyPairSync('rsa', { modulusLength: 512 })) },
    { keyType: 'RSA', key: spkiWith(generateKeyPairSync('rsa-pss', { modulusLength: 1024 })) },
    { keyType: 'RSA', key: spkiWith(generateKeyPairSync('ed25519')) },
    { keyType: 'EC', key: one.key.key }, { keyType: 'RSA' }, { keyType: 'RSA', key: 'x' }, { keyType: 'RSA', key: '' },
    { keyType: 'RSA', key: 1 }, null, 'x', [], one.key.key,
  ]
  t.equal(readKeys(others).length, 0)
  t.equal(readKeys([...others, one.key]).length, 1, 'beside a good one')
  const alike = [{ key: one.key.key, more: 1 }, { ...one.key, keyType: 'rsa' }, { ...one.key, keyType: null }]
  t.equal(readKeys(alike).length, 3)
  for (const body of [undefined, null, {}, 'x', one.key, { keys: [one.key] }]) t.strictSame(readKeys(body), [])
  t.equal(readKeys(Array.from({ length: 1000 }, () => one.key)).length, 16)
})

t.test('a signature is good by any of the keys', async t => {
  const vendor = await openVendor(t, () => ({ body: [null, two.key, one.key] }))
  const { openHttp, now } = openIo(t)
  const isSigned = createSigningKeys({ apiUrl: vendor.origin, http: openHttp('truecaller', [vendor.host]), now })
  const check = (text: string, signature: string) =>
    isSigned({ texts: [text], signature: Buffer.from(signature, 'base64') }, 0)
  t.equal(await check('abcd', one.signText('abcd')), true)
  t.equal(await check('abcd', two.signText('abcd')), true)
  t.equal(await check('abce', two.signText('abcd')), false)
  t.equal(await check('abcd', createSigner().signText('abcd')), false)
  t.equal(await check('abcd', ''), false)
  const either = await isSigned({ texts: ['x', 'abcd'], signature: Buffer.from(one.signText('abcd'), 'base64') }, 0)
  t.equal(either, true, 'of any spelling')
  t.equal(vendor.calls.length, 1)
})

/** `csharp/TrueProfile/Program.cs` of github.com/truecaller/backend-sdk-validation. It names a person: no copy here. */
const contracts = process.env['CONTRACTS_DIR'] ?? join(import.meta.dirname, '../../../../shared/contracts')
const sample = join(contracts, 'truecaller/Program.cs')

t.test('the signature that Truecaller published', {
  skip: existsSync(sample) ? false : 'no truecaller/Program.cs in CONTRACTS_DIR',
}, async t => {
  const text = readFileSync(sample, 'utf8')
  const find = (name: string): string => new RegExp(`string ${name} = "([^"]+)"`).exec(text)?.[1] ?? ''
  const [payload, signature, key] = [find('payload'), find('signature'), find('publicKey')]
  const vendor = await openVendor(t, () => ({ body: [{ keyType: 'RSA', key }] }))
  const { openHttp, now } = openIo(t)
  const isSigned = createSigningKeys({ apiUrl: vendor.origin, http: openHttp('truecaller', [vendor.host]), now })
  const check = (text: string) => isSigned({ texts: [text], signature: Buffer.from(signature, 'base64') }, 0)
  t.equal(await check(payload), true)
  t.equal(await check(Buffer.from(payload, 'base64').toString()), false, 'what it contains is not what was signed')
  t.equal(await check(`${payload}A`), false)
})
