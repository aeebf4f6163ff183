import t, { type Test } from 'tap'
import { ask, setting, start, until, type Answer } from '../receiver.ts'

type Started = Awaited<ReturnType<typeof start>>

const send = ({ simulators, gateway }: Started, to: unknown, more: object = {}): Promise<Answer> => ask(
  `${simulators.url}/acme/messages`, 'POST',
  { 'content-type': 'application/json', authorization: `Bearer ${setting(simulators, 'ACME_TOKEN')}` },
  { to, text: '550100 is your code.', callback: `${gateway.url}/callbacks/acme/key`, ...more },
)
const idOf = ({ json }: Answer): unknown => (json['messages'] as { id: unknown }[])[0]?.id

/** What the phone with this number shows, oldest first. */
async function itemsOf ({ simulators }: Started, phoneNumber: string): Promise<Record<string, unknown>[]> {
  const query = `phoneNumber=${encodeURIComponent(phoneNumber)}`
  return (await ask(`${simulators.url}/handset/items?${query}`, 'GET')).json['data'] as Record<string, unknown>[]
}

function refused (t: Test, answer: Answer, status: number, code: number, about = ''): void {
  t.equal(answer.status, status, about)
  t.match(answer.json, { code, message: String }, about)
}

t.test('a message reaches the phone, and its receipts the callback URL', async t => {
  const started = await start(t)
  const phoneNumber = '+14155550100'
  const answer = await send(started, phoneNumber)
  t.equal(answer.status, 202)
  const id = idOf(answer)
  t.strictSame(answer.json, { messages: [{ id }] })
  t.match(id, /./)
  t.match(await itemsOf(started, phoneNumber), [{
    provider: 'acme', kind: 'message', title: 'SMS', text: '550100 is your code.', code: '550100', choices: [],
  }])
  const receipts = await started.gateway.first(2)
  t.strictSame(receipts.map(({ body }) => body), [{ id, status: 'sent' }, { id, status: 'delivered' }])
  t.same(receipts.map(({ path }) => path), ['/callbacks/acme/key', '/callbacks/acme/key'])
  t.not(idOf(await send(started, phoneNumber)), id, 'each message has its own id')
})

t.test('a text without a code, and a request without a callback URL', async t => {
  const started = await start(t)
  t.equal((await send(started, '+14155550100', { text: 'Hi 42', callback: undefined })).status, 202)
  const [item] = await itemsOf(started, '+14155550100')
  t.equal(item?.['text'], 'Hi 42')
  t.notOk(item !== undefined && 'code' in item)
})

t.test('a receipt that the gateway does not take is sent again', async t => {
  const statuses = [503, 200, 200]
  const started = await start(t, { answer: () => statuses.shift() })
  await send(started, '+14155550100')
  const receipts = await started.gateway.first(3)
  t.equal(receipts.filter(({ body }) => body['status'] === 'sent').length, 2)
})

t.test('a wrong token, a wrong body and an unknown path repeat nothing', async t => {
  const started = await start(t)
  const url = `${started.simulators.url}/acme/messages`
  const json = { 'content-type': 'application/json' }
  for (const headers of [json, { ...json, authorization: 'Bearer x' }, { ...json, authorization: 'Basic x' }]) {
    refused(t, await ask(url, 'POST', headers, { to: '+14155550100', text: 'x' }), 401, 20003)
  }
  const bodies = [{ to: '14155550100' }, { to: 14155550100 }, { text: '' }, { callback: 'mailto:x' }, { other: 'x' }]
  for (const more of bodies) refused(t, await send(started, '+14155550100', more), 400, 21100, JSON.stringify(more))
  const elsewhere = await ask(`${started.simulators.url}/acme/secret-path?token=secret`, 'GET')
  refused(t, elsewhere, 404, 20404)
  t.notMatch(elsewhere.text, /secret/)
})

t.test('scenarios of the request', async t => {
  const started = await start(t)
  refused(t, await send(started, '+14155550191'), 400, 21211)
  for (const suffix of ['96', '99']) refused(t, await send(started, `+141555501${suffix}`), 500, 20500)
  const limited = await send(started, '+14155581196')
  refused(t, limited, 429, 20429)
  t.equal(limited.headers.get('retry-after'), '1')
  refused(t, await send(started, '+14155582196'), 401, 20003)
  const malformed = await send(started, '+14155550198')
  t.equal(malformed.status, 202)
  t.match(malformed.type, /^text\/html/)
  const unusual = await send(started, '+14155581198')
  t.strictSame(unusual.json, { messages: [{ id: idOf(unusual), status: null }], code: null, warnings: null })
  t.equal((await send(started, '+14155550391')).status, 202, 'limited to another provider')

  const before = started.simulators.requests.length
  const hanging = new AbortController()
  const unanswered = fetch(`${started.simulators.url}/acme/messages`, {
    method: 'POST', signal: hanging.signal, body: JSON.stringify({ to: '+14155583196', text: 'x' }),
    headers: {
      'content-type': 'application/json', authorization: `Bearer ${setting(started.simulators, 'ACME_TOKEN')}`,
    },
  }).then(({ status }) => status, () => 'none')
  await until(() => started.simulators.requests.length > before)
  t.equal((await send(started, '+14155550100')).status, 202)
  hanging.abort()
  t.equal(await unanswered, 'none')
})

t.test('scenarios of the message', async t => {
  const started = await start(t)
  const { gateway } = started
  for (const suffix of ['90', '92']) {
    t.equal((await send(started, `+141555501${suffix}`)).status, 202)
    t.strictSame(await itemsOf(started, `+141555501${suffix}`), [], 'nothing arrives')
  }
  await send(started, '+14155550101', { text: '550101 is your code.\n\n@shop.example #550101' })
  const [other] = await itemsOf(started, '+14155550101')
  t.match(other, { text: '661212 is your code.\n\n@shop.example #661212', code: '661212' })
  await gateway.first(2)

  await send(started, '+14155581192')
  t.strictSame(await itemsOf(started, '+14155581192'), [])
  t.same((await gateway.first(4)).slice(2).map(({ body }) => body['status']), ['sent', 'failed'])

  await send(started, '+14155550195')
  t.same((await gateway.first(6)).slice(4).map(({ body }) => body['status']), ['delivered', 'sent'])

  await send(started, '+14155550194')
  const repeated = (await gateway.first(12)).slice(6).map(({ body }) => body['status'])
  t.same(repeated, ['sent', 'sent', 'sent', 'delivered', 'delivered', 'delivered'])

  const sentAt = performance.now()
  await send(started, '+14155550193')
  const [slow] = (await gateway.first(13)).slice(12)
  t.ok((slow?.at ?? 0) - sentAt >= 145, 'slow')
  t.equal((await itemsOf(started, '+14155550193')).length, 1)
})
