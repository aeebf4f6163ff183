import t from 'tap'
import { inspectProviders } from '../../../src/adapters/declared/index.ts'
import {
  anAttempt, type Call, callbackKey, callbackUrl, contract, endingOf, openAdapter, openIo, openVendor, type Vendor,
} from '../../../src/conformance/index.ts'

const phoneNumber = '+491701234567'
const token = 'token-of-acme'
const misconfigured = { failed: 'provider_misconfigured', retryable: false }

/** The entry of the documentation, at a vendor of the test. */
const entry = {
  name: 'acme', channel: 'sms',
  request: {
    url: '${env:ACME_URL}/messages', headers: { authorization: 'Bearer ${env:ACME_TOKEN}' },
    body: { to: '{phoneNumber}', text: '{text}', callback: '{callbackUrl}' },
  },
  accepted: { status: [200, 202], id: '/messages/0/id' },
  refused: [
    { status: 400, match: { '/code': 21211 }, reason: 'number_not_registered' },
    { status: 200, match: { '/messages/0/status': 9 }, reason: 'provider_misconfigured' },
  ],
  text: { default: '{code} is your code for {app}', de: '{code} ist Ihr Code für {app}', 'pt-BR': '{app}: {code}' },
  receipt: { status: '/results/0/status', sent: ['sent'], delivered: ['delivered', 1], failed: ['failed'] },
}
type Entry = typeof entry
const settings = ({ origin }: Pick<Vendor, 'origin'>) => ({ ACME_TOKEN: token, ACME_URL: origin })

function declared (more: object = {}) {
  const env: Record<string, string> = settings({ origin: 'https://sms.example' })
  const text = JSON.stringify([{ ...entry, ...more }])
  const read = inspectProviders(text, { lookUp: name => env[name] ?? null, allowInsecure: true, taken: new Set() })
  if (read.declared[0] === undefined) throw new Error(read.problems.join('\n'))
  return read.declared[0].provider
}
const accepts = () => ({ status: 202, body: { messages: [{ id: 'm-1' }] } })

t.test('acme.sms', async t => {
  await contract(t, {
    provider: declared(),
    method: 'acme.sms',
    settings,
    secrets: [token],
    attempt: { phoneNumber },
    vendor: accepts,
    action: () => ({ type: 'submitCode', length: 6, channels: ['SMS'] }),
    good: { evidence: { code: '481516' }, proven: { phoneNumber } },
    assurance: { possession: 'message', binding: 'session', restricted: true },
    singleUse: null,
    callbacks: [
      {
        callback: { key: callbackKey, body: { results: [{ status: 'queued' }] } },
        received: { key: callbackKey, type: 'noted' },
      },
      {
        callback: { key: null, body: { results: [{ status: 'sent' }] } },
        received: { type: 'refused', cause: 'key_missing' },
      },
    ],
    bad: [
      { name: 'wrong', evidence: { code: '481517' }, ends: { verdict: 'incorrect' } },
      { name: 'too short', evidence: { code: '4815' }, ends: { verdict: 'incorrect' } },
      { name: 'a token', evidence: { token: '481516' }, ends: { verdict: 'denied', reason: 'evidence_invalid' } },
      { name: 'nothing', evidence: {}, ends: { verdict: 'denied', reason: 'evidence_invalid' } },
    ],
    refusals: [{
      call: () => true, phase: 'start', ends: status => [401, 402, 403].includes(status) ? misconfigured : null,
    }],
  })
})

/** An adapter, its vendor and an attempt of it. */
async function open (t: Parameters<typeof openVendor>[0], more: Partial<Record<keyof Entry, unknown>> & object = {}) {
  const vendor = await openVendor(t, accepts)
  const at = 1_700_000_000_000
  const adapter = openAdapter(declared(more), settings(vendor), openIo(t, { now: () => at }))
  const attempt = anAttempt({ method: 'acme.sms', phoneNumber })
  const send = async (changes: object = {}): Promise<Call> => {
    await adapter.start({ ...attempt, ...changes })
    const call = vendor.calls.at(-1)
    if (call === undefined) throw new Error('nothing was sent')
    return call
  }
  return { vendor, adapter, attempt, send, at }
}

t.test('a message is written as the entry says, and sent again with the same code', async t => {
  const { adapter, attempt, send, vendor } = await open(t)
  t.match(adapter.methods['acme.sms'], { resend: { afterMs: 30_000, times: 2 }, codeAttempts: 5 })
  t.match(await send({ app: { name: 'Café\n@evil.example #1', host: null } }), {
    method: 'POST', path: '/messages',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: { to: phoneNumber, text: '481516 is your code for Café @evil.example #1', callback: callbackUrl },
  })
  const started = await adapter.start(attempt)
  t.strictSame(started, {
    id: 'm-1', isIdOptional: true, state: { codeHash: 'hash of 6 digits', codeLength: 6 },
    action: { type: 'submitCode', length: 6, channels: ['SMS'] },
  })
  const again = await adapter.resend?.({ ...attempt, state: started.state, options: { codeLength: 8 } })
  t.strictSame(again?.state, started.state, 'a code keeps its length')
  t.match(vendor.calls.at(-1)?.body, { text: '481516 is your code for Shop' })
  t.match(await send({ options: { codeLength: 10 } }), { body: { text: /^4815162342 / } })
})

t.test('the text follows the locale', async t => {
  const { send } = await open(t)
  const textFor = async (locale: string | null) => (await send({ locale })).body as { text: string }
  for (
    const locale of ['de', 'de-AT', 'DE_at', 'de-Latn-DE-1996']
  ) t.match(await textFor(locale), { text: /ist Ihr Code/ })
  t.match(await textFor('pt-br'), { text: 'Shop: 481516' })
  for (
    const locale of [null, '', 'pt', 'fr-FR', 'd', 'default']
  ) t.match(await textFor(locale), { text: /is your code/ })
})

t.test('a browser gets a line of its own where the page is known', async t => {
  const app = { name: 'Shop', host: 'shop.example' }
  const { adapter, attempt, send } = await open(t)
  t.match(await send({ app }), { body: { text: '481516 is your code for Shop\n\n@shop.example #481516' } })
  const { action } = await adapter.start({ ...attempt, app })
  t.match(action, { autofill: { webOtp: '@shop.example #code' } }, 'the code is not in the action')
  const byCode = await open(
    t,
    { text: undefined, request: { ...entry.request, body: { to: '{digits}', pin: '{code}', url: '{callbackUrl}' } } },
  )
  t.match((await byCode.send({ app })).body, { to: '491701234567', pin: '481516', url: callbackUrl })
  t.notMatch((await byCode.adapter.start({ ...attempt, app })).action, { autofill: {} }, 'the service writes the text')
  const whatsapp = await open(t, { channel: 'whatsapp' })
  const call = await open(t, { channel: 'voice_call' })
  t.match(call.adapter.methods['acme.voice_call'], { assurance: { restricted: true } })
  t.match(whatsapp.adapter.methods['acme.whatsapp'], { assurance: { restricted: false } })
  const chat = await whatsapp.adapter.start({ ...attempt, method: 'acme.whatsapp', app })
  t.strictSame(chat.action, { type: 'submitCode', length: 6, channels: ['WHATSAPP'] })
  t.match(whatsapp.adapter.methods['acme.whatsapp'], { assurance: { restricted: false } })
})

t.test('forms, queries, Basic credentials and values that would end a text', async t => {
  const form = await open(t, { request: {
    url: '${env:ACME_URL}/{digits}/send?key=${env:ACME_TOKEN}&to={phoneNumber}',
    headers: { 'Content-Type': 'application/x-www-form-urlencoded', authorization: 'Basic user:${env:ACME_TOKEN}' },
    body: { text: '{text}', to: ['{digits}', 7], flag: true, callback: '{callbackUrl}' },
  } })
  const sent = await form.send({ app: { name: 'A&b=c"{code}', host: null } })
  t.equal(sent.path, `/491701234567/send?key=${token}&to=%2B491701234567`)
  t.equal(sent.headers.authorization, `Basic ${Buffer.from(`user:${token}`).toString('base64')}`)
  t.strictSame([...new URLSearchParams(sent.text)], [
    ['text', '481516 is your code for A&b=c"{code}'], ['to', '491701234567'], ['to', '7'], ['flag', 'true'],
    ['callback', callbackUrl],
  ])
  const get = await open(
    t, { request: { method: 'GET', url: '${env:ACME_URL}/send?t={text}&to={digits}&c={callbackUrl}' } },
  )
  t.match(
    await get.send(), { method: 'GET', text: '', path: /^\/send\?t=481516%20is%20your%20code%20for%20Shop&to=4917/ },
  )
})

t.test('answers: refused by status and values, accepted, or neither', async t => {
  const { adapter, attempt, vendor } = await open(t, {
    accepted: { status: [200], match: { '/messages/0/status': '0' }, id: '/messages/0/id' },
  })
  const cases: [answer: object, ends: object][] = [
    [{ status: 200, body: { messages: [null, { status: 0, id: 7 }] } }, { started: {} }],
    [{ status: 400, body: { code: '21211' } }, { failed: 'number_not_registered', retryable: false }],
    [{ status: 200, body: { messages: [{ status: '9' }] } }, misconfigured],
    [{ status: 200, body: { messages: [{ status: '5', id: 'x' }] } }, { failed: 'provider_bad_response' }],
    [{ status: 200, body: { messages: [{ status: '0' }] } }, { failed: 'provider_bad_response' }],
    [{ status: 202, body: { messages: [{ status: '0', id: 'x' }] } }, { failed: 'provider_bad_response' }],
    [{ status: 400, body: { code: 1 } }, { failed: 'provider_bad_response' }],
    [{ status: 200, body: '<html>' }, { failed: 'provider_bad_response' }],
    [{ status: 402 }, misconfigured],
    [{ status: 500 }, { failed: 'provider_error', retryable: true }],
  ]
  for (const [answer, ends] of cases) {
    vendor.answer = () => answer
    t.match(await endingOf(adapter.start(attempt)), ends, JSON.stringify(answer))
  }
  const plain = await open(t, { accepted: { status: [204] } })
  plain.vendor.answer = () => ({ status: 204 })
  t.notOk('id' in await plain.adapter.start(attempt), 'a status alone can be enough')
})

t.test('receipts in JSON and in forms, by the keyed URL only', async t => {
  const { adapter, at } = await open(t)
  const none = { key: callbackKey, url: callbackUrl, headers: {}, rawBody: Buffer.alloc(0), body: undefined }
  const delivery = (status: string) => (
    { key: callbackKey, type: 'delivery', delivery: { status, channel: 'sms', at } }
  )
  const noted = { key: callbackKey, type: 'noted' }
  for (const [word, expected] of [
    ['sent', delivery('sent')], ['delivered', delivery('delivered')], ['1', delivery('delivered')],
    [1, delivery('delivered')], ['failed', delivery('failed')], ['DELIVERED', noted], [null, noted], [{}, noted],
  ] as const) {
    t.strictSame(await adapter.receive?.({ ...none, body: { results: [{ status: word }] } }), expected, String(word))
  }
  t.strictSame(await adapter.receive?.({ ...none, key: null }), { type: 'refused', cause: 'key_missing' })
  const form = await open(t, { receipt: { status: '/Status', delivered: ['delivered'] } })
  const rawBody = Buffer.from('MessageUUID=1&Status=delivered')
  t.strictSame(await form.adapter.receive?.({ ...none, rawBody }), delivery('delivered'))
  const silent = await open(t, { receipt: undefined })
  t.strictSame(await silent.adapter.receive?.({ ...none, rawBody }), noted, 'an entry without receipts')
})
