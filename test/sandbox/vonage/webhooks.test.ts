import { createHash } from 'node:crypto'
import { jwtVerify } from 'jose'
import t from 'tap'
import { setting, start, until } from '../receiver.ts'
import { begin, call, openOnCellular, silentAuth, sms, type Started } from './client.ts'

const check = async (started: Started, id: unknown, code: string): Promise<void> =>
  void await call(started, `/v2/verify/${String(id)}`, { code })

t.test('webhooks are signed with the signature secret, over the hash of the body', async t => {
  const started = await start(t)
  const { json: { request_id: id } } = await begin(started, [sms('14155550100')], { client_ref: 'ref1' })
  await check(started, id, '0100')
  const received = await started.gateway.first(2)
  const secret = new TextEncoder().encode(setting(started.simulators, 'VONAGE_SIGNATURE_SECRET'))
  t.match(received.map(({ path }) => path), ['/callbacks/vonage', '/callbacks/vonage'])
  for (const { headers: { authorization = '' }, text } of received) {
    const token = authorization.replace('Bearer ', '')
    const { payload } = await jwtVerify(token, secret, { algorithms: ['HS256'] })
    t.match(payload, {
      payload_hash: createHash('sha256').update(text).digest('hex'), iss: 'Vonage', iat: Number, jti: String,
      application_id: setting(started.simulators, 'VONAGE_APPLICATION_ID'), api_key: String,
    })
  }
  const [event, summary] = received.map(({ body }) => body)
  t.match(event, {
    request_id: id, type: 'event', channel: 'sms', status: 'completed', client_ref: 'ref1', channel_timeout: 180,
    triggered_at: /^\d{4}-.*Z$/, finalized_at: /^\d{4}-.*Z$/,
  })
  t.match(summary, {
    request_id: id, type: 'summary', status: 'completed', client_ref: 'ref1', submitted_at: /^\d{4}-.*Z$/,
    channel_timeout: 180, workflow: [{ channel: 'sms', status: 'completed', initiated_at: String }],
  })
})

t.test('a silent authentication that waits, fails, and is followed by a message', async t => {
  const started = await start(t)
  const steps = [silentAuth('14155550101'), sms('14155550101')]
  const { json: { request_id: id, check_url: checkUrl } } = await begin(started, steps)
  await openOnCellular(started, checkUrl)
  const [waiting, failed] = (await started.gateway.first(2)).map(({ body }) => body)
  t.match(waiting, {
    request_id: id, type: 'event', channel: 'silent_auth', status: 'action_pending',
    action: { type: 'check', check_url: checkUrl },
  })
  t.match(failed, { channel: 'silent_auth', status: 'user_rejected' })
  for (const code of ['1111', '1112', '1113']) await check(started, id, code)
  const [, , , summary] = await started.gateway.first(4)
  t.match(summary?.body, {
    type: 'summary', status: 'failed', workflow: [{ status: 'user_rejected' }, { status: 'failed' }],
  })
})

t.test('repeated, reordered, and sent again where the gateway has not taken it', async t => {
  const repeated = await start(t)
  const first = await begin(repeated, [sms('14155550594')])
  await check(repeated, first.json['request_id'], '0594')
  t.strictSame((await repeated.gateway.first(6)).map(({ body }) => body['type']), [
    'event', 'event', 'event', 'summary', 'summary', 'summary',
  ])
  const reordered = await start(t)
  const second = await begin(reordered, [silentAuth('14155550595'), sms('14155550595')])
  const id = String(second.json['request_id'])
  await call(reordered, `/v2/verify/${id}/next_workflow`)
  await check(reordered, id, '0595')
  t.strictSame((await reordered.gateway.first(4)).map(({ body }) => body['status'] ?? body['type']), [
    'completed', 'action_pending', 'failed', 'completed',
  ])
  t.equal(reordered.gateway.received[0]?.body['type'], 'summary')
  const statuses = [503, 302]
  const refusing = await start(t, { answer: ({ body }) => body['type'] === 'event' ? statuses.shift() ?? 204 : 204 })
  const third = await begin(refusing, [sms('14155550100')])
  await check(refusing, third.json['request_id'], '0100')
  await until(() => refusing.gateway.received.filter(({ body }) => body['type'] === 'event').length === 3)
})
