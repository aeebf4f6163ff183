import t from 'tap'
import type { HandsetItem } from '../../src/sandbox/handset.ts'
import type { Simulator, SimulatorContext } from '../../src/sandbox/simulator.ts'
import { ask, start } from './receiver.ts'

const json = { 'content-type': 'application/json' }
const prompt: HandsetItem = {
  provider: 'acme', kind: 'prompt', title: 'Acme', text: 'Is it you?',
  choices: [{ id: 'approve', label: 'Yes' }, { id: 'decline', label: 'No' }],
}

/** The simulators with one more, whose context the test holds. */
async function open (t: Test, options: { now?: () => number } = {}) {
  let context: SimulatorContext | undefined
  const acme: Simulator = {
    provider: 'acme', settings: () => ({}), async routes (_app, given) { context = given.context },
  }
  const { simulators: { url, requests } } = await start(t, { simulators: [acme], ...options })
  if (context === undefined) throw new Error('the simulator was not registered')
  return {
    handset: context.handset, requests,
    list: async (phoneNumber: string) => {
      const { json: { data } } = await ask(`${url}/handset/items?phoneNumber=${phoneNumber}`, 'GET')
      return data as Record<string, unknown>[]
    },
    choose: (id: unknown, choice: string) => ask(`${url}/handset/items/${String(id)}`, 'POST', json, { choice }),
    setMode: (body: unknown) => ask(`${url}/handset/mode`, 'PUT', json, body),
    url,
  }
}
type Test = Parameters<typeof start>[0]

t.test('a phone shows what reached its number, oldest first, and the choice is made once', async t => {
  const { handset, list, choose, requests } = await open(t, { now: () => 1000 })
  const chosen: string[] = []
  handset.show('+14155550100', prompt, choice => void chosen.push(choice))
  handset.show('14155550100', { ...prompt, kind: 'message', text: '123456 is your code', code: '123456', choices: [] })
  handset.show('+14155550102', prompt)

  const [first, second, ...rest] = await list('%2B14155550100')
  t.strictSame(rest, [])
  t.match(first, {
    ...prompt, id: /^[0-9a-f-]{36}$/, phoneNumber: '+14155550100', at: '1970-01-01T00:00:01.000Z', chosen: null,
  })
  t.match(second, { kind: 'message', code: '123456' })
  // A + that was not escaped, or that is missing, is the same number.
  t.strictSame((await list('+14155550100')).length, 2)
  t.strictSame((await list('14155550102')).length, 1)

  const refused = await choose(first?.['id'], 'maybe')
  t.equal(refused.status, 400)
  t.equal(refused.json['message'], 'choice must be one of: approve, decline')
  const answer = await choose(first?.['id'], 'decline')
  t.equal(answer.status, 200)
  t.equal(answer.json['chosen'], 'decline')
  const again = await choose(first?.['id'], 'approve')
  t.equal(again.status, 409)
  t.strictSame(chosen, ['decline'])
  t.equal((await list('14155550100'))[0]?.['chosen'], 'decline')
  t.equal((await choose('nothing', 'approve')).status, 404)
  t.strictSame(requests, [], 'a person is not counted as a request to a provider')
})

t.test('what a choice throws is answered with 500', async t => {
  const { handset, list, choose } = await open(t)
  handset.show('+14155550100', prompt, () => { throw new Error('broken') })
  t.equal((await choose((await list('14155550100'))[0]?.['id'], 'approve')).status, 500)
})

t.test('the person can decide by hand, for one number and an hour', async t => {
  let now = 0
  const { handset, setMode } = await open(t, { now: () => now })
  t.equal((await setMode({ phoneNumber: '+14155550100', manual: true })).status, 204)
  t.ok(handset.isManual('+14155550100'))
  t.ok(handset.isManual('14155550100'))
  t.notOk(handset.isManual('+14155550102'))
  now = 3_600_001
  t.notOk(handset.isManual('+14155550100'))
  await setMode({ phoneNumber: '+14155550100', manual: true })
  await setMode({ phoneNumber: '+14155550100', manual: false })
  t.notOk(handset.isManual('+14155550100'))
  t.equal((await setMode({ phoneNumber: 'x', manual: true })).status, 400)
})

t.test('items expire and are bounded', async t => {
  let now = 0
  const { handset, list, choose } = await open(t, { now: () => now })
  handset.show('+14155550100', prompt)
  const [old] = await list('14155550100')
  now = 3_600_001
  t.strictSame(await list('14155550100'), [])
  t.equal((await choose(old?.['id'], 'approve')).status, 404)
  for (let index = 0; index < 1001; index += 1) handset.show('+14155550100', { ...prompt, text: String(index) })
  const kept = await list('14155550100')
  t.equal(kept.length, 1000)
  t.equal(kept[0]?.['text'], '1')
})

t.test('pages of this machine may use the phone, others may not', async t => {
  const { url } = await open(t)
  const allowed = async (origin: string, method: string) => {
    const { headers } = await ask(`${url}/handset/items?phoneNumber=14155550100`, method, { origin })
    return headers.get('access-control-allow-origin')
  }
  for (const origin of ['http://localhost:5173', 'http://127.0.0.1', 'https://[::1]:8443']) {
    t.equal(await allowed(origin, 'GET'), origin)
    t.equal(await allowed(origin, 'OPTIONS'), origin)
  }
  for (const origin of ['https://evil.example', 'http://localhost.evil.example', 'http://127.0.0.1.evil.example']) {
    t.equal(await allowed(origin, 'GET'), null)
  }
  const { headers } = await ask(`${url}/handset/items/x`, 'OPTIONS', { origin: 'http://localhost:1' })
  t.equal(headers.get('access-control-allow-headers'), 'content-type')
  const other = await ask(`${url}/v1/default`, 'GET', { origin: 'http://localhost:1' })
  t.equal(other.headers.get('access-control-allow-origin'), null, 'only what a phone does')
})
