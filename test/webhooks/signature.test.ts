import { Webhook as Official } from 'standardwebhooks'
import t from 'tap'
import { signWebhook, type Signed } from '../../src/webhooks/signature.ts'

const secretOf = (byte: number, length = 32): string => `whsec_${Buffer.alloc(length, byte).toString('base64')}`
const [current, next] = [secretOf(1, 24), secretOf(2, 64)]
const body = '{"type":"verification.verified","data":{"name":"Zoë ☎"}}'
const content = (more: Partial<Signed> = {}): Signed =>
  ({ secrets: [current], webhookId: 'msg_1_5', body, now: Date.now(), ...more })

t.test('the official package verifies the signature', async t => {
  const headers = signWebhook(content())
  t.strictSame(new Official(current).verify(body, headers), JSON.parse(body))
  t.match(signWebhook(content({ now: 1_700_000_000_999 })), {
    'webhook-id': 'msg_1_5', 'webhook-timestamp': '1700000000', 'webhook-signature': /^v1,[A-Za-z0-9+/]{43}=$/,
  })
  t.throws(() => new Official(next).verify(body, headers), 'another secret')
  t.throws(() => new Official(current).verify(`${body} `, headers), 'another body')
  t.throws(() => new Official(current).verify(body, { ...headers, 'webhook-id': 'msg_1_6' }), 'another id')
  const old = signWebhook(content({ now: Date.now() - 301_000 }))
  t.throws(() => new Official(current).verify(body, old), 'an old timestamp')
})

t.test('during a rotation both secrets verify the webhook', async t => {
  const headers = signWebhook(content({ secrets: [next, current] }))
  t.match(headers['webhook-signature'], /^v1,\S+ v1,\S+$/)
  for (const secret of [current, next]) t.ok(new Official(secret).verify(body, headers))
})

t.test('an invalid secret signs nothing', async t => {
  for (const secret of ['', 'whsec_', current.slice(6), secretOf(1, 23)]) {
    t.throws(() => signWebhook(content({ secrets: [current, secret] })), { message: 'not a webhook secret' })
  }
})
