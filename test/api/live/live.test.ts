import { get } from 'node:http'
import t from 'tap'
import type { LiveOptions } from '../../../src/api/live/live.ts'
import { StoreUnavailable } from '../../../src/store/record-store.ts'
import { openEvents } from '../../helpers/events.ts'
import { authorization, buildTestServer, phoneNumber } from '../../helpers/server.ts'

type Tap = { teardown (run: () => unknown): void }

const waitUntil = async (isMet: () => boolean): Promise<void> => {
  const until = Date.now() + 5000
  while (!isMet()) {
    if (Date.now() > until) throw new Error('the condition was not met in time')
    await new Promise(resolve => setImmediate(resolve))
  }
}
t.test('without `wait` the response is immediate', async t => {
  const { server, create, calls } = await buildTestServer(t)
  const { id } = await create()
  for (const query of ['', '?wait=0', '?revision=9', '?wait=0&revision=9']) {
    t.equal((await server.inject({ url: `/verifications/${id}${query}`, headers: authorization })).statusCode, 200)
  }
  t.same(calls.slice(1).map(({ name }) => name), ['get', 'get', 'get', 'get'])
})

t.test('with `wait` the response follows the next change', async t => {
  const { server, create, calls, listening } = await buildTestServer(t)
  const { id, revision } = await create()
  calls.length = 0
  const read = async (query: string) => (
    await server.inject({ url: `/verifications/${id}?${query}`, headers: authorization })
  ).json()
  const answers = [read(`wait=30&revision=${revision}`), read('wait=30')]
  await waitUntil(() => listening().now === 1 && calls.length === 2)
  await server.inject({ method: 'POST', url: `/verifications/${id}/cancel`, headers: authorization })
  for (const answer of answers) t.match(await answer, { status: 'canceled', revision: revision + 1 })
  t.same(calls.map(({ name }) => name), ['get', 'get', 'cancel', 'get'], 'one read for both')
  t.match(await read('wait=30'), { status: 'canceled' }, 'a final verification does not wait')
  t.match(await read('wait=30&revision=1'), { status: 'canceled' })
  t.equal(listening().now, 0)
})

t.test('a newer revision is returned immediately', async t => {
  const { server, create } = await buildTestServer(t)
  const { id, revision } = await create()
  t.match(
    (
      await server.inject({ url: `/verifications/${id}?wait=30&revision=${revision - 1}`, headers: authorization })
    ).json(),
    { revision },
  )
})

t.test('the wait ends when its time is over', async t => {
  const { server, create } = await buildTestServer(t)
  const { id, revision } = await create()
  const startedAt = Date.now()
  t.match((await server.inject({
    url: `/verifications/${id}?wait=1&revision=${revision}`, headers: authorization,
  })).json(), { status: 'pending', revision })
  t.ok(Date.now() - startedAt >= 990)
})

t.test('a disconnected client ends the wait', async t => {
  const { create, listening, listen } = await buildTestServer(t)
  const port = await listen()
  const { id } = await create()
  const request = get({ port, host: '127.0.0.1', path: `/verifications/${id}?wait=30`, headers: authorization })
  request.on('error', () => undefined)
  await waitUntil(() => listening().now === 1)
  request.destroy()
  await waitUntil(() => listening().now === 0)
})

t.test('a closing server answers the waiting requests', async t => {
  const { server, create, listening, listen } = await buildTestServer(t)
  const port = await listen()
  const { id } = await create()
  const answer = fetch(`http://127.0.0.1:${port}/verifications/${id}?wait=30`, { headers: authorization })
  await waitUntil(() => listening().now === 1)
  const startedAt = Date.now()
  await Promise.all([server.close(), answer.then(async response => {
    t.equal(response.status, 200)
    t.match(await response.json(), { id, status: 'pending' })
  })])
  t.ok(Date.now() - startedAt < 3000)
})

t.test('a failed read fails the wait', async t => {
  const { server, create, failWith } = await buildTestServer(t)
  const { id } = await create()
  failWith(new Error('boom'))
  t.equal((await server.inject({ url: `/verifications/${id}?wait=1`, headers: authorization })).statusCode, 500)
})

/** A server with a pending verification, and a function that opens its stream. */
async function withStreams (t: Tap, live: LiveOptions = {}) {
  const test = await buildTestServer(t, { live })
  const origin = `http://127.0.0.1:${await test.listen()}`
  const created = await test.create(
    {
      phoneNumber,
      metadata: Object.fromEntries(Array.from({ length: 20 }, (_, index) => [`key${index}`, 'x'.repeat(500)])),
    },
  )
  const open = (query = '', headers: Record<string, string> = authorization, id = created.id) =>
    openEvents(t, `${origin}/verifications/${id}/events${query}`, headers)
  /** A change that can be repeated any number of times. */
  const change = (): void => {
    const record = test.records.get(created.id)
    if (record !== undefined) test.keep({ ...record, revision: record.revision + 1 })
  }
  test.calls.length = 0
  return { ...test, origin, created, open, change, reads: () => test.calls.filter(({ name }) => name === 'get').length }
}

t.test('a stream sends the current state, then each change, with one read for all streams', async t => {
  const { open, change, reads, listening, created } = await withStreams(t)
  const streams = await Promise.all(Array.from({ length: 10 }, () => open()))
  for (const stream of streams) t.match(
    await stream.received(0), { id: created.revision, event: 'verification.updated' },
  )
  const readsBefore = reads()
  change()
  for (const stream of streams) t.match(
    await stream.received(1), { id: created.revision + 1, data: { revision: created.revision + 1 } },
  )
  t.equal(reads(), readsBefore + 1)
  t.same(listening(), { now: 1, ever: 1 })
  for (const stream of streams) stream.close()
  await waitUntil(() => listening().now === 0)
})

t.test('an idle stream sends heartbeats, and reads the record again in case a notification was lost', async t => {
  const { open, records, created, publish } = await withStreams(t, { heartbeatMs: 20 })
  const stream = await open()
  await stream.received(0)
  await waitUntil(() => stream.comments() > 1)
  const record = records.get(created.id)
  if (record === undefined) throw new Error('no record')
  records.set(created.id, { ...record, revision: 7 })
  t.match(await stream.received(1), { id: 7 }, 'no notification was sent')
  publish(created.id, '7')
  t.equal(stream.events.length, 2)
})

t.test('a stream survives a store outage, but not an unreadable record', async t => {
  const { open, change, failWith, lines, reads } = await withStreams(t, { heartbeatMs: 20 })
  failWith(new StoreUnavailable('TIMEOUT'))
  t.match(
    await open(), { status: 503, headers: { 'content-type': 'application/problem+json', 'retry-after': '1' } },
    'an outage at the start is an error response',
  )
  failWith(null)
  const stream = await open()
  await stream.received(0)
  failWith(new StoreUnavailable('TIMEOUT'))
  const readsBefore = reads()
  change()
  await waitUntil(() => reads() > readsBefore + 2)
  t.notOk(stream.hasEnded())
  failWith(null)
  t.match(await stream.received(1), { id: 3 })
  failWith(new Error('boom'))
  t.equal(await stream.ended, 'ended')
  t.ok(lines.some(line => line.includes('stream failed')))
})

t.test('only a slow reader is disconnected', async t => {
  const { open, change, lines, listening } = await withStreams(t)
  const [slow, quick] = [await open(), await open()]
  await quick.received(0)
  slow.pause()
  // More than the socket buffers hold: some megabytes.
  const cut = (): boolean => lines.some(line => line.includes('"cause":"slow"'))
  for (let sent = 0; sent < 5_000 && !cut(); sent += 1) {
    change()
    await new Promise(resolve => setImmediate(resolve))
    if (sent % 20 === 0) await quick.received(sent + 1)
  }
  t.ok(cut())
  t.notOk(quick.hasEnded())
  slow.resume()
  t.equal(await slow.ended, 'cut')
  t.equal(listening().now, 1)
})

t.test('the number of streams is limited', async t => {
  const { open, create, listening } = await withStreams(t, { maxStreams: 4, maxStreamsPerVerification: 2 })
  const streams = [await open(), await open()]
  const refused = await open()
  t.match(refused, { status: 429, headers: { 'retry-after': '5' } })
  await refused.ended
  t.match(JSON.parse(refused.text()), { code: 'rate_limited' })
  const others = [await create(), await create(), await create()]
  streams.push(await open('', authorization, others[0]?.id), await open('', authorization, others[1]?.id))
  const full = await open('', authorization, others[2]?.id)
  t.match(full, { status: 503, headers: { 'retry-after': '5' } })
  await full.ended
  t.match(JSON.parse(full.text()), { code: 'overloaded' })
  for (const stream of streams) {
    t.equal(stream.status, 200)
    stream.close()
  }
  await waitUntil(() => listening().now === 0)
  const again = [await open(), await open()]
  t.match(again, [{ status: 200 }, { status: 200 }], 'slots are released')
  for (const stream of again) stream.close()
})

t.test('a closing server ends its streams, including those that have not started', async t => {
  const { open, server, gateway, listening } = await withStreams(t)
  const stream = await open()
  await stream.received(0)
  let isRead = false
  gateway.get = () => {
    isRead = true
    return new Promise(() => undefined)
  }
  const opening = open()
  await waitUntil(() => isRead)
  const startedAt = performance.now()
  const [early] = await Promise.all([opening, server.close()])
  t.equal(await stream.ended, 'ended')
  t.equal(early.status, 503)
  t.equal(listening().now, 0)
  t.ok(performance.now() - startedAt < 3000)
})

t.test('a client that disconnects before the stream starts leaves no listener', async t => {
  const { listening, gateway, created, origin, lines } = await withStreams(t)
  gateway.get = () => new Promise(() => undefined)
  const request = get(`${origin}/verifications/${created.id}/events`, { headers: authorization })
  request.on('error', () => undefined)
  await waitUntil(() => listening().now === 1)
  request.destroy()
  await waitUntil(() => listening().now === 0)
  t.ok(lines.some(line => line.includes('"cause":"client"')))
})
