import { getEventListeners, once } from 'node:events'
import t from 'tap'
import { createChangeFeed } from '../../src/store/change-feed.ts'
import { connectTo, startCluster, startRedis, until } from '../helpers/redis.ts'

const channel = 'vg:changes'
const inTime = { timeoutMs: 10_000 }

for (const [name, start] of [['standalone', startRedis], ['Cluster', startCluster]] as const) {
  t.test(name, async (t) => {
    const started = await start(t)

    await t.test('an announcement reaches who waits for its id', async (t) => {
      const { url } = started
      // All from one node: what comes from several keeps no order.
      const publisher = await connectTo(t, 'nodes' in started ? started.nodes[0]?.url ?? '' : url)
      const announcements = createChangeFeed(await connectTo(t, url, 'subscriber'), channel)
      t.teardown(() => announcements.close())

      const seen: (string | null)[] = []
      const unwatch = announcements.subscribe('probe', (text) => seen.push(text))
      await until(
        async () => { await publisher.publish(channel, 'probe on'); return seen.length > 0 }, 'the subscription',
      )
      t.equal(seen[0], 'on')
      unwatch()

      const both = [announcements.once('a', inTime), announcements.once('a', inTime)]
      const other = announcements.once('b', inTime)
      for (const message of ['nonsense', ' a', 'a 3 final', 'a 4', 'b ']) await publisher.publish(channel, message)
      t.same(await Promise.all(both), ['3 final', '3 final'], 'the first one only')
      t.equal(await other, '')

      const heard: (string | null)[] = []
      const stop = announcements.subscribe('c', (text) => heard.push(text))
      const last = announcements.once('d', inTime)
      for (const message of ['c 1', 'c 2', 'd .']) await publisher.publish(channel, message)
      await last
      stop()
      const after = announcements.once('e', inTime)
      for (const message of ['c 3', 'e .']) await publisher.publish(channel, message)
      await after
      t.same(heard, ['1', '2'], 'until it stops watching')
    })

    await t.test('a killed subscription is made again', async (t) => {
      const publisher = await connectTo(t, started.url)
      const announcements = createChangeFeed(await connectTo(t, started.url, 'subscriber'), channel)
      t.teardown(() => announcements.close())
      const seen: (string | null)[] = []
      announcements.subscribe('a', (text) => seen.push(text))
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
        seen.includes(null), 'and who watches is told that something may have been missed',
      )
    })
  })
}

t.test('waiting ends by time, by signal and by close, with nothing left behind', async (t) => {
  const { url } = await startRedis(t)
  const subscriber = await connectTo(t, url, 'subscriber')
  const announcements = createChangeFeed(subscriber, channel)
  t.equal(await announcements.once('a', { timeoutMs: 1 }), null)
  t.equal(await announcements.once('a', { ...inTime, signal: AbortSignal.abort() }), null)
  const controller = new AbortController()
  const aborted = announcements.once('a', { ...inTime, signal: controller.signal })
  controller.abort()
  t.equal(await aborted, null)
  t.same(getEventListeners(controller.signal, 'abort'), [])
  const closed = announcements.once('a', inTime)
  announcements.close()
  t.equal(await closed, null)
  t.same([subscriber.listenerCount('message')], [0])
})

t.test('made before Redis can be reached, it subscribes when it can', async (t) => {
  const server = await startRedis(t)
  const publisher = await connectTo(t, server.url)
  const subscriber = await connectTo(t, server.url, 'subscriber')
  const closed = once(subscriber, 'close')
  subscriber.disconnect(true)
  await closed
  const announcements = createChangeFeed(subscriber, channel)
  t.teardown(() => announcements.close())
  const seen: (string | null)[] = []
  announcements.subscribe('a', (text) => seen.push(text))
  await until(async () => { await publisher.publish(channel, 'a on'); return seen.includes('on') }, 'the subscription')
  t.notOk(seen.includes(null), 'nothing was missed by the first one')
})
