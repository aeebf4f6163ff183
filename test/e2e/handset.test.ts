import t from 'tap'
import { request } from 'undici'
import type { ShownItem } from '../../src/sandbox/handset.ts'
import { startGateway } from '../helpers/gateway.ts'
import { until } from '../helpers/redis.ts'
import { numberEnding, openDeepLink, post, readMetric } from './end-user.ts'

t.test('a person answers the prompts of Truecaller by hand', async t => {
  const { shop, simulators, url } = await startGateway(t)

  async function ask (method: string, number: string) {
    const phoneNumber = numberEnding(number)
    await request(`${simulators.url}/handset/mode`, {
      method: 'PUT', headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ phoneNumber, manual: true }),
    })
    const { body } = await shop.create({ phoneNumber, workflow: [method] })
    if (method === 'truecaller.web') await openDeepLink(simulators, body['nextAction'].url, phoneNumber)
    const items = `${simulators.url}/handset/items?phoneNumber=${encodeURIComponent(phoneNumber)}`
    let shown: ShownItem[] = []
    await until(async () => {
      shown = ((await (await request(items)).body.json()) as { data: ShownItem[] }).data
      return shown.length > 0
    }, 'the phone shows a prompt')
    const choose = (choice: string) => post(`${simulators.url}/handset/items/${shown[0]?.id}`, { choice })
    return { id: String(body['id']), choose, choices: shown[0]?.choices.map(({ id }) => id) }
  }

  const ends = {
    approve: { status: 'verified', reason: null }, reject: { status: 'failed', reason: 'user_rejected' },
    another_number: { status: 'failed', reason: 'abandoned' }, close: { status: 'failed', reason: 'abandoned' },
  }
  for (const [choice, end] of Object.entries(ends)) {
    // The suffix would let the user refuse, and the person decides otherwise.
    const { id, choose, choices } = await ask('truecaller.web', '90')
    t.strictSame(choices, Object.keys(ends))
    t.match(await shop.waitFor(id, ({ nextAction }) => nextAction?.type === 'approveOnDevice'), { status: 'pending' })
    t.equal((await choose(choice)).status, 200)
    t.match(await shop.waitFor(id), end, choice)
  }

  const approved = await ask('truecaller.push', '92')
  await approved.choose('approve')
  t.match(await shop.waitFor(approved.id), ends.approve)
  const received = () => readMetric(url, 'verigate_callbacks_total{provider="truecaller",result="accepted"}')
  const before = await received()
  t.ok(before > 0)
  const refused = await ask('truecaller.push', '02')
  t.equal((await refused.choose('reject')).status, 200)
  t.equal(await received(), before, 'Truecaller has no callback for that')
  t.match((await shop.call('GET', `/verifications/${refused.id}`)).body, { status: 'pending' })
})
