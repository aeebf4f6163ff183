import { createHash, randomBytes } from 'node:crypto'
import t from 'tap'
import { type Answer, ask, start } from '../receiver.ts'

type Started = Awaited<ReturnType<typeof start>>
const json = { 'content-type': 'application/json' }
const form = { 'content-type': 'application/x-www-form-urlencoded' }
const clientId = 'sandbox-truecaller-client'
const scopes = ['openid', 'phone', 'profile']

function pkce () {
  const verifier = randomBytes(32).toString('base64url')
  return { verifier, codeChallenge: createHash('sha256').update(verifier).digest('base64url') }
}

const approve = ({ simulators }: Started, body: object): Promise<Answer> =>
  ask(`${simulators.url}/handset/truecaller/oauth`, 'POST', json, { clientId, state: 'ours', scopes, ...body })

/** The person agrees: a code, and the verifier for it. */
async function authorize (started: Started, phoneNumber: string, more: object = {}) {
  const { verifier, codeChallenge } = pkce()
  const { json: { authorizationCode: code } } = await approve(started, { phoneNumber, codeChallenge, ...more })
  return { code: String(code), code_verifier: verifier }
}

function exchange ({ simulators }: Started, fields: Record<string, string> | string): Promise<Answer> {
  const body = typeof fields === 'string'
    ? fields
    : new URLSearchParams({ grant_type: 'authorization_code', client_id: clientId, ...fields }).toString()
  return ask(`${simulators.url}/v1/token`, 'POST', form, body)
}

const userinfo = ({ simulators }: Started, token: unknown): Promise<Answer> =>
  ask(`${simulators.url}/v1/userinfo`, 'GET', { authorization: `Bearer ${token}` })

async function claims (started: Started, phoneNumber: string, more: object = {}): Promise<Answer> {
  const { json: { access_token } } = await exchange(started, await authorize(started, phoneNumber, more))
  return userinfo(started, access_token)
}

t.test('the documented way, from the SDK to the claims', async t => {
  const started = await start(t)
  const { verifier, codeChallenge } = pkce()
  const approved = await approve(started, { phoneNumber: '+919876543200', codeChallenge })
  t.strictSame(Object.keys(approved.json), ['authorizationCode', 'state'])
  t.equal(approved.json['state'], 'ours')
  const token = await exchange(started, { code: String(approved.json['authorizationCode']), code_verifier: verifier })
  t.equal(token.status, 200)
  t.strictSame(token.json, { access_token: token.json['access_token'], expires_in: 3600, token_type: 'Bearer' })
  t.strictSame((await userinfo(started, token.json['access_token'])).json, {
    sub: '13627101294235520', given_name: 'Ada', family_name: 'Example',
    picture: 'https://www.example.com/avatars/3', gender: 'female',
    phone_number: '919876543200', phone_number_country_code: 'IN', phone_number_verified: true,
  })
})

t.test('the form has exactly the four fields', async t => {
  const started = await start(t)
  const { code, code_verifier } = await authorize(started, '+919876543200')
  const good = { grant_type: 'authorization_code', client_id: clientId, code, code_verifier }
  for (const more of [{ client_secret: 'x' }, { redirect_uri: 'https://a.example' }, { code: '' }]) {
    t.equal((await exchange(started, { ...good, ...more })).status, 400, JSON.stringify(more))
  }
  const text = new URLSearchParams(good).toString()
  t.equal((await exchange(started, `${text}&code=${code}`)).status, 400, 'twice')
  t.equal((await exchange(started, text.replace('code_verifier', 'codeVerifier'))).status, 400)
  t.equal((await exchange(started, { ...good, grant_type: 'client_credentials' })).status, 400)
  t.equal((await ask(`${started.simulators.url}/v1/token`, 'POST', json, good)).status, 415)
  t.equal((await exchange(started, good)).status, 200, 'nothing of this used the code up')
})

t.test('a code is for one client and one challenge, ten minutes, once', async t => {
  let now = Date.now()
  const started = await start(t, { now: () => now })
  const good = await authorize(started, '+919876543200')
  t.equal((await exchange(started, { ...good, client_id: 'other' })).status, 403)
  t.equal((await exchange(started, { ...good, code_verifier: pkce().verifier })).status, 403)
  t.equal((await exchange(started, { ...good, code: 'unknown' })).status, 403)
  const raced = await Promise.all([exchange(started, good), exchange(started, good)])
  t.strictSame(raced.map(({ status }) => status).sort(), [200, 403])
  const late = await authorize(started, '+919876543200')
  now += 10 * 60_000
  t.equal((await exchange(started, late)).status, 403)
})

t.test('the claims are those of the scopes, for an hour', async t => {
  let now = Date.now()
  const started = await start(t, { now: () => now })
  const { json: { access_token } } = await exchange(started, await authorize(started, '+919876543200', {
    scopes: ['openid'],
  }))
  t.strictSame((await userinfo(started, access_token)).json, { sub: '13627101294235520' })
  const asText = await claims(started, '+919876543200', { scopes: 'openid phone' })
  t.match(asText.json, { phone_number: '919876543200' })
  const more = await claims(started, '+919876543200', { scopes: ['openid', 'email', 'address', 'phone'] })
  t.strictSame(Object.keys(more.json), [
    'sub', 'phone_number', 'phone_number_country_code', 'phone_number_verified', 'email', 'address',
  ])
  t.equal((await claims(started, '+919876543200', { scopes: ['phone'] })).status, 422, 'openid was not requested')
  now += 3_600_000 - 1
  t.equal((await userinfo(started, access_token)).status, 200)
  now += 1
  t.equal((await userinfo(started, access_token)).status, 401)
  t.equal((await userinfo(started, 'unknown')).status, 401)
})

t.test('scenarios', async t => {
  const started = await start(t, { slowMs: 120 })
  t.match((await claims(started, '919876543201')).json, { phone_number: '919876543202', phone_number_verified: true })
  t.match((await claims(started, '919876583199')).json, { phone_number_verified: false })
  t.equal((await claims(started, '919876584199')).status, 404)
  t.strictSame((await claims(started, '919876543198')).json, { user: '919876543198' })
  t.match((await claims(started, '919876581198')).json, { phone_number: 919876581198, gender: null })
  const statuses = async (phoneNumber: string, times = 1) => {
    const good = await authorize(started, phoneNumber)
    const seen: number[] = []
    for (let n = 0; n < times; n += 1) seen.push((await exchange(started, good)).status)
    return seen
  }
  t.strictSame(await statuses('919876543199', 4), [500, 500, 500, 500], 'the generic error, every time')
  t.strictSame(await statuses('919876581199'), [403])
  t.strictSame(await statuses('919876582199'), [403])
  t.strictSame(await statuses('919876581196'), [429])
  t.strictSame(await statuses('919876543196'), [200], 'no start call that could fail')
  const flaky = await authorize(started, '919876543197')
  t.equal((await exchange(started, flaky)).status, 500)
  const { json: { access_token } } = await exchange(started, flaky)
  t.equal((await userinfo(started, access_token)).status, 500)
  t.match(await userinfo(started, access_token), { status: 200, json: { phone_number: '919876543197' } })
  const begunAt = performance.now()
  await authorize(started, '919876543193')
  t.ok(performance.now() - begunAt >= 115, 'a person who takes time')
})

t.test('what the SDK answers instead of a code', async t => {
  const started = await start(t)
  const body = (phoneNumber: string) => ({ phoneNumber, codeChallenge: pkce().codeChallenge })
  t.equal((await approve(started, body('919876543192'))).status, 204)
  t.match(await approve(started, body('919876543190')), { status: 403, json: { code: 14 } })
  t.match(await approve(started, body('919876582190')), { status: 403, json: { code: 11 } })
  t.match(await approve(started, body('919876543191')), { status: 404, json: { code: 5 } })
  const good = body('919876543200')
  t.match(await approve(started, { ...good, clientId: 'other' }), { status: 400, json: { code: 12 } })
  for (const bad of [
    { state: '' }, { scopes: [] }, { scopes: ['admin'] }, { scopes: 'openid  phone' }, { codeChallenge: 'short' },
    { extra: 1 },
  ]) {
    t.equal((await approve(started, { ...good, ...bad })).status, 400, JSON.stringify(bad))
  }
  const phoneNumber = '+919876543190'
  await ask(`${started.simulators.url}/handset/mode`, 'PUT', json, { phoneNumber, manual: true })
  t.equal((await approve(started, body('919876543190'))).status, 200, 'the call is the decision')
})

t.test('errors have the body that a test asks for', async t => {
  const started = await start(t)
  const use = (form: string) =>
    ask(`${started.simulators.url}/control/truecaller/oauth-errors`, 'POST', json, { form })
  const refused = () => userinfo(started, 'unknown')
  t.match((await refused()).json, { code: 401, message: String })
  t.equal((await use('rfc6749')).status, 204)
  t.match((await refused()).json, { error: 'invalid_token', error_description: String })
  await use('none')
  t.equal((await refused()).text, '')
  await use('html')
  t.match((await refused()).type, /^text\/html/)
  t.equal((await use('other')).status, 400)
})
