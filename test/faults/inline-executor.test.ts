import { Redis } from 'ioredis'
import t from 'tap'
import { until } from '../helpers/redis.ts'
import { numberOf } from './oracle.ts'
import { startProxy } from './proxy.ts'
import { announces, savesTry, pointedAt } from './killed-process.ts'
import { startWire, type Command, type Held } from './wire.ts'
import { isLong, startDeployment } from './deployment.ts'

// Most of the time passes until the leases of the interrupted work expire.
t.jobs = 2

const profile = '/v1/default'

type Window = {
  name: string
  inShort?: true
  /** Where it waits when it dies: for the answer with the profile, or for Redis. */
  at: 'profile' | { request: (command: Command) => boolean } | { reply: (command: Command) => boolean }
  revision: number
  /** How often the profile was fetched and the webhook sent: before the kill, and in all. */
  before: [fetched: number, notified: number]
  inAll: [fetched: number, notified: number]
}

const windows: Window[] = [
  { name: 'before the profile is fetched', at: { reply: announces(3) }, revision: 3, before: [0, 0], inAll: [1, 1] },
  { name: 'while the profile is fetched', inShort: true, at: 'profile', revision: 3, before: [1, 0], inAll: [2, 1] },
  {
    name: 'the profile is fetched, and nothing of it written', at: { request: announces(4) }, revision: 3,
    before: [1, 0], inAll: [2, 1],
  },
  {
    name: 'the outcome is written, and the webhook not sent', at: { reply: announces(4) }, revision: 4, before: [1, 0],
    inAll: [1, 1],
  },
  {
    name: 'the app has the webhook, and nothing of that is written', at: { request: savesTry },
    revision: 4, before: [1, 1], inAll: [1, 2],
  },
  {
    name: 'the delivery is written', at: { reply: savesTry }, revision: 4, before: [1, 1], inAll: [1, 1],
  },
]

for (const { name, inShort, at, revision, before, inAll } of windows) {
  if (
    isLong || inShort === true
  ) t.test(`killed during inline work, which has no job: ${name}`, { buffered: true }, async t => {
    const { redisUrl, shop, simulators, receiver, oracle, all, start } = await startDeployment(t)
    const redis = new Redis(redisUrl)
    t.teardown(() => redis.disconnect())
    const [wire, providers] = await Promise.all(
      [startWire(t, Number(new URL(redisUrl).port)), startProxy(t, simulators.url)],
    )
    const victim = await start({ ...all, REDIS_URL: wire.url, ...pointedAt(providers) })
    let held: Held | null = null
    if (at === 'profile') providers.lose(profile, 1)
    else held = 'request' in at ? wire.hold('request', at.request) : wire.hold('reply', at.reply)
    const done = (): [number, number] => [
      simulators.requests.filter(({ path }) => path === profile).length, receiver.received.length,
    ]

    const { status, body: { id } } = await shop.create(
      { phoneNumber: numberOf(1, '10'), workflow: ['truecaller.push'] },
    )
    t.equal(status, 201)
    oracle.accept(id, 'verified')
    if (held === null) await until(
      () => providers.passed.some(({ path, status }) => path === profile && status === 200),
      'the provider has answered',
    )
    else await held.caught
    t.strictSame(await redis.mget('{vg}:resolve:id', '{vg}:notify:id'), [null, null], 'there never was a job')
    await victim.kill()
    t.same(done(), before, `fetched ${before[0]} times, notified ${before[1]} times`)
    const killedAt = performance.now()

    await start(all)
    t.match((await shop.call('GET', `/verifications/${id}`)).body, { revision }, 'what is in Redis')
    const [settled] = await oracle.judge(`process with all roles SIGKILLed during inline work: ${name}`)
    t.same(done(), inAll, `in all fetched ${inAll[0]} times, notified ${inAll[1]} times`)
    t.comment(`all done ${Math.round(performance.now() - killedAt)} ms after the kill`)
    t.match(settled?.verification, { status: 'verified', revision: 4 }, 'the state is written once')
    t.equal(new Set(receiver.received.map(({ headers }) => headers['webhook-id'])).size, 1)
  })
}
