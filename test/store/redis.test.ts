import { once } from 'node:events'
import { createServer } from 'node:net'
import { Cluster } from 'ioredis'
import t from 'tap'
import { connectRedis, readRedisUrl, untilReady } from '../../src/store/redis.ts'
import { connectTo, startCluster, startRedis, startSentinel, until } from '../helpers/redis.ts'

t.test('REDIS_URL in all its forms', async (t) => {
  const local = { form: 'standalone', tls: false, nodes: [{ host: 'localhost', port: 6379 }], db: 0 }
  t.strictSame(readRedisUrl('redis://localhost'), local)
  t.strictSame(readRedisUrl('redis://localhost/'), local)
  t.strictSame(readRedisUrl('rediss://user:p%40ss@r.example:7000/5'), {
    form: 'standalone', tls: true, nodes: [
      { host: 'r.example', port: 7000 },
    ], db: 5, username: 'user', password: 'p@ss',
  })
  t.strictSame(readRedisUrl('redis://:a:b@[::1]:7000'), {
    form: 'standalone', tls: false, nodes: [{ host: '::1', port: 7000 }], db: 0, password: 'a:b',
  })
  t.strictSame(readRedisUrl(
    'redis+sentinel://user:pass@h1:26380,h2/mymaster/2?sentinelUsername=s&sentinelPassword=p%40',
  ), {
    form: 'sentinel', tls: false, nodes: [{ host: 'h1', port: 26380 }, { host: 'h2', port: 26379 }], db: 2,
    username: 'user', password: 'pass', masterName: 'mymaster', sentinelUsername: 's', sentinelPassword: 'p@',
  })
  t.strictSame(readRedisUrl('rediss+sentinel://h1/mymaster'), {
    form: 'sentinel', tls: true, nodes: [{ host: 'h1', port: 26379 }], db: 0, masterName: 'mymaster',
  })
  t.strictSame(readRedisUrl('redis+cluster://:secret@h1:7001,h2:7002,[fe80::1]'), {
    form: 'cluster', tls: false, nodes: [
      { host: 'h1', port: 7001 }, { host: 'h2', port: 7002 }, { host: 'fe80::1', port: 6379 },
    ], db: 0,
    password: 'secret',
  })
})

t.test('an invalid REDIS_URL is refused by name, and the error does not contain the password', async (t) => {
  const urls = [
    '', 'hunter2', 'http://:hunter2@h', 'redis:///', 'redis://:hunter2@', 'redis://:hunter2@h:0',
    'redis://:hunter2@h:65536', 'redis://:hunter2@h:port', 'redis://:hunter2@h1,h2', 'redis://:hunter2@h/one',
    'redis://:hunter2@h/0/1', 'redis://:hunter2%@h', 'redis://:hunter2@h?x=hunter2', 'redis://:hunter2@h/0#x',
    'redis+sentinel://:hunter2@h', 'redis+sentinel://:hunter2@h/m/x', 'redis+sentinel://:hunter2@h/m?hunter2=1',
    'redis+cluster://:hunter2@h/1', 'redis+cluster://:hunter2@h?sentinelPassword=hunter2',
    'redis+cluster://:hunter2@h,', 'redis+other://:hunter2@h',
  ]
  for (const url of urls) {
    try {
      connectRedis(url, 'api', { onError: () => {} }).disconnect()
      t.fail(`accepted: ${url}`)
    } catch (error) {
      t.ok(error instanceof Error && error.message.startsWith('REDIS_URL '), url)
      t.notMatch(error instanceof Error ? error.stack : '', 'hunter2')
    }
  }
})

t.test('requests fail fast, jobs and subscriptions wait', async (t) => {
  const { url } = await startRedis(t)
  const api = await connectTo(t, url, 'api')
  t.match(api.options, { enableOfflineQueue: false, maxRetriesPerRequest: 0, keepAlive: 30_000 })
  t.match(api.options, { enableAutoPipelining: false })
  for (const kind of ['worker', 'subscriber'] as const) {
    const { options } = await connectTo(t, url, kind)
    t.match(options, { enableOfflineQueue: true, maxRetriesPerRequest: null, enableAutoPipelining: false })
    t.equal(options['commandTimeout' as keyof typeof options], undefined)
  }
  t.equal(api.options.keyPrefix || '', '')
})

t.test('the database and the password of the URL are used; a failed login is reported without it', async (t) => {
  const { url, port } = await startRedis(t, ['--requirepass', 'correct-horse'])
  const redis = await connectTo(t, `redis://:correct-horse@127.0.0.1:${port}/3`)
  t.match(await redis.client('INFO'), / db=3 /)

  const errors: Error[] = []
  let reported = (): void => {}
  const heard = new Promise<void>((resolve) => { reported = resolve })
  const refused = connectRedis(
    `redis://:hunter2@127.0.0.1:${port}`, 'api', { onError: (error) => { errors.push(error); reported() } },
  )
  await heard
  refused.disconnect()
  t.match(errors[0]?.message, /^redis: .*WRONGPASS/)
  t.notMatch(JSON.stringify(errors.map((error) => ({ ...error, stack: error.stack }))), 'hunter2')
  t.ok(url)
})

t.test('no server: errors are reported, commands fail at once, and the client reconnects', async (t) => {
  const server = await startRedis(t)
  const errors: (Error & { code?: string })[] = []
  const redis = connectRedis(server.url, 'api', { onError: (error) => errors.push(error) })
  t.teardown(() => redis.disconnect())
  await untilReady(redis)
  await redis.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
  const closed = once(redis, 'close')
  await server.stop()
  await closed
  await t.rejects(redis.ping())
  await new Promise<void>((resolve) => { redis.once('error', () => resolve()) })
  t.match(errors.at(-1), { message: /^redis: connect ECONNREFUSED/, code: 'ECONNREFUSED' })
  const ended = untilReady(redis)
  redis.disconnect()
  await t.rejects(ended, { message: 'redis: connection closed' })
})

t.test('a server that was loading is used soon after it is ready, whatever it estimated', async (t) => {
  // The server speaks RESP, and estimates that it will be loading for another minute.
  let isLoading = true
  let replies = 0
  const server = createServer((socket) => socket.on('error', () => {}).on('data', (data) => {
    const info = isLoading ? 'loading:1\r\nloading_eta_seconds:60\r\n' : 'loading:0\r\n'
    const commands = data.toString().split(/(?=\*\d+\r\n)/)
    for (const command of commands) {
      const isQuestion = /\r\ninfo\r\n/i.test(command)
      if (isQuestion) replies += 1
      socket.write(isQuestion ? `$${info.length}\r\n${info}\r\n` : '+OK\r\n')
    }
  })).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  const redis = connectRedis(`redis://127.0.0.1:${address.port}`, 'api', { onError: () => {} })
  t.teardown(() => redis.disconnect())
  await until(() => replies > 0, 'it has replied')
  await t.rejects(redis.get('a'), 'requests fail in the meantime')
  isLoading = false
  // Without a limit of its own ioredis would wait for the estimated minute, which is longer than this test may take.
  await untilReady(redis)
})

t.test('READONLY makes it look for the master again', async (t) => {
  const [master, replica] = [await startRedis(t), await startRedis(t)]
  const redis = await connectTo(t, replica.url)
  await redis.call('REPLICAOF', '127.0.0.1', String(master.port))
  const reconnected = once(redis, 'ready')
  await t.rejects(redis.set('a', 'b'), /READONLY/)
  await redis.call('REPLICAOF', 'NO', 'ONE').catch(() => {})
  await reconnected
})

t.test('Sentinel: finds the master, also when Sentinel has its own password', async (t) => {
  const master = await startRedis(t, ['--requirepass', 'one two'])
  const sentinel = await startSentinel(t, master, ['requirepass three', 'sentinel auth-pass mymaster "one two"'])
  const redis = await connectTo(
    t, `redis+sentinel://:one%20two@127.0.0.1:${sentinel.port}/mymaster/2?sentinelPassword=three`,
  )
  t.equal(await redis.set('a', 'b'), 'OK')
  const direct = await connectTo(t, `redis://:one%20two@127.0.0.1:${master.port}/2`)
  t.equal(await direct.get('a'), 'b')
})

t.test('Cluster: connects to all masters, and a lost node is reported', async (t) => {
  const { url, nodes } = await startCluster(t)
  const errors: Error[] = []
  const redis = connectRedis(url, 'api', { onError: (error) => errors.push(error) })
  t.teardown(() => redis.disconnect())
  await untilReady(redis)
  t.ok(redis instanceof Cluster)
  t.equal(redis instanceof Cluster && redis.nodes('master').length, 3)
  t.same(await Promise.all(['a', 'b', 'c', 'd'].map((key) => redis.set(key, key))), ['OK', 'OK', 'OK', 'OK'])
  const reported = new Promise((resolve) => { redis.once('node error', resolve) })
  await nodes[0]?.stop()
  await Promise.allSettled(Array.from({ length: 20 }, (_, n) => redis.set(`key${n}`, '')))
  await reported
  t.match(errors[0]?.message, /^redis: /)
})
