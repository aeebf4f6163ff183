import t from 'tap'
import { ask, start, until } from '../receiver.ts'
import { choose, itemsOf, json, post, refused, statusOf, type Started } from './client.ts'

const initiate = (started: Started, phoneNumber: unknown, more: object = {}) =>
  post(started, '/auth/v1/initiate/voice_approval', { phoneNumber, ...more })
const isStatus = (started: Started, requestId: unknown, status: string) => async () =>
  (await statusOf(started, requestId)).json['status'] === status

t.test('the call is answered, and the status says so', async t => {
  const started = await start(t)
  const answer = await initiate(started, '919999999900')
  t.equal(answer.status, 200)
  t.strictSame(Object.keys(answer.json), ['requestId'])
  const { requestId } = answer.json
  t.match(await itemsOf(started, '+919999999900'), [{
    kind: 'call', choices: [{ id: 'approve' }, { id: 'decline' }],
  }])
  await until(isStatus(started, requestId, 'SUCCESS'))
  t.match((await statusOf(started, requestId)).json, {
    token: String, status: 'SUCCESS', completedAt: Number, identities: [{
      identityType: 'MOBILE', identityValue: '919999999900', channel: 'VOICE_APPROVAL', methods: ['VOICE_CALL'],
      verified: true, verifiedTimestamp: Number,
    }],
  })
  t.match((await started.gateway.first(2)).map(({ body }) => body), [
    { data: { status: 'INITIATED', authenticationDetails: { phone: { method: 'VOICE_APPROVAL' } } } },
    { data: { status: 'SUCCESS', authenticationDetails: { phone: { requestId } } } },
  ])
})

t.test('the number has no +', async t => {
  const started = await start(t)
  for (const wrong of ['+919999999900', 919999999900, '', undefined]) {
    refused(t, await initiate(started, wrong), 400, '7102', String(wrong))
  }
  refused(t, await initiate(started, '919999999900', { metadata: {} }), 400, '7101')
  refused(t, await post(started, '/auth/v1/status', {}), 400, '7119')
  refused(t, await statusOf(started, ''), 400, '7119')
  refused(t, await statusOf(started, 'unknown'), 400, '7114')
  refused(t, await post(started, '/auth/v1/status', { requestId: 'x', other: 1 }), 400, '7101')
})

t.test('by hand: nothing happens until the person decides', async t => {
  const started = await start(t)
  for (const [number, choice, status] of [
    ['919999999900', 'decline', 'DECLINE'], ['919999999990', 'approve', 'SUCCESS'],
  ] as const) {
    await ask(`${started.simulators.url}/handset/mode`, 'PUT', json, { phoneNumber: number, manual: true })
    const { json: { requestId } } = await initiate(started, number)
    t.strictSame((await statusOf(started, requestId)).json, {
      status: 'PENDING', message: 'Authentication not completed, please try again later.',
    })
    const [item] = await itemsOf(started, number)
    t.equal((await choose(started, item, choice)).status, 200)
    t.match((await statusOf(started, requestId)).json, { status })
  }
})

t.test('scenarios', async t => {
  let now = Date.now()
  const started = await start(t, { now: () => now, slowMs: 120 })
  const ends = async (phoneNumber: string, status: string) => {
    const { json: { requestId } } = await initiate(started, phoneNumber)
    await until(isStatus(started, requestId, status))
    return (await statusOf(started, requestId)).json
  }
  t.match(await ends('919999999901', 'SUCCESS'), { identities: [{ identityValue: '919999999902' }] })
  t.strictSame(
    await ends('919999999990', 'DECLINE'),
    { status: 'DECLINE', message: 'Authentication failed. User declined the authentication.' },
  )
  const askedAt = performance.now()
  await ends('919999999993', 'SUCCESS')
  t.ok(performance.now() - askedAt >= 115)
  t.match(await ends('919998881198', 'SUCCESS'), {
    token: null, completedAt: String, identities: [null, { identityValue: 919998881198 }],
  })

  refused(t, await initiate(started, '919999999991'), 400, '7103')
  for (const suffix of ['96', '99']) t.equal((await initiate(started, `9199999999${suffix}`)).status, 500)
  t.match((await initiate(started, '919999999998')).type, /^text\/html/)
  const flaky = await initiate(started, '919999999997')
  for (const status of [500, 500, 200]) {
    t.equal((await statusOf(started, flaky.json['requestId'])).status, status)
  }
  const before = started.gateway.received.length
  const early = await initiate(started, '919999999995')
  t.match(started.gateway.received[before]?.body, { data: { status: 'SUCCESS' } }, 'before the answer')
  t.match((await statusOf(started, early.json['requestId'])).json, { status: 'SUCCESS' })

  const silent = await initiate(started, '919999999992')
  t.strictSame(await itemsOf(started, '919999999992'), [])
  t.match((await statusOf(started, silent.json['requestId'])).json, { status: 'PENDING' })
  now += 300_000
  refused(t, await statusOf(started, silent.json['requestId']), 400, '7172')
  const expired = await initiate(started, '919998882199')
  refused(t, await statusOf(started, expired.json['requestId']), 400, '7172')
})
