import { once } from 'node:events'
import { get } from 'node:http'
import t from 'tap'
import { authorization, buildTestServer } from '../helpers/server.ts'

const waitUntil = async (isSo: () => boolean): Promise<void> => {
  const until = Date.now() + 5000
  while (!isSo()) {
    if (Date.now() > until) throw new Error('it never became so')
    await new Promise(resolve => setImmediate(resolve))
  }
}
const isAbortedOf = (args: unknown[]): (() => boolean) => {
  const [, options] = args
  const signal: unknown = typeof options === 'object' && options !== null && 'signal' in options ? options.signal : null
  if (!(signal instanceof AbortSignal)) throw new Error('no signal')
  return () => signal.aborted
}

t.test('without `wait` it is answered at once', async t => {
  const { server, create, calls } = await buildTestServer(t)
  const { id } = await create()
  for (const query of ['', '?wait=0', '?revision=9', '?wait=0&revision=9']) {
    t.equal((await server.inject({ url: `/verifications/${id}${query}`, headers: authorization })).statusCode, 200)
  }
  t.same(calls.slice(1).map(({ name }) => name), ['get', 'get', 'get', 'get'])
})

t.test('with it, when something changes', async t => {
  const { server, create, calls } = await buildTestServer(t)
  const { id, revision } = await create()
  const answer = server.inject({ url: `/verifications/${id}?wait=30&revision=${revision}`, headers: authorization })
  await waitUntil(() => calls.some(({ name }) => name === 'watch'))
  await server.inject({ method: 'POST', url: `/verifications/${id}/cancel`, headers: authorization })
  t.match((await answer).json(), { status: 'canceled', revision: revision + 1 })
  t.match(calls.find(({ name }) => name === 'watch')?.args[1], { revision, waitMs: 30_000 })
  t.equal((await server.inject({
    url: `/verifications/${id}?wait=30`, headers: authorization,
  })).statusCode, 200, 'a final one does not wait')
  t.match(calls.at(-1)?.args[1], { revision: null })
})

t.test('when the time is over', async t => {
  const { server, create } = await buildTestServer(t)
  const { id, revision } = await create()
  const startedAt = Date.now()
  t.match((await server.inject({
    url: `/verifications/${id}?wait=1&revision=${revision}`, headers: authorization,
  })).json(), { status: 'pending', revision })
  t.ok(Date.now() - startedAt >= 990)
})

t.test('a client that goes away ends the wait', async t => {
  const { create, calls, listen } = await buildTestServer(t)
  const port = await listen()
  const { id } = await create()
  const request = get({ port, host: '127.0.0.1', path: `/verifications/${id}?wait=30`, headers: authorization })
  request.on('error', () => undefined)
  await waitUntil(() => calls.some(({ name }) => name === 'watch'))
  const isAborted = isAbortedOf(calls.at(-1)?.args ?? [])
  t.notOk(isAborted())
  request.destroy()
  await waitUntil(isAborted)
})

t.test('a server that closes answers those who wait, and who comes later is told so', async t => {
  const { server, create, calls, listen } = await buildTestServer(t)
  const port = await listen()
  const { id } = await create()
  const answer = fetch(`http://127.0.0.1:${port}/verifications/${id}?wait=30`, { headers: authorization })
  await waitUntil(() => calls.some(({ name }) => name === 'watch'))
  const startedAt = Date.now()
  await Promise.all([server.close(), answer.then(async response => {
    t.equal(response.status, 200)
    t.match(await response.json(), { id, status: 'pending' })
  })])
  t.ok(Date.now() - startedAt < 3000)
})

t.test('a watch that throws because it was ended is answered with what there is', async t => {
  const { server, gateway, create, listen } = await buildTestServer(t)
  const { id } = await create()
  const port = await listen()
  let watched = false
  gateway.watch = async (_id, { signal }) => {
    watched = true
    if (!signal.aborted) await once(signal, 'abort')
    throw signal.reason
  }
  const answer = fetch(`http://127.0.0.1:${port}/verifications/${id}?wait=30`, { headers: authorization })
  await waitUntil(() => watched)
  await Promise.all([server.close(), answer.then(async response => t.match(await response.json(), { id }))])
})

t.test('a watch that fails fails', async t => {
  const { server, create, failWith } = await buildTestServer(t)
  const { id } = await create()
  failWith(new Error('boom'))
  t.equal((await server.inject({ url: `/verifications/${id}?wait=1`, headers: authorization })).statusCode, 500)
})
