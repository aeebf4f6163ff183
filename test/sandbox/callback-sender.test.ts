import t, { type Test } from 'tap'
import { createCallbackSender } from '../../src/sandbox/callback-sender.ts'
import { createTimers } from '../../src/sandbox/timers.ts'
import { startReceiver, until } from './receiver.ts'

function build (t: Test, options: { timeoutMs?: number, maxWaiting?: number } = {}) {
  const errors: string[] = []
  const timers = createTimers()
  const sender = createCallbackSender({ timers, onError: message => errors.push(message), ...options })
  t.teardown(async () => {
    timers.stop()
    await sender.close()
  })
  return { sender, errors, timers }
}

const callback = { provider: 'example', body: { requestId: 'abc' }, retryDelaysMs: [1, 2, 3], copies: 1 }

t.test('one POST of JSON, and silence after a 2xx', async t => {
  const receiver = await startReceiver(t, () => 202)
  const { sender, errors } = build(t)
  await sender.send({ ...callback, url: `${receiver.url}/hook`, headers: async () => ({ 'x-extra': 'yes' }) })
  const headers = { 'content-type': 'application/json', 'x-extra': 'yes' }
  t.match(receiver.received, [{ path: '/hook', body: { requestId: 'abc' }, headers }])
  t.equal(receiver.received.length, 1)
  t.strictSame(errors, [])
})

t.test('copies are sent at once', async t => {
  const receiver = await startReceiver(t)
  const { sender } = build(t)
  await sender.send({ ...callback, url: receiver.url, copies: 3 })
  t.equal(receiver.received.length, 3)
})

t.test('anything but 2xx is tried again on the schedule, redirects too', async t => {
  const statuses = [500, 404, 302, 200]
  const receiver = await startReceiver(t, () => statuses.shift())
  const { sender, errors } = build(t)
  await sender.send({ ...callback, url: receiver.url })
  await receiver.first(4)
  t.strictSame(new Set(receiver.received.map(({ path }) => path)), new Set(['/']))
  t.strictSame(errors, [])
})

t.test('it is given up after the last pause, and the error says nothing of the content', async t => {
  const receiver = await startReceiver(t, () => 503)
  const { sender, errors } = build(t)
  await sender.send({ ...callback, url: receiver.url })
  await until(() => errors.length > 0)
  t.equal(receiver.received.length, 4)
  t.strictSame(errors, ['example callback given up after 4 tries, the last one ended with 503'])
})

t.test('an answer that does not come in time counts as none', async t => {
  let asked = 0
  const receiver = await startReceiver(t, () => (asked += 1) === 1 ? undefined : 200)
  const { sender } = build(t, { timeoutMs: 30 })
  void sender.send({ ...callback, url: receiver.url })
  await receiver.first(2)
  t.equal(receiver.received.length, 2)
})

t.test('an unreachable receiver, a bad URL and failing headers never reject', async t => {
  const { sender, errors } = build(t)
  await sender.send({ ...callback, url: 'http://127.0.0.1:1/', retryDelaysMs: [] })
  await sender.send({ ...callback, url: 'nowhere', retryDelaysMs: [] })
  await sender.send(
    { ...callback, url: 'http://127.0.0.1:1/', headers: () => Promise.reject('no key'), retryDelaysMs: [] },
  )
  t.match(errors, [/Error$/, /TypeError$/, /error$/])
})

t.test('the number of waiting tries is bounded', async t => {
  const { sender, errors } = build(t, { maxWaiting: 1 })
  const slow = { ...callback, url: 'http://127.0.0.1:1/', retryDelaysMs: [60_000] }
  await sender.send({ ...slow, copies: 3 })
  t.equal(errors.length, 2)
})

t.test('close ends a try under way, quietly', async t => {
  const receiver = await startReceiver(t, () => undefined)
  const { sender, errors, timers } = build(t)
  const sent = sender.send({ ...callback, url: receiver.url, retryDelaysMs: [] })
  await receiver.first(1)
  timers.stop()
  await sender.close()
  await sent
  t.strictSame(errors, [])
})
