import { createServer } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import { createHttp } from '../../src/adapters/http.ts'
import { describeAnswer, describeFailure } from '../../src/adapters/vendor-answer.ts'
import { ProviderError } from '../../src/core/errors.ts'

const sent = { url: 'https://api.example.com/v1/token', headers: {}, body: undefined }
const describe = (body: unknown, more: Partial<Parameters<typeof describeAnswer>[1]> = {}, status = 400) =>
  describeAnswer({ status, text: JSON.stringify(body), body }, { ...sent, ...more })

t.test('the code and the text of each documented form of an error', async t => {
  const rows: [body: unknown, code: string | null, text: string | null][] = [
    // Truecaller
    [{ code: 404, message: 'Invalid partner credentials.' }, '404', 'Invalid partner credentials.'],
    [{ status: 40101, message: 'Unauthorized' }, '40101', 'Unauthorized'],
    // tru.ID
    [
      { type: 'https://developer.tru.id/docs/reference/api-errors#mno_not_supported', title: 'Bad Request',
        detail: 'Mobile Network Operator Not Supported' },
      'mno_not_supported', 'Bad Request. Mobile Network Operator Not Supported',
    ],
    [
      { error: 'invalid_client', error_description: 'Client authentication failed (e.g., unknown client)' },
      'invalid_client', 'Client authentication failed (e.g., unknown client)',
    ],
    [{ check_id: 'x', status: 'ERROR', error_code: 'mno_timeout' }, 'mno_timeout', null],
    // OTPLESS
    [
      { message: 'Invalid Request', errorCode: '7114', description: 'Request error: Invalid token' }, '7114',
      'Invalid Request. Request error: Invalid token',
    ],
    [{ message: 'Access blocked', description: 'Error Description' }, null, 'Access blocked. Error Description'],
    [{ error: { message: 'Operator mismatch', errorCode: 'SP40007' } }, 'SP40007', 'Operator mismatch'],
    [
      { responseType: 'FAILED', statusCode: 400, response: { errorCode: '7101', errorMessage: 'Invalid' } }, '7101',
      'Invalid',
    ],
    [{ errors: [{ code: 'InvalidRequest', message: 'No template' }] }, 'InvalidRequest', 'No template'],
    // nothing that can be read
    [null, null, null], [{}, null, null], [[], null, null], ['x', null, null],
    [{ message: null, code: {} }, null, null],
  ]
  for (const [body, code, text] of rows) t.strictSame(describe(body), { status: 400, code, text }, JSON.stringify(body))
  const page = '<html><head><title>502 Bad Gateway</title></head>\n<body><h1>nginx</h1></body></html>'
  t.strictSame(describeAnswer({ status: 502, text: page, body: undefined }, sent), {
    status: 502, code: null, text: '502 Bad Gateway nginx',
  })
})

/** Each is hidden wherever it stands, although nothing says what it is. */
const unsent = {
  number: '+14155550100', 'number without +': '14155550100', 'grouped number': '+1 (415) 555-0100',
  'number with dots': '415.555.0100',
  'number with other marks': '+1_415*555|0100', 'number in quotes': '415\'555;0100',
  'short number': '555501', 'other digits': '٠١٢٣٤٥٦٧٨٩', 'one-time code': '550100',
  email: 'jane.doe@example.com', url: 'https://example.com/cb?token=abcdef', address: '203.0.113.7',
  'address (IPv6)': '2001:db8:1::42', uuid: '0b7b9d3e-7f0c-4c0a-9a57-0f3f1f0f7f11',
  key: 'sk_live_4eC39HqLyjWDarjtT1zdp7dc',
  token: 'eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl', base64: 'q2VjcmV0+/aGVsbG8=', hex: 'deadbeef00c0ffee',
  'client secret': 'vcs_Yd0cA4o5jCkYlY2xXzVb7QBmJ2kQhQ', encoded: '%2B14155550100', grouped: 'a1b2c-d3e4f-g5h6i',
}
/** These look like words; they are hidden because they were sent. */
const words = { secret: 'CorrectHorse', password: 'hunter-two-three', pin: '1234', name: 'hunterhunter' }

const places = (value: string): unknown[] => [
  { message: value }, { message: `Value ${value} is wrong` }, { message: `"${value}".` }, { message: `value=${value}` },
  { message: `x${value}` }, { message: `${value}${value}` }, { title: value }, { detail: value },
  { description: value }, { error_description: `(${value})` }, { errorMessage: value }, { error: value },
  { code: value }, { errorCode: value },
  { error_code: value }, { status: value }, { type: value }, { type: `https://example.com/errors#${value}` },
  { error: { message: value, code: value } }, { response: { errorMessage: value } }, { errors: [{ message: value }] },
  { message: `${'word '.repeat(36)}${value}` }, { message: `${'word '.repeat(398)}${value}` },
]

t.test('numbers, addresses and what looks random are hidden in every position', async t => {
  const leaks = Object.entries(unsent).flatMap(([name, secret]) => [
    ...places(secret).flatMap(body => leakOf(describe(body), secret, [name, body])),
    ...leakOf(describeAnswer({ status: 500, text: `<p>${secret}</p>`, body: undefined }, sent), secret, [name]),
  ])
  t.strictSame(leaks, [])
})

const basic = (text: string): string => `Basic ${Buffer.from(text).toString('base64')}`
const requestsWith = (secret: string): Parameters<typeof describe>[1][] => [
  { headers: { clientSecret: secret } }, { headers: { authorization: `Bearer ${secret}` } },
  { headers: { authorization: `App ${secret}` } },
  { headers: { authorization: basic(`id:${secret}`) } }, { headers: { authorization: basic(`${secret}:other`) } },
  { body: JSON.stringify({ token: secret }) }, { body: JSON.stringify({ a: [{ b: secret }] }) },
  {
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: String(new URLSearchParams({ grant_type: 'x', code: secret })),
  },
  { url: `https://api.example.com/v1/x?requestId=${encodeURIComponent(secret)}` },
  // Lower-case words of a path are taken for its names.
  ...secret === words.name ? [] : [{ url: `https://api.example.com/v1/${encodeURIComponent(secret)}` }],
]

t.test('what was sent is hidden in every position, also where it is a word', async t => {
  const leaks = Object.entries({ ...unsent, ...words }).flatMap(([name, secret]) =>
    requestsWith(secret).flatMap(request => [
      ...places(secret).flatMap(body => leakOf(describe(body, request), secret, [name, body, request])),
      ...leakOf(describe({ message: secret.toUpperCase() }, request), secret.toUpperCase(), [name, request]),
    ]))
  t.strictSame(leaks, [])
})

/** Four characters of the secret in a row, if the answer shows any. */
function leakOf (answer: ReturnType<typeof describeAnswer>, secret: string, where: unknown[]): unknown[] {
  const shown = JSON.stringify([answer.code, answer.text])
  const pieces = Array.from({ length: secret.length - 3 }, (_, at) => secret.slice(at, at + 4))
  const isShown = pieces.some(piece => /[\p{L}\p{Nd}]{4}/u.test(piece) && shown.includes(piece))
  return isShown ? [{ where, shown }] : []
}

t.test('what helps an operator stays', async t => {
  const plain = [
    'The scope phone_check is not granted to this client.', 'Channel WHATSAPP is not enabled',
    'HTTP 401, errorCode 7002', 'API v0.2 only', 'clientId is missing', 'L\'accès est refusé',
    'IP is not on the allow-list', 'Error SP40007: carrier',
  ]
  const body = JSON.stringify({ channels: ['WHATSAPP'], scope: 'phone_check', expiry: 60 })
  for (const message of plain) t.equal(describe({ message }, { body }).text, message)
})

t.test('a text is one line of at most 200 characters', async t => {
  const { text } = describe({ message: `first\r\n\u2028second\u0000 ${'word '.repeat(100)}` })
  t.match(text, /^first second word /)
  t.equal(text?.length, 200)
  t.ok(text?.endsWith('…'))
  t.equal(describe({ message: `a ${'55501 '.repeat(30)} b` }).text, 'a [hidden] b', 'one mark for many')
})

t.test('a failure of the connection is its code', async t => {
  t.strictSame(
    describeFailure(Object.assign(new Error('x'), { code: 'ENOTFOUND' })),
    { status: null, code: 'ENOTFOUND', text: null },
  )
  for (const error of [new Error('x'), Object.assign(new Error('x'), { code: 'a secret' }), null, 'ENOTFOUND']) {
    t.equal(describeFailure(error), null)
  }
})

t.test('over HTTP: of an answer, of a status that is an error by itself, and of a dead address', async t => {
  const server = createServer((request, response) => {
    response.statusCode = Number(request.url?.slice(1))
    response.end(JSON.stringify({ message: `No credit for ${request.headers['x-key']}`, errorCode: '7019' }))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`
  const http = createHttp({ allowInsecure: true })
  t.teardown(http.close)
  const ask = (status: number, to = host) => http.openHttp('acme', [to])({
    method: 'GET', url: `http://${to}/${status}`, call: 'x', headers: { 'x-key': 'Hunter-key' },
  })
  const vendor = (status: number) => ({ status, code: '7019', text: 'No credit for [hidden]' })
  t.strictSame((await ask(402)).describe?.(), vendor(402))
  for (const status of [429, 500, 503]) {
    const error = await ask(status).then(() => null, (error: unknown) => error)
    t.ok(error instanceof ProviderError)
    t.strictSame(error instanceof ProviderError && error.vendor, vendor(status))
  }
  const dead = await ask(200, '127.0.0.1:1').catch((error: unknown) => error)
  t.match(dead, { vendor: { status: null, code: 'ECONNREFUSED', text: null } })
})
