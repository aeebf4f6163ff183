import { Redis } from 'ioredis'
import t, { type Test } from 'tap'
import { connectRedis } from '../../src/store/redis.ts'
import { startRedis, until } from '../helpers/redis.ts'
import { startWire } from './wire.ts'

t.jobs = 4

async function startAll (t: Test) {
  const { port } = await startRedis(t)
  const wire = await startWire(t, port)
  const open = (to: number): Redis => {
    const redis = new Redis(
      to, { retryStrategy: () => 20, maxRetriesPerRequest: 0, enableOfflineQueue: false },
    ).on('error', () => {})
    t.teardown(() => redis.disconnect())
    return redis
  }
  const [near, far] = [open(port), open(wire.port)]
  const untilReady = () => until(() => far.status === 'ready' && near.status === 'ready', 'connected')
  await untilReady()
  return { wire, near, far, untilReady }
}
const isSet = ([name = '', key = '']: readonly string[]): boolean => name.toLowerCase() === 'set' && key === 'held'
const timed = async (work: () => Promise<unknown>): Promise<number> => {
  const from = performance.now()
  await work()
  return performance.now() - from
}

t.test('passes everything on, also what is pushed', { buffered: true }, async t => {
  const { wire, near, far } = await startAll(t)
  const big = Buffer.alloc(300_000, 7)
  await far.set('big', big)
  t.same(await far.getBuffer('big'), big)
  t.same(await far.multi().incr('n').hset('h', 'a', 1).hgetall('h').exec(), [[null, 1], [null, 1], [null, { a: '1' }]])
  const subscriber = connectRedis(wire.url, 'subscriber', { onError: () => {} })
  t.teardown(() => subscriber.disconnect())
  const heard: string[] = []
  subscriber.on('message', (_channel, message) => heard.push(message))
  await subscriber.subscribe('c')
  await near.publish('c', 'm')
  await until(() => heard.length === 1, 'heard')
  t.equal(wire.connections(), 2)
})

t.test('holds a request, then a reply, and all that comes after it', { buffered: true }, async t => {
  const { wire, near, far } = await startAll(t)
  const before = wire.hold('request', isSet)
  const first = Promise.all([far.set('other', '1'), far.set('held', '1'), far.incr('after')])
  t.match(await before.caught, { command: ['set', 'held', '1'] })
  await until(async () => await near.get('other') === '1', 'what came before passes')
  t.same(await near.mget('held', 'after'), [null, null], 'Redis has not seen it')
  before.release()
  t.same(await first, ['OK', 'OK', 1])

  const after = wire.hold('reply', isSet)
  let answered = 0
  const second = [far.incr('after'), far.set('held', '2'), far.incr('after')].map(
    answer => Promise.resolve(answer).finally(() => { answered += 1 }),
  )
  t.match(await after.caught, { command: ['set', 'held', '2'], text: '+OK\r\n' })
  t.same(await near.mget('held', 'after'), ['2', '3'], 'Redis has done it')
  await second[0]
  t.equal(answered, 1, 'only what came before is answered')
  after.release()
  t.same(await Promise.all(second), [2, 'OK', 3])
})

t.test('a request goes on although its sender is dead', { buffered: true }, async t => {
  const { wire, near, far } = await startAll(t)
  const held = wire.hold('request', isSet)
  const lost = far.set('held', '1').catch((error: Error) => error.message)
  await held.caught
  far.disconnect()
  t.match(await lost, /closed/)
  t.equal(await near.get('held'), null)
  held.release()
  await until(async () => await near.get('held') === '1', 'it arrives')
})

t.test('cuts, refuses, and is whole again', { buffered: true }, async t => {
  const { wire, far, untilReady } = await startAll(t)
  const gone = new Promise(resolve => far.once('close', resolve))
  await wire.refuse()
  t.equal(await far.ping(), 'PONG', 'connections stay')
  wire.cut()
  await gone
  const error: NodeJS.ErrnoException = await new Promise(resolve => far.once('error', resolve))
  t.equal(error.code, 'ECONNREFUSED')
  await wire.accept()
  await untilReady()
  t.equal(await far.ping(), 'PONG')
})

t.test('swallows what is sent, for ever', { buffered: true }, async t => {
  const { wire, near, far, untilReady } = await startAll(t)
  wire.blackhole()
  let answered = 0
  far.set('held', '1').then(() => { answered += 1 }, () => {})
  await near.set('late', '1')
  wire.heal()
  far.set('held', '1').then(() => { answered += 1 }, () => {})
  const fresh = new Redis(wire.port).on('error', () => {})
  t.teardown(() => fresh.disconnect())
  t.equal(await fresh.get('late'), '1', 'a new connection works')
  t.same([await near.get('held'), answered, far.status], [null, 0, 'ready'], 'the old one looks open, and is not')
  wire.cut()
  await until(() => far.status !== 'ready', 'it is cut')
  await untilReady()
  t.equal(await far.ping(), 'PONG')
})

t.test('takes its time', { buffered: true }, async t => {
  const { wire, far } = await startAll(t)
  Object.assign(wire, { latencyMs: 100 })
  const [one, three] = [
    await timed(() => far.ping()), await timed(() => Promise.all([far.ping(), far.ping(), far.ping()]))
  ]
  t.ok(one >= 95 && three >= 95, `a round trip took ${one} ms, three at once ${three} ms`)
  t.ok(three < 290, 'what is sent at once does not wait one after the other')
  Object.assign(wire, { latencyMs: 0, jitterMs: 100 })
  t.equal(await far.incr('n'), 1)
  t.same(await Promise.all([far.incr('n'), far.incr('n'), far.incr('n')]), [2, 3, 4], 'in order')
  Object.assign(wire, { jitterMs: 0, bytesPerSecond: 10_000 })
  const slow = await timed(() => far.set('k', 'x'.repeat(2_000)))
  t.ok(slow >= 190, `2 kB at 10 kB a second took ${slow} ms`)
  Object.assign(wire, { bytesPerSecond: 0, isSliced: true })
  t.equal((await far.get('k'))?.length, 2_000)
})
