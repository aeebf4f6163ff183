import { Redis } from 'ioredis'
import t, { type Test } from 'tap'
import { readMetric } from '../e2e/end-user.ts'
import { until } from '../helpers/redis.ts'
import { numberOf, type End } from './oracle.ts'
import { startProxy } from './proxy.ts'
import {
  announces, savesTry, pointedAt, reads, readsDelivery, startKillable, type KillableProcess,
} from './killed-process.ts'
import type { Command, Held } from './wire.ts'
import { isLong, startDeployment, type Deployment, type DeploymentOptions } from './deployment.ts'

// Most of the time passes in waiting until a worker is taken for dead.
t.jobs = 4

const profile = '/v1/default'

type Window = {
  name: string
  inShort?: true
  /** The worker's job: to fetch a profile, or to send the webhook of a cancelation. */
  job: 'profile' | 'webhook'
  /** Where it waits when it dies: for Redis, or for the answer of this provider. */
  at: { request: (command: Command) => boolean } | { reply: (command: Command) => boolean } | { answer: string }
  /** The record's revision at the kill, and how often the job's request was sent: before the kill, and in all. */
  revision: number
  before: number
  inAll: number
  /** Where it is another's number that is proven. */
  suffix?: '11'
}

const windows: Window[] = [
  { name: 'before the profile is fetched', job: 'profile', at: { reply: reads }, revision: 3, before: 0, inAll: 1 },
  { name: 'while the profile is fetched', job: 'profile', at: { answer: profile }, revision: 3, before: 1, inAll: 2 },
  {
    name: 'the profile is fetched, and nothing of it written', job: 'profile', at: { request: announces(4) },
    inShort: true, revision: 3, before: 1, inAll: 2,
  },
  {
    name: 'the profile of another is fetched, and nothing of it written', job: 'profile', at: { request: announces(4) },
    suffix: '11', revision: 3, before: 1, inAll: 2,
  },
  {
    name: 'the outcome is written, and the job not finished', job: 'profile', at: { reply: announces(4) }, revision: 4,
    before: 1, inAll: 1,
  },
  { name: 'the webhook is not sent', job: 'webhook', at: { reply: readsDelivery }, revision: 3, before: 0, inAll: 1 },
  // The app's response is lost with the process: the webhook is sent once more, with the same id.
  {
    name: 'the app has the webhook, and nothing of that is written', job: 'webhook',
    at: { request: savesTry }, inShort: true, revision: 3, before: 1, inAll: 2,
  },
  {
    name: 'the delivery is written, and the job not finished', job: 'webhook', at: { reply: savesTry },
    revision: 3, before: 1, inAll: 1,
  },
]

/** A worker that will wait in the window, the api beside it, and who takes over. */
async function startScene (t: Test, at: Window['at'], options: DeploymentOptions = {}) {
  const deployment = await startDeployment(t, options)
  const later = await startProxy(t, deployment.simulators.url)
  let held: Held | null = null
  const [victim] = await Promise.all([
    startKillable(t, deployment, deployment.worker, ({ redis, providers }) => {
      if ('answer' in at) providers.lose(at.answer, 1)
      else held = 'request' in at ? redis.hold('request', at.request) : redis.hold('reply', at.reply)
    }),
    deployment.start(deployment.api),
  ])
  const fetchesOf = ({ passed }: KillableProcess['providers']): number =>
    passed.filter(({ path, status }) => path === profile && status !== null).length
  return {
    ...deployment, victim,
    survive: () => deployment.start({ ...deployment.worker, ...pointedAt(later) }),
    isThere: async (): Promise<void> =>
      held === null
        ? until(() => fetchesOf(victim.providers) === 1, 'it waits for the answer')
        : void await (held as Held).caught,
    fetches: (): number => fetchesOf(victim.providers) + fetchesOf(later),
  }
}

async function create (
  { shop, oracle }: Pick<Deployment, 'shop' | 'oracle'>, job: Window['job'], n = 1, suffix: '10' | '11' = '10',
): Promise<string> {
  const { status, body: { id } } = await shop.create(
    { phoneNumber: numberOf(n, suffix), workflow: [job === 'profile' ? 'truecaller.push' : 'otpless.otp'] },
  )
  if (status !== 201) throw new Error(`answered ${status}`)
  const proven: End = suffix === '11' ? 'failed/number_mismatch' : 'verified'
  oracle.accept(id, job === 'profile' ? proven : 'canceled/app_canceled')
  if (job === 'webhook') await shop.call('POST', `/verifications/${id}/cancel`)
  return id
}

for (const { name, job, at, inShort, revision, before, inAll, suffix } of windows) {
  if (isLong || inShort === true) t.test(name, { buffered: true }, async t => {
    const scene = await startScene(t, at)
    const { shop, oracle, receiver, victim, fetches, isThere, survive, redisUrl } = scene
    const redis = new Redis(redisUrl)
    t.teardown(() => redis.disconnect())
    const count = (): number => job === 'profile' ? fetches() : receiver.received.length
    const id = await create(scene, job, 1, suffix)
    await isThere()
    await victim.gateway.kill()
    const killedAt = performance.now()
    t.equal(await redis.llen(`{vg}:${job === 'profile' ? 'resolve' : 'notify'}:active`), 1, 'it was running the job')
    t.equal(count(), before, `done ${before} times`)
    t.match((await shop.call('GET', `/verifications/${id}`)).body, { revision }, 'what is in Redis')
    await survive()
    const [settled] = await oracle.judge(`worker SIGKILLed: ${name}`)
    await until(() => count() >= inAll, 'it is done')
    t.comment(`done ${Math.round(performance.now() - killedAt)} ms after the kill`)
    await until(
      async () => (await shop.call('GET', '/webhooks/deliveries?status=pending')).body['data'].length === 0,
      'all webhooks are sent')
    t.equal(count(), inAll, `done ${inAll} times in all`)
    t.equal(settled?.verification['revision'], job === 'profile' ? 4 : 3, 'the state is written once')
  })
}

if (isLong) t.test('how long it takes until another worker runs the job again', { buffered: true }, async t => {
  const deployment = await startDeployment(t)
  await deployment.start(deployment.api)
  const startWorker = (): Promise<KillableProcess> =>
    startKillable(t, deployment, deployment.worker, ({ providers }) => providers.lose(profile, 1))
  const fetches = ({ providers }: KillableProcess): number =>
    providers.passed.filter(({ path }) => path === profile).length
  const tookMs: number[] = []
  let idle = await startWorker()
  for (let round = 1; round <= 4; round += 1) {
    const pair = [idle, await startWorker()]
    const before = pair.map(fetches)
    const isBusy = (worker: KillableProcess): boolean => fetches(worker) > (before[pair.indexOf(worker)] ?? 0)
    await create(deployment, 'profile', round)
    await until(() => pair.some(isBusy), 'one of the two has the job')
    const [busy, other] = pair.toSorted((a, b) => Number(isBusy(b)) - Number(isBusy(a)))
    if (busy === undefined || other === undefined) throw new Error('there are two')
    await busy.gateway.kill()
    const killedAt = performance.now()
    await until(() => isBusy(other), 'the other one runs it again')
    tookMs.push(performance.now() - killedAt)
    await deployment.oracle.judge(`worker SIGKILLed beside an idle one, the ${round}. time`)
    idle = other
    idle.providers.lose(profile, 1)
  }
  t.comment(`run again after ${tookMs.map(Math.round).join(', ')} ms`)
})

if (isLong) t.test('killed six times at the same job', { buffered: true }, async t => {
  const scene = await startScene(t, { answer: profile })
  const { shop, oracle, simulators, redisUrl, victim, survive } = scene
  const redis = new Redis(redisUrl)
  t.teardown(() => redis.disconnect())
  const fetched = (): number => simulators.requests.filter(({ path }) => path === profile).length
  const id = await create(scene, 'profile')
  await scene.isThere()
  simulators.fail({ provider: 'truecaller', answer: 'hang', path: profile, times: 5 })
  await victim.gateway.kill()
  for (let kills = 1; kills < 6; kills += 1) {
    const worker = await survive()
    await until(() => fetched() > kills, 'it is at it again')
    await worker.kill()
  }
  t.match((await shop.call('GET', `/verifications/${id}`)).body, { status: 'pending', revision: 3 })
  const last = await survive()
  await oracle.judge('worker SIGKILLed six times at the same job')
  t.equal(fetched(), 7)
  t.strictSame(await redis.lrange('{vg}:resolve:active', 0, -1), [], 'no job stays active')
  const seen = await readMetric(await last.listening, 'verigate_queue_stalled_total{queue="resolve"}')
  t.ok(seen >= 1, `verigate_queue_stalled_total of the last one: ${seen}`)
})
