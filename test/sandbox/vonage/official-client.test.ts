import { Channels } from '@vonage/verify2'
import t from 'tap'
import { setting, start } from '../receiver.ts'
import { clientOf, itemsOf, openOnCellular, shownCode, silentAuth, sms } from './client.ts'

const digits = '14155550142'

t.test('a code by each channel', async t => {
  const started = await start(t)
  const client = clientOf(started)
  const from = setting(started.simulators, 'VONAGE_WHATSAPP_FROM')
  const workflows = {
    sms: sms('14155550110'), voice: { channel: Channels.VOICE, to: '14155550112' } as const,
    whatsapp: { channel: Channels.WHATSAPP, to: '14155550114', from } as const,
  }
  for (const [channel, step] of Object.entries(workflows)) {
    const { requestId, checkUrl } = await client.newRequest({ brand: 'ACME', codeLength: 6, workflow: [step] })
    t.match(requestId, /^[\w-]{36}$/, channel)
    t.equal(checkUrl, undefined, channel)
    const [item, ...more] = await itemsOf(started, step.to)
    t.strictSame(more, [], channel)
    t.match(item, { provider: 'vonage', kind: channel === 'voice' ? 'call' : 'message', code: step.to.slice(-6) })
    t.equal(await client.checkCode(requestId, step.to.slice(-6)), 'completed', channel)
  }
})

t.test('a silent authentication', async t => {
  const started = await start(t)
  const client = clientOf(started)
  const workflow = [{ ...silentAuth(digits), redirectUrl: 'https://app.example/done' }]
  const { requestId, checkUrl } = await client.newRequest({ brand: 'ACME', workflow })
  const { location } = await openOnCellular(started, checkUrl)
  const fragment = new URLSearchParams(new URL(String(location)).hash.slice(1))
  t.equal(fragment.get('request_id'), requestId)
  t.equal(await client.checkCode(requestId, fragment.get('code') ?? ''), 'completed')
})

t.test('the next event of a workflow, and the last one', async t => {
  const started = await start(t)
  const client = clientOf(started)
  const workflow = [{ ...silentAuth(digits), redirectUrl: 'https://app.example/done' }, sms(digits)]
  const { requestId } = await client.newRequest({ brand: 'ACME', workflow })
  t.equal(await shownCode(started, digits), undefined)
  t.equal(await client.nextWorkflow(requestId), true)
  t.equal(await shownCode(started, digits), '0142')
  t.equal(await client.nextWorkflow(requestId), false)
  t.equal(await client.checkCode(requestId, '0142'), 'completed')
})

t.test('a request is canceled from 30 seconds after its start', async t => {
  // JWTs of the client have the real time.
  let passedMs = 0
  const started = await start(t, { now: () => Date.now() + passedMs })
  const client = clientOf(started)
  const workflow = [sms(digits)]
  const { requestId } = await client.newRequest({ brand: 'ACME', workflow })
  t.equal(await client.cancel(requestId), false)
  passedMs = 30_000
  t.equal(await client.cancel(requestId), true)
  t.equal(await client.cancel(requestId), false)
  t.match(await client.newRequest({ brand: 'ACME', workflow }), { requestId: String })
})

t.test('errors have a status and problem details', async t => {
  const started = await start(t)
  const client = clientOf(started)
  const statusOf = (work: Promise<unknown>): Promise<unknown> => work.then(
    () => 'no error', ({ response }: { response?: Response }) => response?.status,
  )
  const { requestId } = await client.newRequest({ brand: 'ACME', workflow: [sms(digits)] })
  t.equal(await statusOf(client.newRequest({ brand: 'ACME', workflow: [sms(digits)] })), 409)
  t.equal(await statusOf(client.newRequest({ brand: 'A/B', workflow: [sms(digits)] })), 422)
  t.equal(await statusOf(client.checkCode(requestId, '9999')), 400)
  t.equal(await statusOf(client.checkCode(requestId, '9999')), 400)
  t.equal(await statusOf(client.checkCode(requestId, '9999')), 410)
  t.equal(await statusOf(client.checkCode('c11236f4-00bf-4b89-84ba-88b25df97315', '9999')), 404)
})
