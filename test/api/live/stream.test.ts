import { setImmediate as turn } from 'node:timers/promises'
import Fastify from 'fastify'
import t, { type Test } from 'tap'
import { Stream } from '../../../src/api/live/stream.ts'
import { createVerification, decide } from '../../../src/core/decide.ts'
import { ApiError } from '../../../src/core/errors.ts'
import type { Verification } from '../../../src/core/verification.ts'
import { StoreUnavailable } from '../../../src/store/record-store.ts'
import { openEvents } from '../../helpers/events.ts'

const pending: Verification = createVerification({
  id: 'ver_1', appId: 'app', phoneNumber: null, reference: null, metadata: {}, locale: null, device: {},
  returnUrl: null, includeProfile: false, minAssurance: 1,
  workflow: [{ method: 'otpless.otp', timeoutMs: 1, options: {}, isRepeatable: false, continueWhenRejected: false }],
  expiresAt: 1, webhookEvents: [], idempotency: null,
}, 0).next
const state = (revision: number): Verification => ({ ...pending, revision })
const finalState = (revision: number): Verification => {
  const canceled = decide(pending, { type: 'canceled', reason: 'app_canceled' }, 0)?.next
  if (canceled === undefined) throw new Error('not canceled')
  return { ...canceled, revision }
}

/** A server whose only route responds with a stream. `opening` resolves when the stream waits for its first state. */
async function serve (t: Test, { after = null, padding = '' }: { after?: number | null, padding?: string } = {}) {
  const lines: string[] = []
  const server = Fastify({ logger: { stream: { write: (line: string) => { lines.push(line) } } } })
  const opening = Promise.withResolvers<Stream>()
  let closed = 0
  const frame = (before: Verification | null, { revision }: Verification): string =>
    `id: ${revision}\nevent: from.${before?.revision ?? 'none'}\ndata: {"padding":"${padding}"}\n\n`
  server.get('/', async (_request, reply) => {
    const stream = new Stream('ver_1', reply, { after, frame }, () => { closed += 1 })
    opening.resolve(stream)
    await stream.started
    return reply
  })
  t.teardown(() => server.close())
  const response = openEvents(t, await server.listen({ port: 0, host: '127.0.0.1' }))
  const causes = (): unknown[] => lines.map(line => JSON.parse(line)).filter(({ msg }) => msg === 'stream ended')
  return { response, stream: await opening.promise, closed: () => closed, causes, lines }
}

t.test('it sends the first state, then each newer one, and ends after a final one', async t => {
  const { response, stream, closed, causes } = await serve(t)
  stream.next(state(4))
  for (const revision of [4, 6, 6]) stream.next(state(revision))
  t.equal(closed(), 0)
  stream.next(finalState(7))
  const { status, headers, ended, events, text } = await response
  t.equal(await ended, 'ended')
  t.match({ status, headers }, { status: 200, headers: { 'content-type': 'text/event-stream' } })
  t.match(text(), /^retry: [12]\d{3}\n\nid: 4\n/)
  t.strictSame(
    events.map(({ id, event }) => [id, event]), [[4, 'from.none'], [6, 'from.4'], [7, 'from.6']],
    'a revision is sent once',
  )
  stream.stop()
  t.equal(closed(), 1)
  t.match(causes(), [{ verificationId: 'ver_1', cause: 'final', events: 3 }])
})

t.test('a client that has the current state receives the next one', async t => {
  const { response, stream } = await serve(t, { after: 4 })
  stream.next(state(4))
  stream.next(finalState(5))
  const { ended, events } = await response
  await ended
  t.strictSame(events.map(({ id, event }) => [id, event]), [[5, 'from.4']])
})

t.test('a client that has the final state receives 204', async t => {
  const { response, stream, closed, causes } = await serve(t, { after: 4 })
  stream.next(finalState(4))
  t.equal((await response).status, 204)
  t.equal(closed(), 1)
  t.match(causes(), [{ cause: 'up to date', events: 0 }])
})

t.test('before the first state there is no heartbeat, and an error is the response', async t => {
  const { response, stream, closed, causes } = await serve(t)
  t.equal(stream.beat(), false)
  stream.error(new ApiError('overloaded', 'Overloaded.'))
  t.equal((await response).status, 503)
  t.equal(closed(), 1)
  t.match(causes(), [{ cause: 'not started' }])
})

t.test('stopped before the first state it responds 503', async t => {
  const { response, stream, closed } = await serve(t)
  stream.stop()
  t.equal((await response).status, 503)
  t.equal(closed(), 1)
})

t.test('stopped later it ends the response', async t => {
  const { response, stream, causes } = await serve(t)
  stream.next(state(1))
  stream.stop()
  t.equal(await (await response).ended, 'ended')
  t.match(causes(), [{ cause: 'stopping', events: 1 }])
})

t.test('an outage of the store does not end it; erasure and other errors do', async t => {
  for (const [error, cause] of [[new ApiError('gone', 'Erased.'), 'erased'], [new Error('boom'), 'failed']] as const) {
    const { response, stream, closed, causes, lines } = await serve(t)
    stream.next(state(1))
    stream.error(new StoreUnavailable('TIMEOUT'))
    t.equal(closed(), 0)
    t.equal(stream.beat(), true)
    stream.error(error)
    const { ended, comments } = await response
    t.equal(await ended, 'ended')
    t.equal(comments(), 1)
    t.match(causes(), [{ cause }])
    t.equal(lines.some(line => line.includes('stream failed')), cause === 'failed', 'only an unknown error is logged')
  }
})

t.test('a slow reader is cut', async t => {
  const { response, stream, closed, causes } = await serve(t, { padding: 'x'.repeat(60_000) })
  stream.next(state(1))
  const reader = await response
  await reader.received(0)
  reader.pause()
  // More than the socket buffers hold: some megabytes.
  for (let revision = 2; revision < 1_000 && closed() === 0; revision += 1) {
    stream.next(state(revision))
    await turn()
  }
  t.equal(closed(), 1)
  t.match(causes(), [{ cause: 'slow' }])
  reader.resume()
  t.equal(await reader.ended, 'cut')
})

t.test('a client that disconnects closes it', async t => {
  const { response, stream, closed, causes } = await serve(t)
  stream.next(state(1))
  const reader = await response
  reader.close()
  await reader.ended
  while (closed() === 0) await turn()
  t.match(causes(), [{ cause: 'client', events: 1 }])
})
