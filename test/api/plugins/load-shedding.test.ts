import t from 'tap'
import { until } from '../../helpers/redis.ts'
import { authorization, buildTestServer } from '../../helpers/server.ts'

const nextTurn = (): Promise<void> => new Promise(resolve => { setImmediate(resolve) })
const stall = (): void => { Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 550) }

t.test('of a crowd, the first in a turn of the event loop are served, and the rest is refused at once', async t => {
  const { server } = await buildTestServer(t)
  await server.ready()
  const ask = (url = '/providers') => server.inject({ url, headers: authorization })
  /** All of them in this turn: nothing that they do waits for another one. */
  const ofMany = async (count: number): Promise<number> =>
    (
      await Promise.all(Array.from({ length: count }, () => ask()))
    ).filter(({ statusCode }) => statusCode === 200).length
  await nextTurn()
  t.equal(await ofMany(150), 150)
  stall()
  t.equal(await ofMany(80), 50, 'two hundred, for as long as it lasts')
  const refused = await ask()
  t.match(refused.json(), { status: 503, code: 'overloaded' })
  t.match(refused.headers, { 'retry-after': '1', 'content-type': 'application/problem+json' })
  t.equal((await ask('/livez')).statusCode, 200, 'a probe is answered')
  t.not(
    (await server.inject({ method: 'POST', url: '/callbacks/truecaller', payload: {} })).statusCode, 503,
    'a provider is heard, which may call only once',
  )

  await until(async () => {
    await nextTurn()
    return await ofMany(200) === 200
  }, 'in a later turn there is room again')
})
