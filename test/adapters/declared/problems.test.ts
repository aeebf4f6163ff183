import t from 'tap'
import { inspectProviders, type Surroundings } from '../../../src/adapters/declared/index.ts'

const known: Record<string, string> = { ACME_TOKEN: 's3cret-token', ACME_URL: 'https://sms.example', BAD: 'a\nb' }
const surroundings: Surroundings = {
  lookUp: name => known[name] ?? null, allowInsecure: false, taken: new Set(['truid', 'twilio', 'test']),
}
/** The example of the documentation. */
const good = {
  name: 'acme', channel: 'sms', restricted: true,
  request: {
    method: 'POST', url: 'https://sms.example/messages', headers: { authorization: 'Bearer ${env:ACME_TOKEN}' },
    body: { to: '{phoneNumber}', text: '{text}', callback: '{callbackUrl}' },
  },
  accepted: { status: [200, 202], id: '/messages/0/id' },
  refused: [{ status: 400, match: { '/code': 21211 }, reason: 'number_not_registered' }],
  text: { default: '{code} is your code for {app}', de: '{code} ist Ihr Code für {app}' },
  codeLength: 6,
  receipt: { status: '/status', sent: ['sent'], delivered: ['delivered'], failed: ['failed'] },
}
const inspect = (value: unknown, more: Partial<Surroundings> = {}) =>
  inspectProviders(typeof value === 'string' ? value : JSON.stringify(value), { ...surroundings, ...more })
const problemsOf = (value: unknown, more?: Partial<Surroundings>) => inspect(value, more).problems
/** The problems of an entry with other members. */
const withMembers = (members: object): string[] => problemsOf([{ ...good, ...members }])
const inRequest = (members: object): string[] => withMembers({ request: { ...good.request, ...members } })

t.test('a file in JSON or YAML', async t => {
  const { declared, problems } = inspect([good])
  t.strictSame(problems, [])
  t.strictSame(declared[0]?.entry, good)
  t.strictSame(declared[0]?.env, { ACME_TOKEN: 's3cret-token' })
  const yaml = `
- name: acme
  channel: sms
  request:
    url: \${env:ACME_URL}/send?to={digits}
    headers: { authorization: "Bearer \${env:ACME_TOKEN}", content-type: application/x-www-form-urlencoded }
    body: { text: "{text}" }
  accepted: { status: [200] }
  text:
    default: "{code} is your code"
`
  t.match(inspect(yaml), { problems: [], declared: [{ entry: { name: 'acme' }, provider: { provider: 'acme' } }] })
  t.strictSame(problemsOf('[]'), [])
  t.strictSame(problemsOf(`\uFEFF${JSON.stringify([good])}`), [])
  t.strictSame(problemsOf('[{'), [' cannot be read: it is not JSON or YAML (line 1 column 3)'])
  t.strictSame(problemsOf('a: 1\na: 2'), [' cannot be read: a member is there twice (line 2 column 1)'])
  t.strictSame(problemsOf(good), [' must be a list of at most 50 providers'])
  const bomb = ['a: &a [x, x]', ...'bcdefghij'.split('').map((name, at) => {
    const before = 'abcdefghij'[at]
    return `${name}: &${name} [*${before}, *${before}, *${before}, *${before}]`
  })].join('\n')
  const alias = [' cannot be read: it has an alias (*) that refers to nothing or to itself, or too many of them']
  t.strictSame(problemsOf(bomb), alias, 'aliases do not grow without bounds')
  t.strictSame(problemsOf('- &a\n  request: { body: &b { x: *b } }'), alias)
  t.strictSame(problemsOf('- *nothing'), alias)
  t.strictSame(problemsOf(`${yaml}---${yaml}`), [
    ' cannot be read: it must be one document, without --- between its parts (line 11 column 1)',
  ], 'no provider of the file is ignored')
  t.strictSame(problemsOf('-\tname: acme'), [
    ' cannot be read: a line begins with a tab: use spaces (line 1 column 2)',
  ])
  t.strictSame(problemsOf('- !js x'), [' cannot be read: it has a tag (!), which is not known here (line 1 column 3)'])
  t.strictSame(problemsOf(`"${'x'.repeat(1024 * 1024)}"`), [' cannot be read: it is longer than 1 MiB'])
  t.strictSame(problemsOf(Array.from({ length: 51 }, () => good)).filter(problem => !/twice/.test(problem)), [
    ' must be a list of at most 50 providers',
  ])
  t.equal(problemsOf(Array.from({ length: 1000 }, () => good)).length, 50, 'a long list has few problems')
})

t.test('a file that is wrong in every field names every field at once, and shows no value', async t => {
  const wrong = {
    name: 'Acme!', channel: 'S M S', restricted: 'maybe', webhook: true,
    request: {
      method: 'TRACE', url: 'ftp://sms.example/{nobody}', timeout: 5,
      headers: {
        'content-length': '1', 'x-a': 'a\r\nx-b: c', 'bad name': 'x', authorization: 'Bearer ${env:UNSET}', n: 1,
      },
      body: 'to={to}',
    },
    accepted: { status: [404, '200'], id: 'messages.0.id', match: { code: 0 } },
    refused: [{ status: 429, match: 'x', reason: 'bad_luck' }, 7],
    text: { 'de_DE!': '{code}', fr: 'Bonjour {name}', default: 5 },
    codeLength: 3,
    receipt: { status: '', delivered: [], failed: 'failed', lost: ['x'] },
  }
  const problems = problemsOf([wrong, { ...good, name: 'truid' }, { ...good }, { ...good }, 'x', {}])
  const at = (path: string) => problems.filter(problem => problem.startsWith(`${path} `))
  const paths = [
    '/0/name', '/0/channel', '/0/restricted', '/0/webhook', '/0/request/method', '/0/request/url', '/0/request/timeout',
    '/0/request/headers/content-length', '/0/request/headers/x-a', '/0/request/headers/bad name',
    '/0/request/headers/authorization', '/0/request/headers/n', '/0/request/body', '/0/accepted/status/0',
    '/0/accepted/status/1', '/0/accepted/id', '/0/accepted/match/code', '/0/refused/0/status', '/0/refused/0/match',
    '/0/refused/0/reason', '/0/refused/1', '/0/text/de_DE!', '/0/text/fr', '/0/text/default', '/0/codeLength',
    '/0/receipt/status', '/0/receipt/delivered', '/0/receipt/failed', '/0/receipt/lost',
    '/1/name', '/3/name', '/4', '/5/name', '/5/channel', '/5/request', '/5/accepted',
  ]
  for (const path of paths) t.ok(at(path).length > 0, path)
  t.strictSame(at('/2'), [], 'the good one has none')
  for (const problem of problems) {
    t.match(problem, /^\/\d(\/\S.*)? (must|is|has|names|never|it) /, 'a path, and a sentence')
    t.notMatch(problem, /s3cret|Bonjour|TRACE|ftp:|bad_luck|Acme!/)
  }
  t.equal(new Set(problems).size, problems.length)
})

t.test('each problem says what would be right', async t => {
  const cases: [problems: string[], said: string | RegExp][] = [
    [withMembers({ name: 'ACME' }), /^\/0\/name must be at most 32 lower-case letters/],
    [withMembers({ name: 'truid-north' }), '/0/name is the name of a provider that Verigate has: use another one'],
    [withMembers({ channel: 'x'.repeat(32) }), /^\/0\/channel must be at most 31 lower-case letters/],
    [withMembers({ codeLength: 11 }), '/0/codeLength must be a whole number from 4 to 10'],
    [withMembers({ codeLenght: 6 }), /^\/0\/codeLenght is not a member: use name, channel, /],
    [withMembers({ text: undefined }), '/0/text is missing: the request sends {text}'],
    [withMembers({ text: { de: '{code}' } }), '/0/text/default is missing: it is the text for every other language'],
    [withMembers({ text: { default: 'Hello' } }), '/0/text/default must contain {code}'],
    [withMembers({ text: { default: '{code} {phoneNumber}' } }),
      '/0/text/default has {phoneNumber}, which is not a placeholder here: use {code}, {app}'],
    [withMembers({ text: { default: '{code}', de: '{code}', DE: '{code}' } }), '/0/text/de is there twice'],
    [withMembers({ refused: [{ status: 503, reason: 'provider_error' }] }),
      '/0/refused/0/status must be a status from 200 to 499: the gateway reads 429 and 5xx itself'],
    [withMembers({ refused: [{ status: 400, reason: 'user_rejected' }] }),
      /^\/0\/refused\/0\/reason must be one of number_not_registered, /],
    [withMembers({ receipt: { status: '/status', sent: ['1'], delivered: [1] } }),
      '/0/receipt/delivered has a word that stands in another list, or twice'],
    [withMembers({ receipt: { status: '/status' } }),
      '/0/receipt must have a list of words: sent, delivered, read or failed'],
    [inRequest({ url: 'http://sms.example/messages' }), '/0/request/url must begin with https://'],
    [inRequest({ url: 'https://sms.example:8443/messages' }), '/0/request/url must have no port: https is on 443'],
    [inRequest({ url: 'https://10.0.0.7/messages' }),
      '/0/request/url must have a host name, not an address or localhost'],
    [inRequest({ url: 'https://[::1]/messages' }),
      '/0/request/url must have a host name, not an address or localhost'],
    [inRequest({ url: 'https://localhost/messages' }),
      '/0/request/url must have a host name, not an address or localhost'],
    [inRequest({ url: 'https://user:pass@sms.example/messages' }),
      '/0/request/url must have no user name and password: send them in the header authorization'],
    [inRequest({ url: 'https://{digits}.sms.example/' }),
      '/0/request/url must have no placeholder in its host: only ${env:NAME} may stand before the path'],
    [inRequest({ url: 'https://{code}@sms.example/' }),
      '/0/request/url must have no placeholder in its host: only ${env:NAME} may stand before the path'],
    [
      inRequest({ url: 'https://sms.example' }),
      /^\/0\/request\/url must be written in its canonical form, with a path/,
    ],
    [inRequest({ url: 'https://sms.example/#{code}' }), '/0/request/url must have no fragment (#)'],
    [inRequest({ url: '{callbackUrl}/x' }),
      '/0/request/url must have no placeholder in its host: only ${env:NAME} may stand before the path'],
    [inRequest({ headers: { authorization: 'Bearer ${env:NOPE}' } }),
      '/0/request/headers/authorization names the environment variable NOPE, which is not set: set it, or NOPE_FILE'],
    [inRequest({ headers: { authorization: 'Bearer ${env:a b}' } }),
      "/0/request/headers/authorization has a ${env:…} whose name is not a variable's"],
    [inRequest({ headers: { authorization: '${env:BAD}' } }),
      '/0/request/headers/authorization must consist of visible ASCII characters, without line ends'],
    [inRequest({ headers: { 'x-text': '{text}' } }),
      '/0/request/headers/x-text has {text}, which is not a placeholder here: use {phoneNumber}, {digits}, {code}, '
      + '{callbackUrl}'],
    [inRequest({ headers: { A: '1', a: '2' } }), '/0/request/headers/A is there twice'],
    [inRequest({ headers: { 'content-type': 'text/xml' } }),
      '/0/request/headers/content-type must be application/json or application/x-www-form-urlencoded'],
    [inRequest({ headers: { 'content-type': 'application/x-www-form-urlencoded' }, body: {
      to: '{digits}', text: '{text}', callback: '{callbackUrl}', deep: { a: 1 },
    } }), '/0/request/body/deep must be a text, a number, a boolean or a list of them: it is a field of a form'],
    [inRequest({ method: 'GET' }),
      '/0/request/body must be absent with GET: put the placeholders into the query of url'],
    [inRequest({ body: { text: '{text}', callback: '{callbackUrl}' } }),
      '/0/request must contain {phoneNumber} or {digits}'],
    [inRequest({ body: { to: '{digits}', text: 'Hello', callback: '{callbackUrl}' } }),
      '/0/request must contain {text} or {code}'],
    [inRequest({ body: { to: '{digits}', text: '{code}', callback: '{callbackUrl}' } }),
      '/0/text is never sent: put {text} into the request'],
    [inRequest({ body: { to: '{digits}', text: '{text}' } }),
      '/0/receipt never arrives: put {callbackUrl} into the request'],
    [inRequest({ url: `https://sms.example/${'x'.repeat(2048)}` }),
      /^\/0\/request\/url must be an https URL of at most 2048 characters/],
    [inRequest({ headers: { authorization: 'Bearer {env:ACME_TOKEN}' } }),
      '/0/request/headers/authorization has a variable that must be written as ${env:NAME}'],
    [inRequest({ headers: { authorization: 'Bearer ${env:ACME_TOKEN' } }),
      '/0/request/headers/authorization has a variable that must be written as ${env:NAME}'],
    [inRequest({ body: { to: [{ '{digits}': 1 }], text: '{text}' } }),
      '/0/request/body/to/0/{digits} has a placeholder in its name: only values have placeholders'],
    [inRequest({ body: { '${env:ACME_TOKEN}': 1 } }),
      '/0/request/body/${env:ACME_TOKEN} has a placeholder in its name: only values have placeholders'],
    [withMembers({ text: { default: '{code} ${env:ACME_TOKEN}' } }),
      '/0/text/default has ${env:…}, which is filled in request only: write the value itself'],
    [withMembers({ refused: [{ status: 202, reason: 'provider_error' }] }),
      '/0/refused/0/match is missing: without it, no answer with this status is accepted'],
    [inRequest({ body: { to: '{to}', text: '{text} {digits} {callbackUrl}' } }),
      '/0/request/body/to has {to}, which is not a placeholder here: use {phoneNumber}, {digits}, {text}, {code}, '
      + '{callbackUrl}'],
  ]
  for (const [problems, said] of cases) {
    t.ok(problems.some(problem => typeof said === 'string' ? problem === said : said.test(problem)), String(said))
  }
})

t.test('what looks unusual and is permitted', async t => {
  const insecure = { request: { ...good.request, url: 'http://127.0.0.1:4000/messages' } }
  t.strictSame(problemsOf([{ ...good, ...insecure }], { allowInsecure: true }), [])
  t.strictSame(inRequest({ url: '${env:ACME_URL}/v1/{digits}?key=${env:ACME_TOKEN}' }), [])
  t.strictSame(inRequest({ body: { raw: '{ "x": {phoneNumber} }', text: '{text}', to: ['{callbackUrl}'] } }), [])
  t.strictSame(withMembers({ receipt: undefined }), [], 'a callback URL without receipts')
  t.strictSame(withMembers({ name: 'acme-north' }), [])
  t.strictSame(withMembers({ refused: [{ status: 202, match: { '/code': 1 }, reason: 'provider_error' }] }), [])
  t.strictSame(inRequest({ headers: { authorization: 'Basic user:pässword' } }), [], 'it is sent as base64')
  const failing: Partial<Surroundings> = { lookUp () { throw new Error('ACME_TOKEN_FILE cannot be read: ENOENT') } }
  t.strictSame(problemsOf([good], failing), [
    '/0/request/headers/authorization names the environment variable ACME_TOKEN: '
    + 'ACME_TOKEN_FILE cannot be read: ENOENT',
  ])
})
