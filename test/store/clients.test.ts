import { setImmediate as nextIteration } from 'node:timers/promises'
import t from 'tap'
import { connectTo, startCluster, startRedis } from '../helpers/redis.ts'

/** Longer than the timeout of a command. */
const stall = (): void => { Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1_300) }
const names = Array.from({ length: 30 }, (_, n) => `key${n}`)

for (const [form, start] of [['standalone', startRedis], ['Cluster', startCluster]] as const) {
  t.test(`${form}: a delay of this process is not one of Redis`, async t => {
    const { url } = await start(t)
    const redis = await connectTo(t, url)
    await Promise.all(names.map(name => redis.set(name, name)))

    const unwritten = names.map(name => redis.get(name))
    stall()
    t.strictSame(await Promise.all(unwritten), names, 'before the commands are written')

    const written = names.map(name => redis.get(name))
    await nextIteration()
    stall()
    t.strictSame(await Promise.all(written), names, 'before the replies are read')
  })
}

t.test('commands that Redis does not answer fail together, and those before and after them do not', async t => {
  const server = await startRedis(t)
  const redis = await connectTo(t, server.url)
  t.equal(await redis.set('a', 'b'), 'OK')
  server.pause()
  const failing = Promise.allSettled(names.map(name => redis.get(name)))
  const startedAt = performance.now()
  const errors = (await failing).map(result => result.status === 'rejected' ? result.reason.message : null)
  t.strictSame(errors, names.map(() => 'Command timed out'))
  t.ok(performance.now() - startedAt >= 999, 'not before their time')
  server.resume()
  t.equal(await redis.get('a'), 'b', 'late replies go to their own commands')
})
