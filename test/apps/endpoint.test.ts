import t from 'tap'
import { readSecret, readWebhookUrl } from '../../src/apps/endpoint.ts'

const secretOf = (byte: number, length = 32): string => `whsec_${Buffer.alloc(length, byte).toString('base64')}`

t.test('webhook secrets', async t => {
  const valid = secretOf(1, 24)
  for (const secret of [valid, secretOf(2, 64), secretOf(3)]) {
    t.equal(readSecret(secret)?.export().toString('base64'), secret.slice('whsec_'.length))
  }
  t.equal(readSecret(valid), readSecret(valid), 'the key is cached')
  const invalid = [
    '', 'whsec_', valid.slice(6), secretOf(1, 23), secretOf(1, 65), `${valid}=`, valid.replace('_', '-'), ` ${valid}`,
    'whsec_***', `whsec_${Buffer.alloc(32, 255).toString('base64url')}`,
  ]
  for (const secret of invalid) t.equal(readSecret(secret), null, secret)
})

t.test('webhook URLs', async t => {
  for (const url of ['https://shop.example/hooks?token=t', 'http://10.0.0.7:8080/hooks']) {
    t.equal(readWebhookUrl(url)?.href, url)
  }
  const invalid = [
    '', 'not a url', 'ftp://127.0.0.1/', 'file:///etc/passwd', 'http://user@127.0.0.1/', 'https://:password@127.0.0.1/',
  ]
  for (const url of invalid) t.equal(readWebhookUrl(url), null, url)
})
