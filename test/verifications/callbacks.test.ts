import t from 'tap'
import type { Received, Refused } from '../../src/adapters/adapter.ts'
import { StoreUnavailable } from '../../src/store/record-store.ts'
import { callbackUrl } from '../../src/verifications/provider-calls.ts'
import { errorCode, goodCode, openTestbed, publicUrl, type SetUpOptions } from '../helpers/verifications.ts'
import type { CreateRequest } from '../../src/verifications/create.ts'

const { setUp } = await openTestbed(t)
type Message<R = Received> = R extends Received ? Omit<R, 'key' | 'providerId'> : never

/** A verification, and callbacks about its attempts; `send` returns how the callback was counted. */
async function wait (request: CreateRequest = {}, options?: SetUpOptions) {
  const room = setUp(options)
  const { id } = await room.create(request)
  const keyOf = (attempt = 0): string => room.ids.callbackKey(id, attempt, 'callback')
  const counts = async () => {
    const text = await room.metrics.registry.metrics()
    return new Map(
      Array.from(text.matchAll(/^verigate_callbacks_total\{(.*)\} (\d+)$/gm), ([, labels, n]) => [labels, n]),
    )
  }
  async function receive (body: unknown, key: string | null = keyOf(), provider = 'toy') {
    const before = await counts()
    const { result } = await room.gateway.receive(provider, { key, headers: {}, rawBody: Buffer.alloc(0), body })
    const raised = [...await counts()].filter(([labels, n]) => before.get(labels) !== n).map(([labels]) => labels)
    t.strictSame(raised.map(labels => /result="(\w+)"/.exec(labels ?? '')?.[1]), [result], 'it is counted')
    return result
  }
  const send = (message: Message | Refused, key?: string, provider?: string) => receive(message, key, provider)
  return { ...room, id, keyOf, receive, send, current: async () => (await room.read(id)).record }
}
const evidence = (value: { code: string } | { token: string } = { code: goodCode }) =>
  ({ type: 'evidence', evidence: value }) as const

t.test('evidence is accepted once; a job resolves it', async t => {
  const { send, id, jobsOf, toy, current, gateway } = await wait()
  t.equal(await send(evidence()), 'accepted')
  t.match(
    (await current()).attempts, [{ phase: 'resolving', evidence: { from: 'provider', value: { code: goodCode } } }],
  )
  t.equal((await jobsOf(id)).length, 1)
  t.strictSame(toy.called('resolve'), [], 'the provider waits for its answer')
  t.equal(await send(evidence()), 'duplicate')
  await gateway.resolve(id, false)
  t.equal(await send(evidence()), 'late')
  t.equal((await current()).status, 'verified')
})

t.test('what the other messages change', async t => {
  const web = await wait({ workflow: ['toy.web', 'toy.code'] })
  t.equal(await web.send({ type: 'opened' }), 'accepted')
  t.match((await web.current()).attempts, [{ action: { type: 'approveOnDevice', app: 'toy' } }])
  t.equal(await web.send({ type: 'opened' }), 'duplicate')
  const action = { type: 'submitCode', length: 4, channels: ['SMS'] } as const
  t.equal(await web.send({ type: 'updated', state: { ref: 7 }, action: { ...action, channels: ['SMS'] } }), 'accepted')
  t.match((await web.current()).attempts, [{ state: { ref: 7 }, action }])
  const { revision } = await web.current()
  t.equal(await web.send({ type: 'noted' }), 'accepted')
  t.equal((await web.current()).revision, revision)
  t.equal(await web.send({ type: 'denied', reason: 'user_rejected' }), 'accepted')
  t.match(await web.current(), { status: 'failed', reason: 'user_rejected' })
  t.equal(await web.send({ type: 'denied', reason: 'user_rejected' }), 'late')
})

t.test('delivery receipts: shown, counted, and late when the attempt has ended', async t => {
  const { send, current, gateway, id, count, keyOf } = await wait()
  const report = (status: 'sent' | 'delivered' | 'read' | 'failed', channel: string, key = keyOf()) =>
    send({ type: 'delivery', delivery: { status, channel, at: 5 } }, key)
  const { revision } = await current()
  t.equal(await report('delivered', 'whatsapp'), 'accepted')
  t.match(await current(), { revision: revision + 1, attempts: [{ receipts: [{ status: 'delivered' }] }] })
  t.equal(await report('sent', 'whatsapp'), 'duplicate')
  t.equal(await report('delivered', 'whatsapp'), 'duplicate')
  t.equal(await report('sent', '+14155550100'), 'accepted')
  t.equal((await current()).revision, revision + 1, 'the one that is shown stays')
  await gateway.cancel(id)
  t.equal(await report('read', 'whatsapp'), 'late')
  t.match((await current()).attempts, [{ receipts: [{ status: 'delivered' }, { status: 'sent' }] }])
  const counted = (labels: Record<string, string> = {}) => count('verigate_delivery_receipts_total', labels)
  t.equal(await counted({ provider: 'toy', channel: 'whatsapp', status: 'delivered' }), 1)
  t.equal(await counted({ provider: 'toy', channel: 'other', status: 'sent' }), 1, 'no text of a provider is a label')
  t.equal(await counted({ provider: 'toy', channel: 'whatsapp', status: 'read' }), 1, 'a late one is counted, too')
  t.equal(await counted(), 3)
})

t.test('a rejection does not revoke evidence that is being checked', async t => {
  const { send, current } = await wait()
  await send(evidence())
  t.equal(await send({ type: 'denied', reason: 'user_rejected' }), 'duplicate')
  t.equal((await current()).status, 'pending')
})

t.test('evidence of an attempt that has ended, or whose time is over, is late', async t => {
  const { send, gateway, id, current, pass, keyOf } = await wait()
  pass(30_000)
  await gateway.next(id, 'abandoned')
  t.equal(await send(evidence()), 'late')
  t.match((await current()).attempts[1], { phase: 'waiting' })
  pass(60_000)
  t.equal(await send({ ...evidence() }, keyOf(1), 'other'), 'late')
  t.match(await current(), { status: 'expired', reason: 'attempt_timeout' })
})

t.test('evidence that another attempt has used is replayed', async t => {
  const first = await wait({ workflow: ['toy.token'] })
  const { create, gateway, ids, current } = first
  t.equal(await first.send(evidence({ token: 'one' })), 'accepted')
  const second = await create({ workflow: ['toy.token'], phoneNumber: '+14155550102' })
  t.equal(await first.send(evidence({ token: 'one' }), ids.callbackKey(second.id, 0, 'callback')), 'replayed')
  t.equal((await gateway.get(second.id)).revision, second.revision)
  t.match((await current()).attempts, [{ phase: 'resolving' }])
})

t.test('what is not understood, or not for this provider', async t => {
  const { send, receive, id, ids, keyOf, gateway, current, store } = await wait()
  const { revision } = await current()
  t.equal(await receive(null), 'malformed')
  t.equal(await receive('text'), 'malformed')
  t.equal(await send({ type: 'refused', cause: 'signature_invalid' }), 'signature_invalid')
  t.equal(await send(evidence(), 'invented'), 'unknown')
  t.equal(await send(evidence(), ids.callbackKey(id, 0, 'redirect')), 'unknown', 'a key of a browser redirect')
  t.equal(await send(evidence(), ids.callbackKey(ids.newId('shop', 0), 0, 'callback')), 'unknown', 'no such record')
  t.equal(await send(evidence(), keyOf(), 'other'), 'wrong_provider')
  t.equal(await send(evidence(), keyOf(1)), 'wrong_provider', 'the second step is of the other provider')
  t.equal(await send(evidence(), keyOf(7)), 'wrong_provider', 'no such step')
  t.equal(await send(evidence(), keyOf(1), 'other'), 'late', 'not the pending attempt')
  t.equal((await current()).revision, revision, 'nothing has changed')
  const callback = { key: null, headers: {}, rawBody: Buffer.alloc(0), body: {} }
  t.equal(await errorCode(gateway.receive('absent', callback)), 'not_found')
  await store.erase(id, { publish: 'erased' })
  t.equal(await send(evidence()), 'unknown', 'erased')
})

t.test('a verification that is erased between the read and the write', async t => {
  let erases = false
  const { send, store, id } = await wait({}, {
    wrapStore: store => ({
      ...store, async save (each, ...rest) {
        if (erases) await store.erase(each, { publish: 'erased' })
        return store.save(each, ...rest)
      },
    }),
  })
  erases = true
  t.equal(await send(evidence()), 'unknown')
  t.equal(await store.load(id), null)
})

t.test('the adapter sees the public URL of the callback', async t => {
  const { send, toy, adapters, keyOf } = await wait()
  const urls: string[] = []
  const guarded = adapters.get('toy')
  const receive = toy.adapter.receive
  if (guarded === undefined || receive === undefined) throw new Error('no adapter')
  guarded.receive = callback => {
    urls.push(callback.url)
    return receive(callback)
  }
  t.equal(await send(evidence()), 'accepted')
  t.strictSame(urls, [callbackUrl(publicUrl, 'toy', keyOf())])
})

t.test('a callback that names the attempt by the provider\'s own id', async t => {
  const { gateway, app, toy, receive } = await wait({}, { shop: { allowedReturnUrls: ['https://a.example/'] } })
  toy.answers.start = async () => ({ state: null, action: { type: 'answerCall' }, id: 'theirs' })
  const request = { phoneNumber: '+14155550102', workflow: ['toy.operator'], returnUrl: 'https://a.example/' }
  const { id } = await gateway.create(app, request, null)
  const message = { providerId: 'theirs', ...evidence() }
  t.equal(await receive({ ...message, providerId: 'unknown' }), 'unknown')
  t.equal(await receive(message), 'accepted')
  t.match((await gateway.get(id)).attempts, [{ phase: 'resolving', evidence: { from: 'provider' } }])
  toy.answers.start = async () => ({ state: null, action: { type: 'answerCall' }, id: 'hidden' })
  await gateway.create(app, { phoneNumber: '+14155550104', workflow: ['toy.code'] }, null)
  t.equal(await receive({ ...message, providerId: 'hidden' }), 'unknown', 'a method whose callbacks have our key')
})

t.test('a callback is answered when enough replicas have its change', async t => {
  let isBehind = false
  const { send } = await wait({}, {
    wrapStore: store => ({
      ...store,
      async untilReplicated () { if (isBehind) throw new StoreUnavailable('UNREPLICATED') },
    }),
  })
  isBehind = true
  await t.rejects(send(evidence()), { code: 'UNREPLICATED' })
})
