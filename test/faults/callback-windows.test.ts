import { Redis } from 'ioredis'
import t from 'tap'
import { readLine } from '../helpers/process.ts'
import { until } from '../helpers/redis.ts'
import { numberOf } from './oracle.ts'
import { announces, enqueues } from './killed-process.ts'
import { startWire, type Command } from './wire.ts'
import { isLong, startDeployment } from './deployment.ts'

t.jobs = 2

/** `waiting`: jobs in the queue when the process is killed. */
const windows: { name: string, inShort?: true, at: (command: Command) => boolean, waiting: number }[] = [
  { name: 'the evidence is written, and no job is queued', at: announces(3), waiting: 0 },
  { name: 'the job is queued, and the provider has no answer', inShort: true, at: enqueues('resolve'), waiting: 1 },
]

for (const { name, inShort, at, waiting } of windows) {
  if (isLong || inShort === true) t.test(name, { buffered: true }, async t => {
    // The provider repeats the callback after 0.8, 4 and 12 s.
    const {
      redisUrl, shop, simulators, oracle, api, all, start,
    } = await startDeployment(t, { simulatorOptions: { retryScale: 0.4 } })
    const redis = new Redis(redisUrl)
    t.teardown(() => redis.disconnect())
    const wire = await startWire(t, Number(new URL(redisUrl).port))
    const victim = await start({ ...api, REDIS_URL: wire.url })
    const held = wire.hold('reply', at)
    const { status, body: { id } } = await shop.create(
      { phoneNumber: numberOf(1, '10'), workflow: ['truecaller.push'] },
    )
    t.equal(status, 201)
    oracle.accept(id, 'verified')
    const { text } = await held.caught
    t.notMatch(text, /^-/, 'Redis has done it')
    await victim.kill()
    t.equal(await redis.llen('{vg}:resolve:wait'), waiting, `jobs in the queue: ${waiting}`)
    t.notMatch(victim.logs.join('\n'), '"callback"', 'the callback got no response')

    const survivor = await start(all)
    t.match((await shop.call('GET', `/verifications/${id}`)).body, { id })
    await oracle.judge(`api SIGKILLed: callback, ${name}`)
    const results = (): unknown[] =>
      survivor.logs.filter(line => line.includes('"callback"')).map(line => Object(readLine(line)['callback']).result)
    await until(() => results().length > 0, 'the callback is repeated')
    t.notOk(results().includes('accepted'), `what it says again changes nothing: ${results().join(', ')}`)
    t.match((await shop.call('GET', `/verifications/${id}`)).body, { status: 'verified', revision: 4 })
    t.equal(simulators.requests.filter(({ path }) => path === '/v1/default').length, 1, 'one profile fetch')
  })
}
