import { execFile } from 'node:child_process'
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import { findExecutable } from '../../scripts/install.ts'
import { findRedis } from '../../scripts/redis.ts'
import { scrape, sumOf } from '../helpers/metrics.ts'
import { until } from '../helpers/redis.ts'
import { startRestartableRedis } from './restartable-redis.ts'
import { runLifecycle } from './lifecycle.ts'
import { codeOf, retryUntilAnswered, numberOf, type Settled } from './oracle.ts'
import { isLong, longOrShort, startDeployment } from './deployment.ts'

t.jobs = 3

type Trouble = {
  /** What `verigate_redis_errors_total` counts. */
  code: 'OOM' | 'READONLY' | 'MISCONF' | 'BUSY' | 'DISCONNECTED'
  /** Whether reads go on. */
  reads: boolean
  inject (): Promise<unknown>
  /** Resolves once Redis is as before. */
  repair (): Promise<unknown>
}

/**
 * Lifecycles are on their way when Redis begins to refuse: callbacks and codes come meanwhile, and nothing of what was
 * accepted is lost.
 */
async function outlive (
  t: Test, redisUrl: string, injected: string, { code, reads, inject, repair }: Trouble,
): Promise<Settled[]> {
  const handsetDelayMs = 3_000
  const { shop, anybody, url, oracle, start, all, simulators } = await startDeployment(
    t, { redisUrl, simulatorOptions: { retryScale: 1, handsetDelayMs } },
  )
  const gateway = await start(all)
  const count = longOrShort(30, 8)
  const numbers = Array.from({ length: count }, (_, n) => n)
  const create = async (n: number, method: string): Promise<string> => {
    const { status, body } = await shop.create({ phoneNumber: numberOf(n, '10'), workflow: [method] })
    t.equal(status, 201)
    oracle.accept(body['id'], 'verified')
    return body['id']
  }
  const [messages] = await Promise.all([
    Promise.all(numbers.map(n => create(n, 'otpless.otp'))), Promise.all(
      numbers.map(n => create(100 + n, 'truecaller.push')),
    ),
  ])
  const [known = ''] = messages

  await inject()
  const refusals = await Promise.all([
    shop.create(
      { phoneNumber: numberOf(200, '10'), workflow: ['otpless.otp'] },
    ), shop.create({ workflow: ['truecaller.web'] }),
    shop.call(
      'POST', `/verifications/${known}/check`, { code: codeOf(numberOf(0, '10')) },
    ), shop.call('POST', `/verifications/${known}/cancel`),
    ...reads ? [] : [shop.call('GET', `/verifications/${known}`)],
  ])
  for (const { status, body, headers } of refusals) t.match(
    { status, body, headers }, { status: 503, body: { code: 'store_unavailable' }, headers: { 'retry-after': '1' } },
  )
  if (reads) t.match(
    await retryUntilAnswered(
      () => shop.call('GET', `/verifications/${known}`),
    ), { status: 200, body: { status: 'pending' } },
  )
  t.equal((await anybody.call('GET', '/livez')).status, 200)
  t.equal((await anybody.call('GET', '/readyz')).status, reads ? 200 : 503)
  const refusedCallbacks = async (): Promise<number> =>
    sumOf(
      await scrape(url), 'verigate_http_requests_total', { route: '/callbacks/:provider', status_class: '5xx' },
    ) ?? 0
  await until(async () => await refusedCallbacks() >= count, 'every callback was refused')
  t.equal(
    simulators.requests.filter(({ path }) => path === '/auth/v1/initiate/otp').length, count,
    'no message for a create that was refused',
  )
  t.ok((sumOf(await scrape(url), 'verigate_redis_errors_total', { code }) ?? 0) > 0, `counted as ${code}`)
  const refused = await refusedCallbacks()

  await repair()
  const mendedAt = performance.now()
  await until(
    async () => (await shop.create({ workflow: ['truecaller.web'] })).status === 201, 'creates succeed again')
  const apiMs = Math.round(performance.now() - mendedAt)
  await Promise.all(
    messages.map(
      (id, n) =>
        retryUntilAnswered(() => shop.call('POST', `/verifications/${id}/check`, { code: codeOf(numberOf(n, '10')) })),
    ),
  )
  for (let n = 0; n < 5; n += 1) await runLifecycle(300 + n, shop, oracle)
  const settled = await oracle.judge(injected)
  t.comment(`${injected}: ${refused} callbacks refused, creates answered ${apiMs} ms after it was over`)
  t.notMatch(gateway.logs.join('\n'), /unexpected error|"level":60/)
  return settled
}

t.test('memory full', { buffered: true }, async t => {
  const redis = await startRestartableRedis(t, { fsync: 'no file' })
  await outlive(t, redis.url, 'Redis full (maxmemory, noeviction)', {
    code: 'OOM', reads: true,
    inject: () => redis.ask('CONFIG', 'SET', 'maxmemory', '1mb'),
    repair: () => redis.ask('CONFIG', 'SET', 'maxmemory', '0'),
  })
})

t.test('made a replica of its replica, and a master again', { buffered: true }, async t => {
  const [redis, other] = await Promise.all(
    [startRestartableRedis(t, { fsync: 'no file' }), startRestartableRedis(t, { fsync: 'no file' })],
  )
  const follow = async (one: typeof redis, { port }: typeof redis): Promise<void> => {
    await one.ask('REPLICAOF', '127.0.0.1', String(port))
    await until(
      async () => String(await one.ask('INFO', 'replication')).includes('master_link_status:up'), 'it follows')
  }
  const offsetOf = async (one: typeof redis): Promise<string | undefined> =>
    /master_repl_offset:(\d+)/.exec(String(await one.ask('INFO', 'replication')))?.[1]
  await follow(other, redis)
  await outlive(t, redis.url, 'Redis made a replica (READONLY), and a master again', {
    code: 'READONLY', reads: true,
    async inject () {
      // What only the first one has when the roles change is lost: nothing is written until both have the same.
      await redis.ask('CLIENT', 'PAUSE', '10000', 'WRITE')
      await until(async () => await offsetOf(redis) === await offsetOf(other), 'the replica has everything')
      await other.ask('REPLICAOF', 'NO', 'ONE')
      await follow(redis, other)
      await redis.ask('CLIENT', 'UNPAUSE')
    },
    async repair () {
      await redis.ask('REPLICAOF', 'NO', 'ONE')
      await follow(other, redis)
    },
  })
})

t.test('busy with a script that does not end', { buffered: true }, async t => {
  const redis = await startRestartableRedis(t, { fsync: 'no file' })
  await redis.ask('CONFIG', 'SET', 'busy-reply-threshold', '50')
  await outlive(t, redis.url, 'Redis busy with a script (BUSY)', {
    code: 'BUSY', reads: false,
    async inject () {
      void redis.ask('EVAL', 'while true do end', '0').catch(() => {})
      await until(
        () => redis.ask('PING').then(() => false, (error: Error) => error.message.startsWith('BUSY')), 'it is busy',
      )
    },
    repair: () => redis.ask('SCRIPT', 'KILL'),
  })
})

/** A program of our own in the place of Redis, in a folder of its own. */
async function wrapRedis (t: Test, script: (redis: string) => string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'verigate-wrapped-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const path = join(folder, 'redis-server')
  await writeFile(path, `#!/bin/sh\n${script(await findRedis())}\n`, { mode: 0o755 })
  return path
}

if (isLong) t.test('killed, and loading its file for seconds', { buffered: true }, async t => {
  // Two milliseconds for each of twenty thousand keys: until `repair` removes the delay.
  const binary = await wrapRedis(
    t, redis => `exec ${redis} "$@" --key-load-delay 2000 --loading-process-events-interval-bytes 1024`,
  )
  const redis = await startRestartableRedis(t, { fsync: 'everysec', binary })
  await redis.ask('EVAL', "for n = 1, 20000 do redis.call('SET', 'fill:' .. n, n) end", '0')
  let loaded: Promise<void> = Promise.resolve()
  const isLoading = () => redis.ask('INFO', 'persistence').then(info => /loading:1/.test(String(info)), () => false)
  await outlive(t, redis.url, 'Redis SIGKILLed, then loading its file (LOADING)', {
    code: 'DISCONNECTED', reads: false,
    async inject () {
      await redis.kill()
      loaded = redis.start()
      await until(isLoading, 'it is loading')
    },
    async repair () {
      t.ok(await isLoading(), 'all that was while it was loading')
      await redis.ask('CONFIG', 'SET', 'key-load-delay', '0')
      await loaded
    },
  })
})

const prlimit = await findExecutable(['prlimit'], process.env['PATH'] ?? '')

t.test('its disk is full', { buffered: true, skip: prlimit === null && 'needs prlimit (util-linux)' }, async t => {
  // What a file may not grow beyond is to Redis what a full disk is: its write is refused.
  const binary = await wrapRedis(t, redis => `trap '' XFSZ\nexec ${redis} "$@"`)
  const redis = await startRestartableRedis(t, { fsync: 'everysec', binary })
  const limit = (bytes: string) =>
    promisify(execFile)(prlimit ?? '', ['--pid', String(redis.pid()), `--fsize=${bytes}:unlimited`])
  const status = async (): Promise<string> =>
    /aof_last_write_status:(\w+)/.exec(String(await redis.ask('INFO', 'persistence')))?.[1] ?? ''
  const settled = await outlive(t, redis.url, 'disk of Redis full (MISCONF)', {
    code: 'MISCONF', reads: true,
    async inject () {
      const { size } = await stat(join(redis.dir, 'appendonlydir', 'appendonly.aof.1.incr.aof'))
      await limit(String(size))
      await until(
        async () => await redis.ask('SET', 'any', '1').then(() => false, () => true) && await status() === 'err',
        'a write has failed',
      )
    },
    async repair () {
      await limit('unlimited')
      await until(async () => await status() === 'ok', 'it writes again')
    },
  })
  await redis.kill()
  await redis.start()
  const kept = String(await redis.ask('KEYS', 'vg:*rver_*'))
  t.same(
    settled.filter(({ id }) => !kept.includes(id)), [], 'the file that was cut short is whole: all of them are in it',
  )
})
