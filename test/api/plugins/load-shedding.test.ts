import t from 'tap'
import { until } from '../../helpers/redis.ts'
import { authorization, buildTestServer } from '../../helpers/server.ts'

const nextIteration = (): Promise<void> => new Promise(resolve => { setImmediate(resolve) })
const stall = (): void => { Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 550) }

t.test('of a burst in one event loop iteration, the first requests are served and the others refused', async t => {
  const { server } = await buildTestServer(t, { maxEventLoopDelayMs: 1_000 })
  await server.ready()
  const ask = (url = '/providers') => server.inject({ url, headers: authorization })
  /** Number of successes; all requests run in this iteration of the event loop. */
  const successesOf = async (count: number): Promise<number> =>
    (
      await Promise.all(Array.from({ length: count }, () => ask()))
    ).filter(({ statusCode }) => statusCode === 200).length
  await nextIteration()
  t.equal(await successesOf(150), 150)
  stall()
  t.equal(await successesOf(80), 50, 'two hundred per iteration, however long it takes')
  const refused = await ask()
  t.match(refused.json(), { status: 503, code: 'overloaded' })
  t.match(refused.headers, { 'retry-after': '1', 'content-type': 'application/problem+json' })
  t.equal((await ask('/livez')).statusCode, 200, 'probes are served')
  t.not(
    (await server.inject({ method: 'POST', url: '/callbacks/truecaller', payload: {} })).statusCode, 503,
    'callbacks are served: providers may call only once',
  )

  await until(async () => {
    await nextIteration()
    return await successesOf(200) === 200
  }, 'a later iteration admits requests again')
})
