import t from 'tap'
import { Webhook } from 'standardwebhooks'
import { signWebhook } from '../../src/webhooks/signature.ts'
import { ask, start } from './receiver.ts'

t.test('webhooks are kept with their headers and exact bodies, for each verification', async t => {
  const { simulators: { webhook: { url, secret }, requests } } = await start(t, { now: () => 0 })
  const bodies = [
    '{"type":"verification.created", "data":{"id":"ver_1"}}', '{"type":"test"}', 'not JSON', '',
  ]
  for (const [index, body] of bodies.entries()) {
    const headers = signWebhook({ webhookId: `msg_${index}`, body, secrets: [secret], now: Date.now() })
    t.equal((await ask(url, 'POST', { ...headers, 'content-type': 'application/json' }, body)).status, 204)
  }
  const list = async (query = '') => (await ask(`${url}${query}`, 'GET')).json['data'] as {
    body: string, headers: Record<string, string>, receivedAt: string, verificationId: string | null
  }[]
  const all = await list()
  t.strictSame(all.map(({ body }) => body), bodies)
  t.strictSame(all.map(({ verificationId }) => verificationId), ['ver_1', null, null, null])
  t.strictSame((await list('?verificationId=ver_1')).map(({ body }) => body), bodies.slice(0, 1))
  t.strictSame(await list('?verificationId=ver_2'), [])
  t.equal(all[0]?.receivedAt, '1970-01-01T00:00:00.000Z')
  t.same(new Webhook(secret).verify(bodies[0] ?? '', all[0]?.headers ?? {}), JSON.parse(bodies[0] ?? ''))
  t.strictSame(requests, [], 'no provider received them')
})

t.test('the latest 200 are kept', async t => {
  const { simulators: { webhook: { url } } } = await start(t)
  for (let index = 0; index < 201; index += 1) await ask(url, 'POST', {}, `{"data":{"id":"ver_${index}"}}`)
  const { data } = (await ask(url, 'GET')).json as { data: { verificationId: string }[] }
  t.equal(data.length, 200)
  t.equal(data[0]?.verificationId, 'ver_1')
})
