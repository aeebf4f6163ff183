import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import t from 'tap'
import { readPrivateKey } from '../../src/adapters/settings.ts'

const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
const pem = (key: KeyObject): string => key.export({ type: 'pkcs8', format: 'pem' }).toString()
const der = (key: KeyObject): string => key.export({ type: 'pkcs8', format: 'der' }).toString('base64')

t.test('a private key is read from each form that an operator may have', async t => {
  const forms: { [form: string]: [string, KeyObject] } = {
    'PEM': [pem(rsa.privateKey), rsa.privateKey],
    'PEM in one line of an environment file': [pem(rsa.privateKey).replaceAll('\n', '\\n'), rsa.privateKey],
    'PEM with Windows line ends': [pem(rsa.privateKey).replaceAll('\n', '\r\n'), rsa.privateKey],
    'PEM of PKCS #1': [rsa.privateKey.export({ type: 'pkcs1', format: 'pem' }).toString(), rsa.privateKey],
    'base64 of the DER': [der(rsa.privateKey), rsa.privateKey],
    'base64 from a file that ends with a line end': [`${der(ec)}\n`, ec],
    'PEM of an elliptic curve': [pem(ec), ec],
    'PEM of Ed25519': (key => [pem(key), key] as [string, KeyObject])(generateKeyPairSync('ed25519').privateKey),
  }
  for (const [form, [text, key]] of Object.entries(forms)) {
    t.equal(readPrivateKey('ACME_PRIVATE_KEY', text).equals(key), true, form)
  }
})

t.test('what cannot sign is refused by the name of the variable, without the key', async t => {
  const encrypted = rsa.privateKey.export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'a' })
  const refused: { [what: string]: string } = {
    'a public key': rsa.publicKey.export({ type: 'spki', format: 'pem' }).toString(),
    'the DER of a public key': rsa.publicKey.export({ type: 'spki', format: 'der' }).toString('base64'),
    'a key with a passphrase': encrypted.toString(),
    'a cut key': pem(rsa.privateKey).slice(0, 400),
    'cut base64': der(rsa.privateKey).slice(0, 400),
    'a path': '/etc/keys/private.pem',
    'a short RSA key': pem(generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey),
    'a key for agreement only': pem(generateKeyPairSync('x25519').privateKey),
  }
  for (const [what, text] of Object.entries(refused)) {
    const read = (): KeyObject => readPrivateKey('ACME_PRIVATE_KEY', text)
    const error = t.throws(read, { message: /^ACME_PRIVATE_KEY must be / }, what)
    t.notMatch(String(error), text.slice(40, 80) || text, `${what}: nothing of it is in the message`)
  }
  for (const text of [undefined, '']) {
    t.throws(() => readPrivateKey('ACME_PRIVATE_KEY', text), { message: 'ACME_PRIVATE_KEY is missing' })
  }
})
