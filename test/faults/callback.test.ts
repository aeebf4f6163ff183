import { Queue } from 'bullmq'
import { Redis } from 'ioredis'
import t, { type Test } from 'tap'
import { queueNames, queuePrefix, resolveTries } from '../../src/jobs/queues.ts'
import { clientOf, type Client } from '../helpers/gateway.ts'
import { freePort, until } from '../helpers/redis.ts'
import { startBadProvider, tokenOf, type Fault } from './bad-provider.ts'
import { createClock } from './shared-clock.ts'
import { quantile } from './open-loop.ts'
import { codeOf, numberOf, retryUntilAnswered } from './oracle.ts'
import { isLong, longOrShort, startDeployment } from './deployment.ts'

t.jobs = 2

const push = '/v1/apps/requests'
const profile = '/v1/default'
const minuteMs = 60_000

/** Two api processes, a worker, and a proxy to Truecaller; the test acts as the phone. */
async function startThree (t: Test) {
  const clock = await createClock(t)
  const deployment = await startDeployment(t, { environment: clock.environment, simulatorOptions: { now: clock.now } })
  const { simulators, start, shop, url, oracle } = deployment
  const bad = await startBadProvider(t, simulators.url)
  const wired = {
    TRUECALLER_API_URL: bad.url, TRUECALLER_PROFILE_URL: bad.url, TRUECALLER_PROFILE_HOSTS: new URL(bad.url).host,
  }
  const port = String(await freePort())
  const worker = { ...deployment.worker, ...wired }
  const [,, first] = await Promise.all(
    [start({ ...deployment.api, ...wired }), start({ ...deployment.api, ...wired, PORT: port }), start(worker)],
  )
  const doors: [Client, Client] = [deployment.anybody, clientOf(`http://127.0.0.1:${port}`, null)]
  const body = (phoneNumber: string) => {
    const state = bad.asked.find(one => one.path === push && one.phoneNumber === phoneNumber)?.body['state']
    return { requestId: 'r', accessToken: tokenOf(phoneNumber), state }
  }
  /** Sends the provider's callback for this number to the api process with this index. */
  const tell = (phoneNumber: string, door: number) => (doors[door % 2] ?? doors[0]).call(
    'POST', '/callbacks/truecaller', body(phoneNumber),
  )
  const create = async (phoneNumber: string, request: object = {}) => {
    const { status, body } = await shop.create({ phoneNumber, workflow: ['truecaller.push'], ...request })
    if (status !== 201) throw new Error(`answered ${status} ${body['code']}`)
    return { id: String(body['id']), body }
  }
  const counted = async (result: string): Promise<number> => {
    const texts = await Promise.all(
      [url, `http://127.0.0.1:${port}`].map(
        async place => (await clientOf(place, null).call('GET', '/metrics')).body['text'],
      ),
    )
    return texts.reduce(
      (sum, text) =>
        sum + Number(
          new RegExp(
            `^verigate_callbacks_total\\{provider="truecaller",result="${result}"\\} (\\d+)$`, 'm',
          ).exec(text)?.[1],
        ),
      0,
    )
  }
  return {
    ...deployment, clock, bad, tell, counted, doors, worker: first, launchWorker: () => start(worker), oracle,
    create,
    /** One after the other; the test starts afterwards. */
    createAll: async (phoneNumbers: string[]): Promise<string[]> => {
      const ids: string[] = []
      for (const phoneNumber of phoneNumbers) ids.push((await create(phoneNumber)).id)
      return ids
    },
    fetches: (phoneNumber: string): number =>
      bad.asked.filter(one => one.path === profile && one.phoneNumber === phoneNumber).length,
    read: async (id: string) => (await shop.call('GET', `/verifications/${id}`)).body,
  }
}
const silent = (n: number): string => numberOf(n, '92')
const numbers = (count: number): number[] => Array.from({ length: count }, (_, n) => n)

t.test('before the answer to the start call, at another process', { buffered: true }, async t => {
  const { bad, tell, create, fetches, oracle } = await startThree(t)
  const ends: Record<string, Fault> = {
    well: async (response, ask) => {
      const { status, headers, body } = await ask()
      response.writeHead(status, headers).end(body)
    },
    'in a 500': response => response.writeHead(500).end(),
    'in a reset': response => response.socket?.resetAndDestroy(),
  }
  let early = 0
  await Promise.all(Object.entries(ends).flatMap(([, end], kind) => numbers(longOrShort(6, 3)).map(async n => {
    const phoneNumber = silent(100 * kind + n)
    let isCreated = false
    bad.spoil(push, phoneNumber, async (response, ask) => {
      const { status } = await retryUntilAnswered(() => tell(phoneNumber, 1))
      if (status === 200 && !isCreated) early += 1
      await end(response, ask)
    })
    const { id } = await create(phoneNumber)
    isCreated = true
    oracle.accept(id, 'verified')
  })))
  t.equal(early, 3 * longOrShort(6, 3), 'each callback was accepted before its create was answered')
  const settled = await oracle.judge('callback before the answer to the start call')
  t.ok(settled.every(({ verification }) => fetches(verification['phoneNumber']) === 1), 'one profile fetch each')
})

if (isLong) t.test('at two processes at once', { buffered: true }, async t => {
  const { tell, createAll, fetches, counted, oracle } = await startThree(t)
  const count = longOrShort(60, 12)
  const ids = await createAll(numbers(count).map(silent))
  for (const id of ids) oracle.accept(id, 'verified')
  const statuses = await Promise.all(numbers(2 * count).map(async n => (await tell(silent(n >> 1), n)).status))
  t.same(new Set(statuses), new Set([200]))
  t.equal(await counted('accepted'), count, 'one of every two')
  const settled = await oracle.judge(`${count} callbacks at two processes at once`)
  t.ok(settled.every(({ verification }) => fetches(verification['phoneNumber']) === 1), 'one profile fetch each')
})

t.test('ten thousand times, and a minute and 23 hours later', { buffered: true }, async t => {
  const { tell, create, fetches, counted, oracle, clock, read } = await startThree(t)
  const count = longOrShort(10_000, 300)
  const phoneNumber = silent(0)
  const { id, body: { revision } } = await create(phoneNumber)
  oracle.accept(id, 'verified')
  const took: number[] = []
  const statuses = new Set<number>()
  let sent = 0
  await Promise.all(numbers(100).map(async () => {
    while (sent < count) {
      const from = performance.now()
      statuses.add((await tell(phoneNumber, sent++)).status)
      took.push(performance.now() - from)
    }
  }))
  t.same(statuses, new Set([200]))
  const [{ verification = {} } = {}] = await oracle.judge(`one callback ${count} times`)
  t.equal(verification['revision'], revision + 2, 'one change for the callback, one for the profile')
  t.equal(fetches(phoneNumber), 1, 'one profile fetch')
  t.comment(`p50 of an answer ${quantile(took, 0.5).toFixed(1)} ms, p99 ${quantile(took, 0.99).toFixed(1)} ms`)

  for (const laterMs of [0, minuteMs, 23 * 60 * minuteMs]) {
    clock.advance(laterMs)
    t.same(new Set(await Promise.all(numbers(50).map(async n => (await tell(phoneNumber, n)).status))), new Set([200]))
    t.same(await read(id), verification, `nothing has changed ${laterMs / minuteMs} min later`)
  }
  t.equal(await counted('accepted'), 1)
  t.equal(
    await counted('late') + await counted('duplicate'), count - 1 + 150, 'all others are late or duplicates',
  )
  t.equal(fetches(phoneNumber), 1, 'and no second fetch')
})

t.test('after the end, whatever that was', { buffered: true }, async t => {
  const { tell, create, fetches, oracle, clock, read, shop, counted, launchWorker, worker } = await startThree(t)
  const [expired, canceled, failed] = [silent(0), silent(1), silent(2)]
  const [
    { id: expiredId }, { id: canceledId }, { id: failedId },
  ] = await Promise.all([create(expired), create(canceled), create(failed)])
  await shop.call('POST', `/verifications/${canceledId}/cancel`)
  await shop.call('POST', `/verifications/${failedId}/next`, { reason: 'user_rejected' })
  oracle.accept(expiredId, 'expired/attempt_timeout')
  clock.advance(3 * minuteMs)
  await oracle.judge('callback after the attempt\'s time')
  // The attempt is past its time, but no process has ended it: the callback arrives first.
  await worker.kill()
  const overdue = silent(3)
  const { id: overdueId } = await create(overdue)
  const typed = numberOf(4, '10')
  const { body: { id: typedId } } = await shop.create({ phoneNumber: typed, workflow: ['otpless.otp'] })
  clock.advance(11 * minuteMs)
  const before = await Promise.all([expiredId, canceledId, failedId].map(read))
  const tellBoth = async (phoneNumber: string): Promise<void> => {
    for (const door of [0, 1]) t.equal((await tell(phoneNumber, door)).status, 200)
  }
  for (const phoneNumber of [expired, canceled, failed]) await tellBoth(phoneNumber)
  t.same(
    await Promise.all([expiredId, canceledId, failedId].map(read)), before, 'an ended verification stays unchanged',
  )
  t.same([expired, canceled, failed].map(fetches), [0, 0, 0], 'no provider is asked')
  t.same([await counted('accepted'), await counted('late')], [0, 6])
  await tellBoth(overdue)
  t.match(
    await shop.call('POST', `/verifications/${typedId}/check`, { code: codeOf(typed) }),
    { status: 409, body: { code: 'invalid_state', verificationStatus: 'expired' } }, 'a code likewise',
  )
  t.same([await counted('accepted'), await counted('late')], [0, 8])
  await launchWorker()
  t.match(
    await shop.waitFor(overdueId), { status: 'expired', verified: false },
    'a late callback changes nothing, even before the sweep',
  )
  t.match(await read(typedId), { status: 'expired', verified: false })
  t.equal(fetches(overdue), 0)
})

t.test('while no worker runs, and the queue is lost', { buffered: true }, async t => {
  const { tell, createAll, fetches, oracle, read, worker, launchWorker, redisUrl, counted } = await startThree(t)
  await worker.kill()
  const count = longOrShort(100, 8)
  const ids = await createAll(numbers(count).map(silent))
  for (const id of ids) oracle.accept(id, 'verified')
  for (const round of [1, 2, 3]) {
    t.same(
      new Set(await Promise.all(numbers(count).map(async n => (await tell(silent(n), n + round)).status))),
      new Set([200]), `round ${round}`,
    )
  }
  t.equal(await counted('accepted'), count)
  t.same(
    new Set(await Promise.all(ids.map(async id => (await read(id))['nextAction'].type))), new Set(['wait']),
    'the evidence is stored',
  )
  const redis = new Redis(redisUrl)
  t.teardown(() => redis.disconnect())
  const jobs = await redis.keys('{vg}:resolve*')
  t.ok(jobs.length > count, `${jobs.length} keys of the queue are there`)
  await redis.del(jobs)
  await Promise.all(numbers(count).map(n => tell(silent(n), n)))
  t.same(numbers(count).map(n => fetches(silent(n))), numbers(count).map(() => 0))
  await launchWorker()
  const settled = await oracle.judge('callbacks without a worker, then the queue lost')
  t.ok(settled.every(({ verification }) => fetches(verification['phoneNumber']) === 1), 'one profile fetch each')
})

if (isLong) t.test('again, after its job has failed for good', { buffered: true }, async t => {
  const { bad, tell, create, fetches, oracle, read, counted, redisUrl } = await startThree(t)
  const redis = new Redis(redisUrl)
  const queue = new Queue(queueNames.resolve, { connection: redis, prefix: queuePrefix })
  t.teardown(async () => {
    await queue.close()
    redis.disconnect()
  })
  const phoneNumber = silent(0)
  bad.spoil(profile, phoneNumber, response => response.writeHead(500).end(), Infinity)
  const { id } = await create(phoneNumber)
  oracle.accept(id, 'failed/provider_unavailable')
  await tell(phoneNumber, 0)
  await until(async () => await queue.getDelayedCount() === 1, 'the job failed and is delayed')
  const [job] = await queue.getDelayed()
  if (job?.id === undefined) throw new Error('no job')
  t.equal(job.attemptsMade, 1)
  // The tries before the last would take ten minutes.
  await redis.hset(queue.toKey(job.id), 'atm', resolveTries - 1)
  await job.promote()
  await oracle.judge('callback again after its job failed for good')
  t.strictSame(
    await queue.getJobCounts('waiting', 'active', 'delayed', 'failed'),
    { waiting: 0, active: 0, delayed: 0, failed: 0 }, 'no job is left',
  )
  const [before, fetched] = [await read(id), fetches(phoneNumber)]
  t.equal(fetched, 2, 'the first try and the last')
  bad.heal()
  t.same(new Set(await Promise.all(numbers(10).map(async n => (await tell(phoneNumber, n)).status))), new Set([200]))
  t.same(await read(id), before, 'write-once')
  t.equal(fetches(phoneNumber), fetched)
  t.strictSame(
    await queue.getJobCounts('waiting', 'active', 'delayed'), { waiting: 0, active: 0, delayed: 0 },
    'and no new job',
  )
  t.equal(await counted('late'), 10)
})
