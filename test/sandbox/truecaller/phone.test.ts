import t from 'tap'
import { ask, setting, start } from '../receiver.ts'

type Started = Awaited<ReturnType<typeof start>>
type Item = { id: string, kind: string, title: string, choices: { id: string }[] }
const json = { 'content-type': 'application/json' }

const setManual = ({ simulators }: Started, phoneNumber: string) =>
  ask(`${simulators.url}/handset/mode`, 'PUT', json, { phoneNumber, manual: true })

async function items ({ simulators }: Started, phoneNumber: string): Promise<Item[]> {
  const { json: { data } } = await ask(`${simulators.url}/handset/items?phoneNumber=${phoneNumber}`, 'GET')
  return data as Item[]
}

const choose = ({ simulators }: Started, item: Item | undefined, choice: string) =>
  ask(`${simulators.url}/handset/items/${item?.id}`, 'POST', json, { choice })

const push = ({ simulators }: Started, phoneNumber: number) => ask(
  `${simulators.url}/v1/apps/requests`, 'POST', { ...json, appKey: setting(simulators, 'TRUECALLER_APP_KEY') },
  { phoneNumber },
)

function open ({ simulators }: Started, phoneNumber: string, requestNonce: string) {
  const partnerKey = setting(simulators, 'TRUECALLER_APP_KEY')
  const parameters = new URLSearchParams({ type: 'btmsheet', requestNonce, partnerKey, partnerName: 'Sandbox' })
  const url = `truecallersdk://truesdk/web_verify?${parameters}`
  return ask(`${simulators.url}/handset/open`, 'POST', json, { url, phoneNumber })
}

t.test('push: a person approves by hand, or says "not me", of which Truecaller says nothing', async t => {
  const started = await start(t)
  for (const digits of ['46760123056', '46760123090', '46760123092']) await setManual(started, digits)
  await push(started, 46760123056)
  await push(started, 46760123090)
  await push(started, 46760123002)
  await started.gateway.first(1)
  const [prompt] = await items(started, '46760123056')
  t.match(prompt, { kind: 'prompt', title: 'Truecaller', choices: [{ id: 'approve' }, { id: 'reject' }] })
  t.equal(started.gateway.received.length, 1, 'only the number without a person has called back')
  t.equal((await choose(started, prompt, 'approve')).status, 200)
  t.match(started.gateway.received[1]?.body, { requestId: String, accessToken: String })
  const [refused] = await items(started, '46760123090')
  t.equal((await choose(started, refused, 'reject')).status, 200)
  t.equal(started.gateway.received.length, 2)
})

t.test('web: every choice of the dialog', async t => {
  const started = await start(t)
  for (const [place, [choice, said]] of [
    ['approve', undefined], ['reject', 'user_rejected'], ['another_number', 'use_another_number'],
    ['close', 'flow_cancelled'],
  ].entries()) {
    const phoneNumber = `4676012340${place}`
    const requestId = `nonce-of-${phoneNumber}`
    await setManual(started, phoneNumber)
    await open(started, phoneNumber, requestId)
    const received = await started.gateway.first(2 * place + 1)
    t.match(received.at(-1)?.body, { requestId, status: 'flow_invoked' }, 'the dialog is open')
    let prompt: Item | undefined
    while (prompt === undefined) [prompt] = await items(started, phoneNumber)
    await choose(started, prompt, String(choice))
    const body = started.gateway.received[2 * place + 1]?.body
    t.strictSame(body?.['status'], said)
    t.equal('accessToken' in (body ?? {}), said === undefined)
  }
})

t.test('a person who is faster than the suffix decides, once', async t => {
  const started = await start(t, { handsetDelayMs: 300 })
  await push(started, 46760123056)
  await choose(started, (await items(started, '46760123056'))[0], 'approve')
  t.equal(started.gateway.received.length, 1)
  await push(started, 46760123002)
  await started.gateway.first(2)
  t.equal(started.gateway.received.length, 2, 'the timer of the first has fired before that of the second')
})

t.test('a silent number sees no prompt, unless a person decides by hand', async t => {
  const started = await start(t)
  await push(started, 46760123092)
  t.strictSame(await items(started, '46760123092'), [])
  await setManual(started, '46760124092')
  await push(started, 46760124092)
  await choose(started, (await items(started, '46760124092'))[0], 'approve')
  t.equal(started.gateway.received.length, 1)
})

t.test('web: the user wants to use another number', async t => {
  const started = await start(t)
  await open(started, '46760182090', 'nonce-0123456789')
  const said = (await started.gateway.first(2)).map(({ body }) => body['status'])
  t.strictSame(said, ['flow_invoked', 'use_another_number'])
})
