import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { Redis } from 'ioredis'
import t, { type Test } from 'tap'
import { findRedis, launchRedis } from '../../scripts/redis.ts'
import type { Answer } from '../helpers/gateway.ts'
import { startRedis, until } from '../helpers/redis.ts'
import { runLifecycle } from './lifecycle.ts'
import { codeOf, retryUntilAnswered, numberOf } from './oracle.ts'
import { startProxy } from './proxy.ts'
import { isLong, startDeployment } from './deployment.ts'

t.jobs = 4

const writeScript = createHash('sha1').update(
  ['tables.lua', 'write.lua'].map(file => readFileSync(new URL(`../../src/store/${file}`, import.meta.url))).join(''),
).digest('hex')

async function startOne (t: Test, redisUrl: string) {
  const { shop, anybody, oracle, simulators, all, start } = await startDeployment(t, { redisUrl })
  const wire = await startProxy(t, simulators.url)
  const gateway = await start({ ...all, TRUECALLER_API_URL: wire.url })
  const admin = new Redis(redisUrl, { retryStrategy: () => 50, maxRetriesPerRequest: null }).on('error', () => {})
  t.teardown(() => admin.disconnect())
  return { gateway, shop, wire, admin, anybody, oracle }
}

/** Runs lifecycles while something goes on, and waits for both; the trouble may ask how many are under way. */
async function runDuring (
  count: number, everyMs: number, one: (n: number) => Promise<void>, trouble: (underWay: () => number) => Promise<void>,
): Promise<void> {
  const lives: Promise<void>[] = []
  let ended = 0
  const troubling = trouble(() => lives.length - ended)
  for (let n = 0; n < count; n += 1) {
    lives.push(one(n).finally(() => { ended += 1 }))
    await delay(everyMs)
  }
  await Promise.all([troubling, ...lives])
}

t.test('frozen', { buffered: true }, async t => {
  const redis = await startRedis(t)
  const { shop, anybody, wire, gateway, oracle } = await startOne(t, redis.url)
  const { body: { id } } = await shop.create({ phoneNumber: numberOf(0, '92'), workflow: ['truecaller.push'] })
  const state = wire.passed[0]?.body['state']
  const callback = () => anybody.call('POST', '/callbacks/truecaller', { requestId: 'r', accessToken: 'a', state })
  const unheard = (round: number) =>
    shop.create(
      { phoneNumber: numberOf(100 + round, '10'), workflow: ['otpless.otp'] }, { 'idempotency-key': `frozen-${round}` },
    )

  let created = 1
  for (const [round, frozenMs] of [500, 6_000].entries()) {
    const frozenAt = performance.now()
    redis.pause()
    const [ready, alive, ...refused] = await Promise.all([
      anybody.call('GET', '/readyz'), anybody.call('GET', '/livez'),
      unheard(round), shop.call('GET', `/verifications/${id}`), shop.call('GET', `/verifications/${id}?wait=10`),
      shop.call('POST', `/verifications/${id}/cancel`), shop.call('GET', '/verifications?reference=x'), callback(),
    ])
    // Redis is still frozen, so none of these waited for it.
    for (const { status, body, headers } of refused) t.match(
      { status, body, headers }, { status: 503, body: { code: 'store_unavailable' }, headers: { 'retry-after': '1' } },
    )
    t.equal(ready.status, 503)
    t.equal(alive.status, 200)
    await until(() => performance.now() - frozenAt > frozenMs, 'frozen long enough')

    redis.resume()
    const resumedAt = performance.now()
    let answer: Answer | null = null
    await until(async () => {
      answer = await shop.create({ phoneNumber: numberOf(created, '10'), workflow: ['truecaller.push'] })
      created += 1
      return answer.status === 201
    }, 'creates succeed again')
    const ms = performance.now() - resumedAt
    t.comment(`frozen for ${frozenMs} ms, creates succeed ${Math.round(ms)} ms after it continued`)
    oracle.accept((answer as Answer | null)?.body['id'], 'verified')
    t.equal((await anybody.call('GET', '/readyz')).status, 200)
  }
  // Redis ran the write after it continued, when its client had given up. The retry finds the verification.
  for (const round of [0, 1]) {
    const { status, body } = await retryUntilAnswered(() => unheard(round))
    t.equal(status, 201)
    oracle.accept(body['id'], 'verified', 'failed/provider_unavailable')
    const code = codeOf(numberOf(100 + round, '10'))
    if (body['status'] === 'pending') await shop.call('POST', `/verifications/${body['id']}/check`, { code })
  }
  t.equal((await callback()).status, 200)
  t.match(await shop.waitFor(id), { status: 'failed', reason: 'evidence_expired' })
  await oracle.judge('Redis SIGSTOPped for 0.5 s and 6 s')
  t.notMatch(gateway.logs.join('\n'), /take no jobs/)
})

if (isLong) t.test('killed, and started again with what it wrote', { buffered: true }, async t => {
  const dir = await mkdtemp(join(tmpdir(), 'verigate-aof-'))
  t.teardown(() => rm(dir, { recursive: true, force: true }))
  const binary = await findRedis()
  /** What is acknowledged is on its disk: how much a weaker setting loses is Redis's own word. */
  const start = async (port?: number) => {
    const redis = await launchRedis({ binary, dir, persistent: true, ...(port === undefined ? {} : { port }) })
    t.teardown(redis.stop)
    const admin = new Redis(redis.url)
    await admin.config('SET', 'appendfsync', 'always')
    admin.disconnect()
    return redis
  }
  let redis = await start()
  const { shop, oracle } = await startOne(t, redis.url)
  const port = Number(new URL(redis.url).port)
  await runDuring(60, 80, n => runLifecycle(n, shop, oracle), async underWay => {
    for (const awayMs of [0, 1_500]) {
      await delay(1_000 + Math.random() * 300)
      await until(() => underWay() > 0, 'a request is in flight')
      process.kill(redis.pid, 'SIGKILL')
      await redis.ended
      await delay(awayMs)
      redis = await start(port)
    }
  })
  await oracle.judge('Redis SIGKILLed twice, gone for 0 s and 1.5 s, started again from its AOF')
})

t.test('its scripts flushed', { buffered: true }, async t => {
  const redis = await startRedis(t)
  const { shop, oracle, admin } = await startOne(t, redis.url)
  let flushed = 0
  await runDuring(50, 40, n => runLifecycle(n, shop, oracle), async () => {
    for (let n = 0; n < 20; n += 1) {
      await delay(100)
      const [wasThere] = await admin.script('EXISTS', writeScript) as number[]
      await admin.script('FLUSH')
      flushed += wasThere ?? 0
    }
  })
  const missed = Number(/errorstat_NOSCRIPT:count=(\d+)/.exec(await admin.info('errorstats'))?.[1])
  t.ok(flushed >= 5, `the script that writes was there again, and flushed, ${flushed} times`)
  t.ok(missed >= flushed, `NOSCRIPT was answered ${missed} times`)
  await oracle.judge(`SCRIPT FLUSH 20 times, ${missed} times NOSCRIPT`)
})

t.test('every connection killed, ten times', { buffered: true }, async t => {
  const redis = await startRedis(t)
  const { shop, oracle, admin } = await startOne(t, redis.url)
  let killed = 0
  await runDuring(100, 50, n => runLifecycle(n, shop, oracle), async () => {
    for (let n = 0; n < 10; n += 1) {
      await delay(300 + Math.random() * 200)
      for (const type of ['normal', 'pubsub']) killed += Number(
        await admin.call('CLIENT', 'KILL', 'TYPE', type, 'SKIPME', 'yes'),
      )
    }
  })
  t.ok(killed >= 30, `${killed} connections were there to be killed`)
  await oracle.judge(`CLIENT KILL of ${killed} connections in ten rounds`)
})
