import { setTimeout as delay } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { walk } from '../e2e/end-user.ts'
import { until } from '../helpers/redis.ts'
import { startReceiver } from '../sandbox/receiver.ts'
import { nonsense, oddities, outages, redirects, startBadProvider, tokenOf, type Fault } from './bad-provider.ts'
import { quantile } from './open-loop.ts'
import { codeOf, retryUntilAnswered, numberOf, type End } from './oracle.ts'
import { isLong, longOrShort, startDeployment } from './deployment.ts'

t.jobs = 4

/** An api and a worker process, and a wire to all providers on which things go wrong. */
async function startBoth (t: Test, extra: (url: string) => Record<string, string> = () => ({})) {
  const deployment = await startDeployment(t)
  const { simulators, start, shop, anybody, oracle } = deployment
  const bad = await startBadProvider(t, simulators.url)
  const wired = {
    OTPLESS_AUTH_URL: bad.url, OTPLESS_USER_AUTH_URL: bad.url, TRUID_API_URL: bad.url,
    TRUECALLER_API_URL: bad.url, TRUECALLER_PROFILE_URL: bad.url, TRUECALLER_PROFILE_HOSTS: new URL(bad.url).host,
    ...extra(bad.url),
  }
  const [api] = await Promise.all([start({ ...deployment.api, ...wired }), start({ ...deployment.worker, ...wired })])
  /** `orLost`: how it may also end if an answer to the create was lost. */
  const create = async (phoneNumber: string, ...workflow: string[]) => {
    let [tries, from] = [0, 0]
    const { status, body } = await retryUntilAnswered(() => {
      tries += 1
      from = performance.now()
      return shop.create(
        { phoneNumber, workflow: workflow.map(method => ({ method, timeoutSeconds: 30 })) },
        { 'idempotency-key': `key-${phoneNumber}` },
      )
    })
    if (status !== 201) throw new Error(`answered ${status} ${body['code']}`)
    const orLost: End[] = tries === 1 ? [] : ['failed/provider_unavailable']
    return { id: String(body['id']), body, orLost, ms: performance.now() - from }
  }
  const asked = (path: string, phoneNumber: string): number =>
    bad.asked.filter(one => one.path.startsWith(path) && one.phoneNumber === phoneNumber).length
  /** How many of these a fault came of. */
  const spoiled = (path: string, phoneNumber: string): number =>
    bad.asked.filter(one => one.path.startsWith(path) && one.phoneNumber === phoneNumber && one.isSpoiled).length
  /** What the person and the front end do next; nothing where there is nothing to do. */
  const finish = async ({ id, nextAction }: Record<string, any>, phoneNumber: string): Promise<void> => {
    switch (nextAction?.type) {
      case 'submitCode': return void await shop.call(
        'POST', `/verifications/${id}/check`, { code: codeOf(phoneNumber) },
      )
      case 'openUrlOnCellular': return void await shop.call(
        'POST', `/verifications/${id}/check`, { code: (await walk(nextAction.url))?.body['code'] },
      )
      case 'approveOnDevice': {
        if (!phoneNumber.endsWith(silent)) return
        const state = bad.asked.find(one => one.path === paths.push && one.phoneNumber === phoneNumber)?.body['state']
        await anybody.call(
          'POST', '/callbacks/truecaller', { requestId: 'r', accessToken: tokenOf(phoneNumber), state },
        )
      }
    }
  }
  const breaker = async (provider: string): Promise<string> =>
    (await shop.call('GET', '/providers')).body['data'].find(
      (one: Record<string, any>) => one['provider'] === provider,
    )['health']['breaker']
  return { ...deployment, api, bad, create, asked, spoiled, finish, oracle, breaker }
}
type Both = Awaited<ReturnType<typeof startBoth>>

const paths = {
  push: '/v1/apps/requests', profile: '/v1/default', otp: '/auth/v1/initiate/otp', verify: '/auth/v1/verify/otp',
  token: '/oauth2', check: '/phone_check',
}
/** The phone of this number is silent with Truecaller: here the test is the phone. */
const silent = '92'
let serial = 0
const nextNumber = (suffix: string): string => numberOf(serial += 1, suffix)

/** As many that go well as there are that do not, and one more: what a provider fails at must not stop it. */
async function beside (both: Both, method: string, count: number): Promise<void> {
  await Promise.all(Array.from({ length: count }, async () => {
    const phoneNumber = nextNumber(method === 'truecaller.push' ? silent : '10')
    const { id, body, orLost } = await both.create(phoneNumber, method)
    both.oracle.accept(id, 'verified', ...orLost)
    await both.finish(body, phoneNumber)
  }))
}

/** Runs one lifecycle for each fault, in parts that are too small to stop the provider. */
async function forEach (
  both: Both, method: string, faults: Record<string, Fault>, one: (name: string, fault: Fault) => Promise<void>,
): Promise<void> {
  const all = Object.entries(faults)
  while (all.length > 0) {
    const part = all.splice(0, 5)
    // Twice as many: of a fetch that fails the first try counts too.
    await beside(both, method, 2 * part.length)
    await Promise.all([...part.map(([name, fault]) => one(name, fault)), beside(both, method, 2 * part.length)])
  }
}

const starts: { method: string, path: string, suffix: string, always: boolean }[] = [
  { method: 'otpless.otp', path: paths.otp, suffix: '10', always: true },
  { method: 'truecaller.push', path: paths.push, suffix: silent, always: false },
  { method: 'truid.phone_check', path: paths.check, suffix: '10', always: false },
]
for (const { method, path, suffix, always } of starts) {
  if (always || isLong) t.test(`each fault of the call that starts ${method}`, { buffered: true }, async t => {
    const both = await startBoth(t)
    const inside = await startReceiver(t)
    const { bad, create, asked, spoiled, finish, oracle } = both
    const slowest: number[] = []
    const broken: Record<string, Fault> = { ...outages, ...nonsense, ...redirects(`${inside.url}/v1/default`) }
    // That is how Truecaller says that our credentials are wrong: it stops the provider at once.
    if (method === 'truecaller.push') delete broken['status 404 of a page']
    await forEach(both, method, broken, async (name, fault) => {
      const phoneNumber = nextNumber(suffix)
      bad.spoil(path, phoneNumber, fault, 100)
      const { id, body, ms } = await create(phoneNumber, method)
      slowest.push(ms)
      oracle.accept(id, 'failed/provider_unavailable')
      t.match(body, { status: 'failed', verified: false, reason: 'provider_unavailable' }, name)
      t.equal(asked(path, phoneNumber), 1, `${name}: asked once, whatever may have become of it`)
      // A provider that never answers would hold the request until the test's own timeout.
      t.ok(ms < hangMs, `${name}: answered after ${Math.round(ms)} ms`)
    })
    await forEach(both, method, oddities, async (name, fault) => {
      const phoneNumber = nextNumber(suffix)
      bad.spoil(path, phoneNumber, fault)
      const { id, body, orLost } = await create(phoneNumber, method)
      oracle.accept(id, 'verified', ...orLost)
      t.equal(spoiled(path, phoneNumber), 1, `${name}: it came of the start call`)
      if (orLost.length === 0) t.equal(body['status'], 'pending', name)
      await finish(body, phoneNumber)
    })
    t.same(inside.received, [], 'no redirect is followed')
    await oracle.judge(
      `${method}: start call with ${Object.keys(broken).length} faults, `
        + `slowest answer ${Math.round(Math.max(...slowest))} ms`,
    )
  })
}

/** The deadline of a call is 5 s; the rest is what a busy machine takes to notice. */
const hangMs = 60_000

t.test('each fault of a profile fetch', { buffered: true }, async t => {
  const both = await startBoth(t)
  const inside = await startReceiver(t)
  const { bad, create, asked, spoiled, finish, oracle } = both
  const live = async (fault: Fault, times: number, ...ends: End[]): Promise<string> => {
    const phoneNumber = nextNumber(silent)
    bad.spoil(paths.profile, phoneNumber, fault, times)
    const { id, body, orLost } = await create(phoneNumber, 'truecaller.push')
    oracle.accept(id, ...ends, ...orLost)
    await finish(body, phoneNumber)
    return phoneNumber
  }
  await forEach(both, 'truecaller.push', { ...outages, ...oddities }, async (name, fault) => {
    const phoneNumber = await live(fault, 1, 'verified')
    await until(() => asked(paths.profile, phoneNumber) >= (name in outages ? 2 : 1), `${name}: asked again`)
    t.equal(spoiled(paths.profile, phoneNumber), 1, `${name}: it came of the first fetch`)
  })
  const broken = { ...nonsense, ...redirects(`${inside.url}/v1/default`) }
  await forEach(both, 'truecaller.push', broken, async (name, fault) => {
    // That is how a profile host says that it does not accept the token.
    const end = name.startsWith('status 4') ? 'failed/evidence_invalid' : 'failed/provider_unavailable'
    const phoneNumber = await live(fault, 100, end)
    await until(() => spoiled(paths.profile, phoneNumber) > 0, `${name}: it came of a fetch`)
  })
  const another: Fault = response =>
    response.writeHead(200, { 'content-type': 'application/json' }).end('{"phoneNumbers":[14155559999]}')
  const mismatch = await live(another, 1, 'failed/number_mismatch')
  await oracle.judge(`profile fetch with ${Object.keys({ ...outages, ...oddities, ...broken }).length + 1} faults`)
  t.same(inside.received, [], 'no redirect is followed')
  t.equal(asked(paths.profile, mismatch), 1)
  const fetches = new Set(
    bad.asked.filter(
      ({ path, phoneNumber }) => path.startsWith(paths.profile) && asked(paths.profile, phoneNumber ?? '') > 2,
    ).map(one => one.phoneNumber),
  )
  t.same([...fetches], [], 'what cannot be mended is asked for once, the rest once more')
})

if (isLong) t.test('each outage while a code is checked', { buffered: true }, async t => {
  const both = await startBoth(t)
  const { bad, create, asked, spoiled, finish, oracle } = both
  await forEach(both, 'otpless.otp', outages, async (name, fault) => {
    const phoneNumber = nextNumber('10')
    bad.spoil(paths.verify, phoneNumber, fault)
    const { id, body, orLost } = await create(phoneNumber, 'otpless.otp')
    // The provider answers "already verified" to the second call if its first answer was lost.
    oracle.accept(id, 'verified', ...orLost)
    await finish(body, phoneNumber)
    await until(() => asked(paths.verify, phoneNumber) > 1, 'asked again')
    t.equal(spoiled(paths.verify, phoneNumber), 1, `${name}: it came of the first check`)
    t.equal(asked(paths.otp, phoneNumber), 1, 'one message')
  })
  const { 'half a body, then a reset': _done, 'an answer after 10 s': _alsoDone, ...undone } = outages
  await forEach(both, 'truid.phone_check', undone, async (name, fault) => {
    const phoneNumber = nextNumber('10')
    const { id, body, orLost } = await create(phoneNumber, 'truid.phone_check')
    oracle.accept(id, 'verified', ...orLost)
    const code = (await walk(body['nextAction'].url))?.body['code']
    bad.spoil(new URL(body['nextAction'].url).pathname.replace('/redirect', ''), phoneNumber, fault)
    await both.shop.call('POST', `/verifications/${id}/check`, { code })
    const checks = () =>
      bad.asked.filter(
        one => one.method === 'PATCH' && one.phoneNumber === phoneNumber,
      ).map(({ isSpoiled }) => isSpoiled)
    await until(() => checks().length > 1, 'asked again')
    t.same(checks(), [true, false], `${name}: it came of the first check`)
  })
  await oracle.judge('checks of a code with every outage once')
})

if (isLong) t.test('no access token, no provider, no name', { buffered: true }, async t => {
  // The first part of this name is longer than DNS allows: no resolver is asked.
  const both = await startBoth(
    t, () => ({ OTPLESS_AUTH_URL: 'http://127.0.0.1:1', TRUECALLER_API_URL: `http://${'a'.repeat(64)}.invalid` }),
  )
  const { bad, create, asked, oracle } = both
  for (const method of ['otpless.otp', 'truecaller.push']) {
    const phoneNumber = nextNumber('10')
    const { id, body } = await create(phoneNumber, method)
    oracle.accept(id, 'failed/provider_unavailable')
    t.match(body, { status: 'failed', attempts: [{ reason: 'provider_error' }] }, method)
  }
  const { 'status 500': error, 'a connection reset when the request is there': reset, 'no answer': hang } = outages
  const { 'a page of HTML': page } = nonsense
  for (const fault of [error, reset, hang, page]) {
    if (fault === undefined) throw new Error('no such fault')
    // Also of the token with which the coverage is asked before.
    bad.spoil(paths.token, null, fault, Infinity)
    const phoneNumber = nextNumber('10')
    const { id } = await create(phoneNumber, 'truid.phone_check')
    oracle.accept(id, 'failed/provider_unavailable')
    t.equal(asked(paths.check, phoneNumber), 0, 'nothing is asked without a token')
    bad.heal()
  }
  await beside(both, 'truid.phone_check', 3)
  await oracle.judge('OTPLESS refuses connections, Truecaller has no address, tru.ID gives no token')
})

/**
 * Creates one verification every so often that has two methods, and does what is to be done, for that time and while
 * `isNeeded`; tells how long each create took.
 */
async function runFor (
  both: Both, forMs: number, everyMs: number, isNeeded = () => false,
): Promise<{ numbers: string[], tookMs: number[] }> {
  const [numbers, tookMs, lives]: [string[], number[], Promise<void>[]] = [[], [], []]
  const until = performance.now() + forMs
  while (performance.now() < until || isNeeded()) {
    const phoneNumber = nextNumber('10')
    numbers.push(phoneNumber)
    lives.push(both.create(phoneNumber, 'otpless.otp', 'truecaller.push').then(async ({ id, body, orLost, ms }) => {
      both.oracle.accept(id, 'verified', ...orLost)
      tookMs.push(ms)
      await both.finish(body, phoneNumber)
    }))
    await delay(everyMs)
  }
  await Promise.all(lives)
  return { numbers, tookMs }
}

t.test('a provider that answers 500 to everything', { buffered: true }, async t => {
  const both = await startBoth(t)
  const { bad, asked, oracle, breaker } = both
  const before = await runFor(both, longOrShort(2_000, 800), 25)
  bad.spoil('/auth/', null, outages['status 500'] ?? (() => {}), Infinity)
  const begunAt = performance.now()
  let openedMs = NaN
  let isOpening = true
  const opening = until(
    async () => await breaker('otpless') === 'open', 'the breaker opens',
  ).then(() => { openedMs = performance.now() - begunAt }).finally(() => { isOpening = false })
  // It opens once there are as many failures as successes, for which a busy machine needs longer.
  const during = await runFor(both, longOrShort(60_000, 2_500), 25, () => isOpening)
  await opening
  // Until then each is sent, and from then on one in five seconds.
  const calls = during.numbers.reduce((sum, phoneNumber) => sum + asked(paths.otp, phoneNumber), 0)
  t.ok(calls < during.numbers.length, `${calls} calls for ${during.numbers.length} verifications`)
  t.ok(during.numbers.every(phoneNumber => asked(paths.otp, phoneNumber) <= 1), 'none twice')
  bad.heal()
  const healedAt = performance.now()
  // The breaker tries the provider again only when a request comes.
  await until(async () => {
    await runFor(both, 50, 50)
    return await breaker('otpless') === 'closed'
  }, 'it closes again')
  const closedMs = performance.now() - healedAt
  const after = await runFor(both, 500, 25)
  t.ok(
    after.numbers.every(phoneNumber => asked(paths.otp, phoneNumber) === 1 && asked(paths.push, phoneNumber) === 0),
    'as before',
  )
  const p99 = [before, during].map(({ tookMs }) => Math.round(quantile(tookMs, 0.99)))
  t.comment(
    `open after ${Math.round(openedMs)} ms, closed ${Math.round(closedMs)} ms after the end, `
      + `p99 of a create ${p99[0]} ms before and ${p99[1]} ms meanwhile`,
  )
  await oracle.judge(
    `OTPLESS answers 500 for ${longOrShort(60, 2.5)} s: ${calls} calls for ${during.numbers.length} verifications`,
  )
})

if (isLong) t.test('a provider that comes and goes', { buffered: true }, async t => {
  const both = await startBoth(t)
  const { bad, asked, spoiled, oracle } = both
  let isOver = false
  const flapping = (async () => {
    while (!isOver) {
      bad.spoil('/auth/', null, outages['a connection reset when the request is there'] ?? (() => {}), Infinity)
      await delay(1_000)
      bad.heal()
      await delay(1_000)
    }
  })()
  const { numbers } = await runFor(both, 20_000, 25)
  isOver = true
  await flapping
  const calls = numbers.reduce((sum, phoneNumber) => sum + asked(paths.otp, phoneNumber), 0)
  t.ok(calls <= numbers.length, `${calls} calls for ${numbers.length} verifications`)
  t.ok(numbers.every(phoneNumber => asked(paths.otp, phoneNumber) <= 1), 'no message twice')
  const [lost, good, elsewhere] = [
    numbers.filter(phoneNumber => spoiled(paths.otp, phoneNumber) > 0), numbers.filter(
      phoneNumber => asked(paths.otp, phoneNumber) > spoiled(paths.otp, phoneNumber),
    ),
    numbers.filter(phoneNumber => asked(paths.push, phoneNumber) > 0),
  ].map(({ length }) => length)
  t.ok(
    Math.min(lost ?? 0, good ?? 0, elsewhere ?? 0) >= 10,
    `${lost} came while it was gone, ${good} while it was there, ${elsewhere} went to the other provider`,
  )
  await oracle.judge(`OTPLESS up and down each second: ${calls} start calls`)
})

if (isLong) t.test('one provider hangs, the others go on', { buffered: true }, async t => {
  const both = await startBoth(t)
  const { bad, create, oracle, finish } = both
  const measure = async (count: number): Promise<number[]> => {
    const took: number[] = []
    for (let n = 0; n < count; n += 1) {
      const phoneNumber = nextNumber(silent)
      const { id, body, orLost, ms } = await create(phoneNumber, 'truecaller.push')
      took.push(ms)
      oracle.accept(id, 'verified', ...orLost)
      await finish(body, phoneNumber)
    }
    return took
  }
  const alone = await measure(longOrShort(200, 30))
  bad.spoil(paths.otp, null, outages['one byte a second'] ?? (() => {}), Infinity)
  const hanging = longOrShort(300, 60)
  const stuck = Array.from({ length: hanging }, async () => {
    const { id } = await create(nextNumber('10'), 'otpless.otp')
    oracle.accept(id, 'failed/provider_unavailable')
  })
  await until(() => bad.asked.filter(({ path }) => path === paths.otp).length === hanging, 'all are being asked')
  const meanwhile = await measure(longOrShort(200, 30))
  await Promise.all(stuck)
  const [p99, p99Meanwhile] = [quantile(alone, 0.99), quantile(meanwhile, 0.99)]
  t.comment(
    `p99 of a create ${p99.toFixed(1)} ms, `
      + `while ${hanging} calls of another provider hang ${p99Meanwhile.toFixed(1)} ms `
      + `(× ${(p99Meanwhile / p99).toFixed(2)})`,
  )
  await oracle.judge(`${hanging} calls of OTPLESS drip one byte a second`)
})

if (isLong) t.test('many in flight with a provider 200 ms away', { buffered: true }, async t => {
  const both = await startBoth(t)
  const { bad, create, oracle, finish } = both
  let [waiting, mostWaiting] = [0, 0]
  bad.spoil('/', null, async (response, ask) => {
    mostWaiting = Math.max(mostWaiting, waiting += 1)
    const { status, headers, body } = await ask()
    await delay(200)
    response.writeHead(status, headers).end(body)
    waiting -= 1
  }, Infinity)
  // As many as a busy machine starts within a provider's five seconds.
  const count = 40
  const from = performance.now()
  const took = await Promise.all(Array.from({ length: count }, async () => {
    const phoneNumber = nextNumber(silent)
    const { id, body, orLost, ms } = await create(phoneNumber, 'truecaller.push')
    oracle.accept(id, 'verified', ...orLost)
    await finish(body, phoneNumber)
    return ms
  }))
  const seconds = (performance.now() - from) / 1000
  t.comment(
    `${count} at once: created and notified in ${seconds.toFixed(1)} s, `
      + `p50 of a create ${Math.round(quantile(took, 0.5))} ms, p99 ${Math.round(quantile(took, 0.99))} ms`,
  )
  t.ok(mostWaiting > 1, `${mostWaiting} calls at the same time`)
  await oracle.judge(`${count} at once with a provider that is 200 ms away`)
})
