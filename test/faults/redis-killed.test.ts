import { setTimeout as delay } from 'node:timers/promises'
import t from 'tap'
import { until } from '../helpers/redis.ts'
import { startRestartableRedis, startWriter } from './restartable-redis.ts'
import { runLifecycle } from './lifecycle.ts'
import { numberOf } from './oracle.ts'
import { isLong, longOrShort, startDeployment } from './deployment.ts'

t.jobs = 2

const count = (n: number): string => n.toLocaleString('en')

t.test('killed while it syncs its file every second: nothing acknowledged is lost', { buffered: true }, async t => {
  const redis = await startRestartableRedis(t, { fsync: 'everysec' })
  // The provider repeats callbacks for longer than Redis is away.
  const { shop, oracle, start, api, worker } = await startDeployment(
    t, { redisUrl: redis.url, simulatorOptions: { retryScale: longOrShort(0.8, 0.2) } },
  )
  const [, jobs] = await Promise.all([start(api), start(worker)])
  const writer = await startWriter(t, redis.url, longOrShort(128, 32))
  const away = isLong ? [0, 3_000, 5_000, 15_000] : [0, 1_000]
  const lives: Promise<void>[] = []
  let isOver = false
  let awaySince = Infinity
  const load = (async () => {
    for (let n = 0; !isOver; n += 1) {
      lives.push(runLifecycle(n, shop, oracle))
      // Hundreds of simultaneous retries would be an overload of their own.
      await until(
        () => isOver || performance.now() - awaySince < 1_000 || awaySince === Infinity, 'Redis is back')
      await delay(longOrShort(100, 60))
    }
  })()

  for (const awayMs of away) {
    const enough = writer.acknowledged.length + longOrShort(60_000, 1_500)
    const latest = performance.now() + longOrShort(30_000, 10_000)
    await until(
      () => writer.acknowledged.length >= enough || performance.now() > latest,
      'enough is written, or the time is up')
    awaySince = performance.now()
    await redis.kill()
    await delay(awayMs)
    await redis.start()
    awaySince = Infinity
    const backAt = performance.now()
    const since = jobs.logs.length
    const [apiMs, workersMs] = await Promise.all([
      until(
        async () => (await shop.create({ workflow: ['truecaller.web'] })).status === 201, 'creates succeed again'),
      until(
        () => jobs.logs.slice(since).some(line => line.includes('"verification ended"')), 'jobs run again'),
    ].map(async works => {
      await works
      return Math.round(performance.now() - backAt)
    }))
    t.comment(
      `Redis gone for ${awayMs} ms: creates answered ${apiMs} ms after it was back, jobs done after ${workersMs} ms`,
    )
  }
  isOver = true
  await Promise.all([load, writer.stop()])
  await Promise.all(lives)
  t.ok(writer.acknowledged.length >= 1_000, `${writer.acknowledged.length} writes were acknowledged`)
  const missing = await writer.missing()
  t.equal(missing.length, 0, 'no acknowledged write is lost')
  t.comment(
    `everysec, Redis SIGKILLed ${away.length} times: `
      + `${missing.length} of ${count(writer.acknowledged.length)} acknowledged writes lost`,
  )
  await oracle.judge(`Redis SIGKILLed, AOF everysec, gone for ${away.map(ms => `${ms / 1000} s`).join(', ')}`)
})

t.test('killed without a file: everything is lost, as the log warned', { buffered: true }, async t => {
  const redis = await startRestartableRedis(t, { fsync: 'no file' })
  const { shop, oracle, start, all } = await startDeployment(t, { redisUrl: redis.url })
  const gateway = await start(all)
  t.match(gateway.logs.join('\n'), /append-only file: what was accepted is lost when it restarts/)
  const ids = await Promise.all(Array.from({ length: 50 }, async (_, n): Promise<string> =>
    (await shop.create({ phoneNumber: numberOf(n, '92'), workflow: ['truecaller.push'] })).body['id']))
  const answers = async () =>
    Map.groupBy(
      await Promise.all(ids.map(async id => (await shop.call('GET', `/verifications/${id}`)).status)), status => status,
    )
  t.same([...(await answers()).keys()], [200])
  await redis.kill()
  await redis.start()
  await until(async () => (await shop.call('GET', '/readyz')).status === 200, 'ready again')
  const after = await answers()
  t.same([...after.keys()], [410], 'answered with 410')
  t.comment(`no append-only file, Redis SIGKILLed: ${after.get(410)?.length} of ${ids.length} verifications lost`)
  for (let n = 0; n < 5; n += 1) await runLifecycle(n, shop, oracle)
  await oracle.judge('Redis without a file SIGKILLed, new verifications work')
})
