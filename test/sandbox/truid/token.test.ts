import t from 'tap'
import { type Answer, ask, setting, start } from '../receiver.ts'

type Started = Awaited<ReturnType<typeof start>>

function token ({ simulators }: Started, body: string, headers: Record<string, string> = {}): Promise<Answer> {
  const pair = `${setting(simulators, 'TRUID_CLIENT_ID')}:${setting(simulators, 'TRUID_CLIENT_SECRET')}`
  return ask(`${simulators.url}/oauth2/v1/token`, 'POST', {
    authorization: `Basic ${Buffer.from(pair).toString('base64')}`,
    'content-type': 'application/x-www-form-urlencoded',
    ...headers,
  }, body)
}

t.test('client credentials give a bearer token with the scopes asked for', async t => {
  const started = await start(t)
  const answer = await token(started, 'grant_type=client_credentials&scope=phone_check+coverage')
  t.equal(answer.status, 200)
  t.match(answer.json, { access_token: String, token_type: 'bearer', expires_in: 3600, scope: 'phone_check coverage' })
  t.match(answer.headers.get('x-ratelimit-limit'), /^\d+$/)
})

t.test('wrong credentials are 401 invalid_client', async t => {
  const started = await start(t)
  const { simulators } = started
  const swapped = Buffer.from(
    `${setting(simulators, 'TRUID_CLIENT_SECRET')}:${setting(simulators, 'TRUID_CLIENT_ID')}`,
  ).toString('base64')
  for (const authorization of [`Basic ${swapped}`, 'Bearer x', '']) {
    const answer = await token(started, 'grant_type=client_credentials&scope=phone_check', { authorization })
    t.equal(answer.status, 401)
    t.match(answer.json, { error: 'invalid_client' })
  }
})

t.test('the form is what RFC 6749 says', async t => {
  const started = await start(t)
  t.match(
    await token(started, 'grant_type=password&scope=phone_check'),
    { status: 400, json: { error: 'unsupported_grant_type' } },
  )
  t.match(
    await token(started, 'grant_type=client_credentials&scope=everything'),
    { status: 400, json: { error: 'invalid_scope' } },
  )
  t.match(await token(started, 'grant_type=client_credentials'), { status: 400, json: { error: 'invalid_request' } })
  t.match(await token(started, 'grant_type=client_credentials&scope=phone_check&client_id=x'), { status: 400 })
  const json = '{"grant_type":"client_credentials","scope":"phone_check"}'
  t.equal((await token(started, json, { 'content-type': 'application/json' })).status, 415)
})
t.test('a token that is revoked opens nothing, and an unknown one is revoked, too', async t => {
  const started = await start(t)
  const { json: { access_token } } = await token(started, 'grant_type=client_credentials&scope=coverage')
  const { url } = started.simulators
  const read = () => ask(`${url}/coverage/v0.1/device_ip`, 'GET', { authorization: `Bearer ${access_token}` })
  const credentials = `Basic ${Buffer.from('sandbox-truid-client:sandbox-truid-secret').toString('base64')}`
  const revoke = (form: string, authorization = credentials) => ask(`${url}/oauth2/v1/revoke`, 'POST', {
    authorization, 'content-type': 'application/x-www-form-urlencoded',
  }, form)
  t.equal((await read()).status, 200)
  t.equal((await revoke(`token=${access_token}`, 'Basic x')).status, 401)
  t.equal((await read()).status, 200)
  t.equal((await revoke(`token=${access_token}&token_type_hint=access_token`)).status, 200)
  t.equal((await read()).status, 401)
  t.equal((await revoke('token=unknown')).status, 200)
  t.equal((await revoke('tokens=x')).status, 400)
})
