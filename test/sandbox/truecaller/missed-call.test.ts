import t from 'tap'
import { ask, setting, start } from '../receiver.ts'

type Started = Awaited<ReturnType<typeof start>>
const json = { 'content-type': 'application/json' }
const clientId = 'sandbox-truecaller-client'
const badToken = { code: 1404, message: 'Invalid access token.' }
const badCredentials = { code: 404, message: 'Invalid partner credentials.' }

const sdk = ({ simulators }: Started, phoneNumber: string) =>
  ask(`${simulators.url}/handset/truecaller/missed-call`, 'POST', json, { phoneNumber })
const detail = ({ simulators }: Started, token: unknown, headers: Record<string, string> = { clientId }) =>
  ask(`${simulators.url}/v1/otp/client/installation/phoneNumberDetail/${token}`, 'GET', headers)
const legacy = ({ simulators }: Started, token: unknown, headers: Record<string, string>) =>
  ask(`${simulators.url}/v1/otp/installation/phoneNumberDetail/${token}`, 'GET', headers)

t.test('the number of a token, as a JSON number, for both generations of the SDK', async t => {
  const started = await start(t)
  const called = await sdk(started, '+919876543200')
  t.strictSame(Object.keys(called.json), ['token'])
  const number = { phoneNumber: 919876543200, countryCode: 'IN' }
  t.strictSame((await detail(started, called.json['token'])).json, number)
  const appKey = setting(started.simulators, 'TRUECALLER_APP_KEY')
  t.strictSame((await legacy(started, called.json['token'], { appKey })).json, number)
  const { json: { data } } = await ask(`${started.simulators.url}/handset/items?phoneNumber=%2B919876543200`, 'GET')
  t.match(data, [{ provider: 'truecaller', kind: 'call', title: 'Truecaller', choices: [] }])
})

t.test('two different 404s', async t => {
  let now = Date.now()
  const started = await start(t, { now: () => now })
  const { json: { token } } = await sdk(started, '+919876543200')
  for (const answer of [
    await detail(started, token, { clientId: 'other' }), await detail(started, token, {}),
    await detail(started, token, { appKey: setting(started.simulators, 'TRUECALLER_APP_KEY') }),
    await legacy(started, token, { clientId }), await detail(started, 'unknown', {}),
  ]) t.match(answer, { status: 404, json: badCredentials })
  t.match(await detail(started, 'unknown'), { status: 404, json: badToken })
  now += 10 * 60_000
  t.match(await detail(started, token), { status: 404, json: badToken })
})

t.test('scenarios', async t => {
  const started = await start(t, { slowMs: 120 })
  const of = async (phoneNumber: string) => detail(started, (await sdk(started, phoneNumber)).json['token'])
  t.match((await of('919876543201')).json, { phoneNumber: 919876543202 })
  t.match((await of('919876581198')).json, { phoneNumber: '+919876581198' })
  t.strictSame((await of('919876543198')).json, { countryCode: 'IN' })
  t.match(await of('919876543199'), { status: 500, json: { code: 500, message: 'error message' } })
  t.match(await of('919876581199'), { status: 404, json: badToken })
  t.match(await of('919876582199'), { status: 404, json: badToken })
  t.match(await of('919876582196'), { status: 404, json: badCredentials })
  const { json: { token } } = await sdk(started, '919876543197')
  for (const status of [500, 500, 200]) t.equal((await detail(started, token)).status, status)
  for (const [phoneNumber, status] of [
    ['919876543192', 204], ['919876543190', 204], ['919876543191', 404], ['+14155550100', 400],
  ] as const) t.equal((await sdk(started, phoneNumber)).status, status, phoneNumber)
  const begunAt = performance.now()
  await sdk(started, '919876543193')
  t.ok(performance.now() - begunAt >= 115)
})
