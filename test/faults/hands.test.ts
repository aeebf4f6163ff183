import { Redis } from 'ioredis'
import t from 'tap'
import { until } from '../helpers/redis.ts'
import { numberOf } from './oracle.ts'
import { startProxy } from './proxy.ts'
import { announces, pointedAt } from './victim.ts'
import { startWire, type Held } from './wire.ts'
import { isFull, startWorld } from './world.ts'

// Most of the time passes in waiting until the due times of what was in hand have come.
t.jobs = 2
t.setTimeout(150_000)

const profile = '/v1/default'

/** What is under way when it dies, and how the record is then. */
const windows: { name: string, inShort?: true, at: 'profile' | 'webhook', revision: number }[] = [
  { name: 'while the profile is fetched', inShort: true, at: 'profile', revision: 3 },
  { name: 'the app has the webhook, and nothing of that is written', at: 'webhook', revision: 4 },
]

for (const { name, inShort, at, revision } of windows) {
  t.test(`killed with work in hand that has no job: ${name}`, { buffered: true, skip: !isFull && inShort !== true && 'only in npm run test:faults' }, async t => {
    const { redisUrl, shop, simulators, receiver, oracle, all, start } = await startWorld(t)
    const redis = new Redis(redisUrl)
    t.teardown(() => redis.disconnect())
    const [wire, providers] = await Promise.all([startWire(t, Number(new URL(redisUrl).port)), startProxy(t, simulators.url)])
    const victim = await start({ ...all, REDIS_URL: wire.url, ...pointedAt(providers) })
    let held: Held | null = null
    if (at === 'profile') providers.lose(profile, 1)
    else held = wire.hold('request', announces('delivered'))
    const fetches = (): number => simulators.requests.filter(({ path }) => path === profile).length
    const count = at === 'profile' ? fetches : (): number => receiver.received.length

    const { status, body: { id } } = await shop.create({ phoneNumber: numberOf(1, '10'), workflow: ['truecaller.push'] })
    t.equal(status, 201)
    oracle.accept(id, 'verified')
    if (held === null) await until(() => fetches() === 1, 'the provider has answered')
    else await held.caught
    t.strictSame(await redis.mget('{vg}:resolve:id', '{vg}:notify:id'), [null, null], 'there never was a job')
    t.equal(count(), 1)
    await victim.kill()
    const killedAt = performance.now()

    await start(all)
    t.match((await shop.call('GET', `/verifications/${id}`)).body, { revision }, 'what is in Redis')
    const [settled] = await oracle.judge(`process with all roles SIGKILLed, work in hand: ${name}`)
    await until(() => count() === 2, 'it is done again', 30_000)
    t.comment(`done again ${Math.round(performance.now() - killedAt)} ms after the kill`)
    t.match(settled?.verification, { status: 'verified', revision: 4 }, 'the state is written once')
    t.equal(new Set(receiver.received.map(({ headers }) => headers['webhook-id'])).size, 1)
  })
}
