import { getEventListeners, once } from 'node:events'
import t from 'tap'
import { createChangeFeed } from '../../src/store/change-feed.ts'
import { connectTo, startCluster, startRedis, until } from '../helpers/redis.ts'

const channel = 'vg:changes'
const inTime = { timeoutMs: 10_000 }

for (const [name, start] of [['standalone', startRedis], ['Cluster', startCluster]] as const) {
  t.test(name, async (t) => {
    const started = await start(t)

    await t.test('a message reaches the callers that wait for its id', async (t) => {
      const { url } = started
      // All from one node, because messages of several nodes have no order.
      const publisher = await connectTo(t, 'nodes' in started ? started.nodes[0]?.url ?? '' : url)
      const changeFeed = createChangeFeed(await connectTo(t, url, 'subscriber'), channel)
      t.teardown(() => changeFeed.close())

      const seen: (string | null)[] = []
      const unsubscribe = changeFeed.subscribe('probe', (text) => seen.push(text))
      await until(
        async () => { await publisher.publish(channel, 'probe on'); return seen.length > 0 }, 'the subscription',
      )
      t.equal(seen[0], 'on')
      unsubscribe()

      t.equal(await changeFeed.once('a', { ...inTime, signal: AbortSignal.abort() }), null, 'nothing to wait for')
      const both = [changeFeed.once('a', inTime), changeFeed.once('a', inTime)]
      const other = changeFeed.once('b', inTime)
      for (const message of ['nonsense', ' a', 'a 3 final', 'a 4', 'b ']) await publisher.publish(channel, message)
      t.same(await Promise.all(both), ['3 final', '3 final'], 'the first one only')
      t.equal(await other, '')

      const received: (string | null)[] = []
      const stop = changeFeed.subscribe('c', (text) => received.push(text))
      const last = changeFeed.once('d', inTime)
      for (const message of ['c 1', 'c 2', 'd .']) await publisher.publish(channel, message)
      await last
      stop()
      const after = changeFeed.once('e', inTime)
      for (const message of ['c 3', 'e .']) await publisher.publish(channel, message)
      await after
      t.same(received, ['1', '2'], 'until it unsubscribes')
    })

    await t.test('a killed subscription is renewed', async (t) => {
      const publisher = await connectTo(t, started.url)
      const changeFeed = createChangeFeed(await connectTo(t, started.url, 'subscriber'), channel)
      t.teardown(() => changeFeed.close())
      const seen: (string | null)[] = []
      changeFeed.subscribe('a', (text) => seen.push(text))
      const hear = (text: string) =>
        until(async () => { await publisher.publish(channel, `a ${text}`); return seen.includes(text) }, text)
      await hear('before')

      const urls = 'nodes' in started ? started.nodes.map(({ url }) => url) : [started.url]
      const kill = async (url: string) =>
        Number(await (await connectTo(t, url)).call('CLIENT', 'KILL', 'TYPE', 'pubsub'))
      const killed = await Promise.all(urls.map(kill))
      t.equal(killed.reduce((sum, n) => sum + n), 1, 'there is one subscription in all')
      await hear('after')
      if (name === 'standalone') t.ok(
        seen.includes(null), 'a listener learns that messages may have been missed',
      )
    })
  })
}

t.test('a wait ends by timeout, signal and close, and removes its listeners', async (t) => {
  const { url } = await startRedis(t)
  const subscriber = await connectTo(t, url, 'subscriber')
  const changeFeed = createChangeFeed(subscriber, channel)
  t.equal(await changeFeed.once('a', { timeoutMs: 1 }), null)
  t.equal(await changeFeed.once('a', { ...inTime, signal: AbortSignal.abort() }), null)
  const controller = new AbortController()
  const aborted = changeFeed.once('a', { ...inTime, signal: controller.signal })
  controller.abort()
  t.equal(await aborted, null)
  t.same(getEventListeners(controller.signal, 'abort'), [])
  const closed = changeFeed.once('a', inTime)
  changeFeed.close()
  t.equal(await closed, null)
  t.same([subscriber.listenerCount('message')], [0])
})

t.test('a change feed that was created before Redis was reachable subscribes later', async (t) => {
  const server = await startRedis(t)
  const publisher = await connectTo(t, server.url)
  const subscriber = await connectTo(t, server.url, 'subscriber')
  const closed = once(subscriber, 'close')
  subscriber.disconnect(true)
  await closed
  const changeFeed = createChangeFeed(subscriber, channel)
  t.teardown(() => changeFeed.close())
  const seen: (string | null)[] = []
  changeFeed.subscribe('a', (text) => seen.push(text))
  await until(async () => { await publisher.publish(channel, 'a on'); return seen.includes('on') }, 'the subscription')
  t.notOk(seen.includes(null), 'nothing was missed by the first one')
})
