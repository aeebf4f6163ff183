import t from 'tap'
import { verifyWebhook, type WebhookEvent } from '../../packages/client/src/index.ts'
import { verifications } from '../../src/api/openapi/verification-examples.ts'
import { signWebhook } from '../../src/webhooks/signature.ts'

const secretOf = (text: string): string => `whsec_${Buffer.alloc(32, text).toString('base64')}`
const [current, next] = [secretOf('current'), secretOf('next')]
const { value: data } = verifications.verifiedByFallback
const body = JSON.stringify({ type: 'verification.verified', timestamp: data.updatedAt, data })
const sign = (secrets: string[], now = Date.now()): Record<string, string> =>
  signWebhook({ secrets, webhookId: 'msg_1', body, now })

t.test('an event of the gateway', async t => {
  const event: WebhookEvent = verifyWebhook(body, sign([current]), current)
  t.equal(event.type === 'verification.verified' && event.data.result?.phoneNumber, data.result?.phoneNumber)
  t.same(verifyWebhook(Buffer.from(body), sign([current]), [current]), event, 'bytes')
  t.same(verifyWebhook(body, new Headers(sign([current])), current), event, 'headers of fetch')
  const ofNode = Object.fromEntries(Object.entries(sign([current])).map(([name, value]) => [name, [value]]))
  t.same(verifyWebhook(body, ofNode, current), event, 'headers of Node.js')
  const inCapitals = Object.fromEntries(
    Object.entries(sign([current])).map(([name, value]) => [name.toUpperCase(), value]),
  )
  t.same(verifyWebhook(body, inCapitals, current), event, 'headers as a proxy may write them')
})

t.test('while a secret is replaced, one match is enough', async t => {
  for (const [signed, known] of [
    [[current], [next, current]], [[current, next], [next]], [[next], [current, next]],
  ] as const) t.equal(verifyWebhook(body, sign([...signed]), known).type, 'verification.verified')
})

t.test('what the gateway did not sign is refused', async t => {
  const refused = { name: 'WebhookSignatureError' }
  t.throws(() => verifyWebhook(body, sign([next]), current), refused, 'another secret')
  t.throws(() => verifyWebhook(body.replace('true', 'false'), sign([current]), current), refused, 'another body')
  t.throws(() => verifyWebhook(body, sign([current], Date.now() - 301_000), current), refused, 'too old')
  t.throws(() => verifyWebhook(body, sign([current], Date.now() + 301_000), current), refused, 'too early')
  t.throws(() => verifyWebhook(body, {}, current), refused, 'no headers')
  t.throws(() => verifyWebhook(body, sign([current]), []), refused, 'no secret')
  t.throws(() => verifyWebhook(body, sign([current]), ''), /Secret/)
})
