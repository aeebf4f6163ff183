import t from 'tap'
import type { LiveOptions } from '../../src/api/live/live.ts'
import { createKeys } from '../../src/store/keys.ts'
import { openEvents } from '../helpers/events.ts'
import { keys, startGateway, type TestGateway } from '../helpers/gateway.ts'
import { connectTo, until } from '../helpers/redis.ts'

type Tap = Parameters<typeof startGateway>[0]

const authorization = { authorization: `Bearer ${keys.shop}` }
let lastNumber = 4155500000
const newNumber = (): string => `+1${lastNumber += 100}`

/** Two gateways on one Redis: clients follow on the second what happens on the first. */
async function startTwo (t: Tap, live: LiveOptions = {}) {
  const first = await startGateway(t)
  const { PORT: _port, ...shared } = first.environment
  const second = await startGateway(
    t, { redisUrl: first.environment['REDIS_URL'] ?? '', environment: { ...shared, ROLE: 'api' }, live },
  )
  const redis = await connectTo(t, first.environment['REDIS_URL'] ?? '')
  const create = async (): Promise<{ id: string, clientSecret: string, phoneNumber: string }> => {
    const phoneNumber = newNumber()
    const { body } = await first.shop.create({ phoneNumber, workflow: ['otpless.otp'], metadata: { plan: 'pro' } })
    return { id: body['id'], clientSecret: body['clientSecret'], phoneNumber }
  }
  const follow = (id: string, query = '', headers: Record<string, string> = authorization, on: TestGateway = second) =>
    openEvents(t, `${on.url}/verifications/${id}/events${query}`, headers)
  const cancel = (id: string) => first.shop.call('POST', `/verifications/${id}/cancel`)
  return { first, second, redis, create, follow, cancel }
}

t.test('a front end follows its verification on another process than the worker', async t => {
  const { first, second, create, follow } = await startTwo(t)
  const { id, clientSecret, phoneNumber } = await create()
  const stream = await follow(id, `?clientSecret=${clientSecret}`, { origin: 'https://shop.example' })
  t.match(
    stream,
    {
      status: 200,
      headers: { 'access-control-allow-origin': 'https://shop.example', 'content-type': 'text/event-stream' },
    },
  )
  t.match(
    await stream.received(0),
    {
      event: 'verification.updated', data: { id, status: 'pending', nextAction: { type: 'submitCode' }, metadata: {} },
    },
  )
  await first.shop.call('POST', `/verifications/${id}/check`, { code: phoneNumber.slice(-6) })
  t.equal(await stream.ended, 'ended')
  t.match(stream.events.at(-1), { event: 'verification.verified', data: { status: 'verified', verified: true } })
  const revisions = stream.events.map(event => event.id)
  t.same(revisions, [...new Set(revisions)].sort((a, b) => a - b), 'in order, without duplicates')
  t.notMatch(stream.text(), new RegExp(phoneNumber.slice(1)))
  t.notMatch([...first.logs, ...second.logs].join(''), new RegExp(`vcs_|${phoneNumber.slice(1)}`))
})

t.test('a change is sent within 100 ms, and a stream can be resumed', async t => {
  const { create, follow, cancel, first } = await startTwo(t)
  const delays: number[] = []
  for (let round = 0; round < 20; round += 1) {
    const { id } = await create()
    const stream = await follow(id)
    await stream.received(0)
    const changedAt = performance.now()
    await Promise.all([cancel(id), stream.ended])
    const last = stream.events.at(-1)
    t.match(last, { event: 'verification.canceled' })
    delays.push((last?.at ?? Infinity) - changedAt)
  }
  delays.sort((a, b) => a - b)
  const [median = Infinity, longest = Infinity] = [delays[10], delays.at(-1)]
  t.ok(median < 100 && longest < 500, `median ${median.toFixed(1)} ms, longest ${longest.toFixed(1)} ms`)

  const { id } = await create()
  const stream = await follow(id)
  const { id: known } = await stream.received(0)
  stream.close()
  const resumed = await follow(id, '', { ...authorization, 'last-event-id': String(known) })
  await first.shop.call('POST', `/verifications/${id}/check`, { code: '000000' })
  const { id: next } = await resumed.received(0)
  t.ok(next > known)
  resumed.close()
  await cancel(id)
  const again = await follow(id, `?lastEventId=${next}`)
  t.equal(await again.ended, 'ended')
  t.match(again.events, [{ event: 'verification.canceled' }])
  t.equal((await follow(id, `?lastEventId=${again.events[0]?.id}`)).status, 204)
})

t.test('300 streams on one process share one subscription, and one read for each change', async t => {
  const { create, follow, cancel, redis } = await startTwo(t)
  const created = await Promise.all(Array.from({ length: 50 }, create))
  const streams = await Promise.all(created.flatMap(({ id }) => Array.from({ length: 6 }, () => follow(id))))
  await Promise.all(streams.map(stream => stream.received(0)))
  const reads = async (): Promise<number> =>
    Number(/cmdstat_get:calls=(\d+)/.exec(await redis.info('commandstats'))?.[1])
  t.same(
    await redis.pubsub('NUMSUB', createKeys('vg').channel), [createKeys('vg').channel, 2],
    'one subscription per process',
  )
  t.equal(String(await redis.call('CLIENT', 'LIST', 'TYPE', 'pubsub')).trim().split('\n').length, 2)
  const before = await reads()
  await Promise.all(created.map(({ id }) => cancel(id)))
  for (const stream of streams) {
    t.equal(await stream.ended, 'ended')
    t.match(stream.events.at(-1), { event: 'verification.canceled' })
  }
  const read = await reads() - before
  t.ok(read <= 160, `${read} GETs in Redis: two for the cancel, and one for its six streams`)
})

t.test('a lost subscription loses no change', async t => {
  const { create, follow, cancel, redis } = await startTwo(t, { heartbeatMs: 100 })
  const { id } = await create()
  const stream = await follow(id)
  await stream.received(0)
  await redis.call('CLIENT', 'KILL', 'TYPE', 'pubsub')
  await cancel(id)
  t.equal(await stream.ended, 'ended')
  t.match(stream.events.at(-1), { event: 'verification.canceled' })
})

t.test('erasure and shutdown end the streams', async t => {
  const { create, follow, first, second } = await startTwo(t)
  const [erased, kept] = [await create(), await create()]
  const streams = [await follow(erased.id), await follow(kept.id)]
  for (const stream of streams) await stream.received(0)
  await first.shop.call('DELETE', `/verifications/${erased.id}`)
  t.equal(await streams[0]?.ended, 'ended')
  t.notOk(streams[1]?.hasEnded())
  const startedAt = performance.now()
  const [how] = await Promise.all([streams[1]?.ended, second.app.close()])
  t.equal(how, 'ended')
  t.ok(performance.now() - startedAt < 3000)
  const elsewhere = await follow(kept.id, '', { ...authorization, 'last-event-id': '1' }, first)
  t.match(await elsewhere.received(0), { data: { status: 'pending' } }, 'the stream continues on another process')
  elsewhere.close()
  await until(() => elsewhere.hasEnded(), 'the stream is closed')
})
