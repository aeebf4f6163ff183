import t, { type Test } from 'tap'
import { readLine } from '../helpers/process.ts'
import { startRedis, until } from '../helpers/redis.ts'
import { numberOf } from './oracle.ts'
import { runs, startWire } from './wire.ts'
import { longOrShort, startDeployment } from './deployment.ts'

t.jobs = 2

/** An api behind a Redis proxy, a worker, and pushes that the handset has not answered yet. */
async function startPushes (t: Test) {
  const redis = await startRedis(t)
  const wire = await startWire(t, redis.port)
  const deployment = await startDeployment(
    t, { redisUrl: redis.url, simulatorOptions: { retryScale: 0.3, handsetDelayMs: longOrShort(10_000, 4_000) } },
  )
  const wired = { ...deployment.api, REDIS_URL: wire.url }
  const [api] = await Promise.all([deployment.start(wired), deployment.start(deployment.worker)])
  const ids = await Promise.all(Array.from({ length: longOrShort(10, 5) }, async (_, n): Promise<string> => {
    const { status, body: { id } } = await deployment.shop.create(
      { phoneNumber: numberOf(n, '10'), workflow: ['truecaller.push'] },
    )
    t.equal(status, 201)
    deployment.oracle.accept(id, 'verified')
    return id
  }))
  const heard = (logs: readonly string[]): Record<string, unknown>[] =>
    logs.map(readLine).filter(line => 'callback' in line)
  t.same(heard(api.logs), [], 'no callback has arrived yet')
  return { ...deployment, wire, api, ids, heard, startAgain: () => deployment.start(wired) }
}

t.test('api killed between the write of a callback and its 2xx', { buffered: true }, async t => {
  const { wire, api, ids, heard, oracle, startAgain } = await startPushes(t)
  const { command, text } = await wire.hold('reply', runs('write.lua')).caught
  const [written = ''] = ids.filter(id => command[3]?.endsWith(id))
  t.match([text, written], ['*1\r\n:1\r\n', /^ver_/], 'Redis has written the first')
  await until(() => oracle.reached(3) > 0, 'it is announced')
  await api.kill()
  t.same(heard(api.logs), [], 'no callback got a response')
  const again = await startAgain()
  const resultsOf = (isFirst: boolean) =>
    heard(again.logs).filter(
      ({ verificationId }) => (verificationId === written) === isFirst,
    ).map(({ callback }) => Object(callback).result)
  await until(
    () => new Set(heard(again.logs).map(({ verificationId }) => verificationId)).size === ids.length,
    'every callback is repeated')
  t.match(resultsOf(true), [/^(duplicate|late)$/], 'a duplicate changes nothing')
  t.ok(
    resultsOf(false).every(result => ['accepted', 'duplicate', 'late'].includes(String(result))),
    'the others are accepted',
  )
  const settled = await oracle.judge('api SIGKILLed between the write of a callback and its 2xx')
  for (const { verification } of settled) t.match(verification, { attempts: { length: 1 } })
})

t.test('api killed between a callback and its write', { buffered: true }, async t => {
  const { wire, api, ids, heard, oracle, startAgain } = await startPushes(t)
  const held = wire.hold('request', runs('write.lua'))
  const { command } = await held.caught
  t.ok(ids.some(id => command[3]?.endsWith(id)), 'Redis has not seen the first')
  await api.kill()
  t.equal(oracle.reached(3), 0, 'none is written')
  const again = await startAgain()
  await until(() => heard(again.logs).length >= ids.length, 'every callback is repeated')
  t.same(
    new Set(heard(again.logs).map(({ callback }) => Object(callback).result)), new Set(['accepted']),
    'the repetition is accepted',
  )
  await oracle.judge('api SIGKILLed between a callback and its write')
})
