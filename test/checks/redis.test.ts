import { randomBytes } from 'node:crypto'
import t, { type Test } from 'tap'
import { checkRedis, type RedisSettings } from '../../src/checks/redis.ts'
import { connectTo, startRedis } from '../helpers/redis.ts'

const sealKeys = `k1:${randomBytes(32).toString('base64')}`
const check = (redisUrl: string, more: Partial<RedisSettings> = {}) =>
  checkRedis({ redisUrl, sealKeys, sandbox: false, waitReplicas: 0, ...more })
const withAppendOnlyFile = (t: Test, ...more: string[]) =>
  startRedis(t, ['--appendonly', 'yes', '--maxmemory', '100mb', '--maxmemory-policy', 'noeviction', ...more])

t.test('a Redis as the documentation asks for it is ok, and nothing is written to it', async t => {
  const { url } = await withAppendOnlyFile(t)
  t.match(await check(url), [{ verdict: 'ok', subject: 'REDIS_URL', text: /^(redis|valkey) \d+\.\d+.*, standalone$/ }])
  t.equal((await check(url)).length, 1)
  t.equal(await (await connectTo(t, url)).dbsize(), 0)
})

t.test('settings that lose data are warnings', async t => {
  const { url } = await startRedis(t, ['--maxmemory-policy', 'noeviction'])
  const texts = (await check(url)).map(({ verdict, text }) => `${verdict}: ${text}`)
  t.match(texts, [/^ok: /, /^warning: Redis has no append-only file.*: set appendonly yes$/, /^warning: has no max/])
  const redis = await connectTo(t, (await withAppendOnlyFile(t, '--appendfsync', 'no')).url)
  const { port } = redis.options as { port: number }
  t.match(await check(`redis://127.0.0.1:${port}`), [{}, { verdict: 'warning', text: /^appendfsync is no/ }])
})

t.test('what cannot work is wrong, and says what to do', async t => {
  const { url } = await withAppendOnlyFile(t)
  const redis = await connectTo(t, url)
  const wrong = async (redisUrl: string, text: RegExp, more: Partial<RedisSettings> = {}) => {
    const findings = await check(redisUrl, more)
    t.match(findings.filter(({ verdict }) => verdict === 'wrong'), [{ text }], String(text))
    t.notMatch(JSON.stringify(findings), /hunter2/)
  }
  await wrong('redis://127.0.0.1:1', /ECONNREFUSED.*: check host and port/)
  await wrong('redis://:hunter2@h:port', /^has a host that is not host or host:port/)
  await wrong(url, /^is 2, and Redis has 0 replicas/, { waitReplicas: 2 })
  await redis.set('vg:mode', 'sandbox')
  await wrong(url, /^is used in the mode sandbox: a production needs its own/)
  await redis.acl('SETUSER', 'weak', 'on', '>hunter2', '~vg:*', '+@all', '-@scripting')
  await wrong(url.replace('redis://', 'redis://weak:hunter2@'), /NOPERM.*rights \(docs/)
  await redis.acl('SETUSER', 'narrow', 'on', '>hunter2', '~vg:*', '+@all', '-@dangerous', '+info')
  await wrong(url.replace('redis://', 'redis://narrow:hunter2@'), /NOPERM/)
  await wrong(url.replace('redis://', 'redis://nobody:hunter2@'), /WRONGPASS.*check its user, password and rights/)
  await redis.config('SET', 'maxmemory-policy', 'allkeys-lru')
  await wrong(url, /^maxmemory-policy must be noeviction, it is allkeys-lru$/)
})

t.test('the account of the documentation is enough', async t => {
  const { url } = await withAppendOnlyFile(t)
  const rules = 'on >password ~vg:* ~{vg}:* &vg:changes +@all -@admin -@dangerous +info'.split(' ')
  await (await connectTo(t, url)).acl('SETUSER', 'verigate', ...rules)
  t.match(await check(url.replace('redis://', 'redis://verigate:password@')), [{ verdict: 'ok' }])
})
