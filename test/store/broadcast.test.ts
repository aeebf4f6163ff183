import t from 'tap'
import { createBroadcast } from '../../src/store/broadcast.ts'
import { createChangeFeed } from '../../src/store/change-feed.ts'
import { connectTo, startCluster, startRedis, until } from '../helpers/redis.ts'

const channel = 'vg:changes'

for (const [name, start] of [['standalone', startRedis], ['Cluster', startCluster]] as const) {
  t.test(`${name}: a text reaches every process, and only those that listen to its topic`, async t => {
    const { url } = await start(t)
    const open = async (topic: string) => {
      const [redis, subscriber] = await Promise.all([connectTo(t, url), connectTo(t, url, 'subscriber')])
      const changeFeed = createChangeFeed(subscriber, channel)
      t.teardown(() => changeFeed.close())
      const heard: string[] = []
      const broadcast = createBroadcast(redis, { changeFeed, channel, topic })
      return { redis, broadcast, heard, stop: broadcast.listen(text => { heard.push(text) }) }
    }
    const [one, two, other] = [await open('health'), await open('health'), await open('weather')]
    await until(async () => {
      one.broadcast.send('{"a": 1}')
      other.broadcast.send('rain')
      return [one, two, other].every(({ heard }) => heard.length > 0)
    }, 'all hear')
    t.strictSame([one, two, other].map(({ heard }) => [...new Set(heard)]), [['{"a": 1}'], ['{"a": 1}'], ['rain']])
    two.stop()
    const [before, heard] = [two.heard.length, one.heard.length]
    // A text may get lost, so it is sent until it arrives.
    await until(() => {
      one.broadcast.send('later')
      return one.heard.length > heard && one.heard.at(-1) === 'later'
    }, 'the first one hears')
    t.equal(two.heard.length, before)
    one.redis.disconnect()
    t.doesNotThrow(() => one.broadcast.send('away'), 'while Redis is away')
  })
}
