import { writeFile } from 'node:fs/promises'
import { Redis } from 'ioredis'
import t, { type Test } from 'tap'
import { readTable } from '../../src/store/tables.ts'
import { createSealer, numberTag } from '../../src/store/sealing.ts'
import type { App } from '../../src/apps/apps.ts'
import { startBeside, startGateway, testApps, type Answer, type Client } from '../helpers/gateway.ts'
import { readLine } from '../helpers/process.ts'
import { startRedis, until } from '../helpers/redis.ts'

t.jobs = 3
t.setTimeout(90_000)

/** What an empty variable or an absent setting means. */
const defaults = { MESSAGES_PER_NUMBER_PER_HOUR: '', MESSAGES_PER_NUMBER_PER_DAY: '' }

/** A clock on which a minute begins now, so the requests of a test fall into one. */
function startMinute (): () => number {
  const ahead = 60_000 - Date.now() % 60_000
  return () => Date.now() + ahead
}

/** Two gateways on one Redis, as two processes are, with the shop's limits in both. */
async function startTwo (
  t: Test, shop: Partial<App>, { environment = {}, now = Date.now }: {
    environment?: Record<string, string>, now?: () => number,
  } = {},
) {
  const redis = await startRedis(t)
  const apps = testApps.map(app => app.id === 'shop' ? { ...app, ...shop } : app)
  const first = await startGateway(t, { redisUrl: redis.url, apps, environment, now })
  const second = await startBeside(t, first, { now })
  const clients = [first.shop, second.shop] as const
  const lines = () => [first, second].flatMap(({ logs }) => logs).map(readLine)
  const metric = async (name: string): Promise<number> => (
    await Promise.all(clients.map(client => client.call('GET', '/metrics')))
  )
    .reduce(
      (sum, { body }) =>
        sum + Number(new RegExp(`^${name.replace(/[{}]/g, '\\$&')} (\\d+)$`, 'm').exec(body['text'])?.[1] ?? NaN),
      0,
    )
  const reload = async (apps: unknown): Promise<void> => {
    await writeFile(first.environment['APPS_FILE'] ?? '', JSON.stringify(apps))
    for (const { app } of [first, second]) app.reload()
  }
  return { redis, environment: first.environment, clients, bank: first.bank, lines, metric, reload }
}
const alternate = <T>(
  clients: readonly [Client, Client], items: readonly T[], ask: (client: Client, item: T, n: number) => Promise<Answer>,
): Promise<Answer[]> =>
  Promise.all(items.map((item, n) => ask(clients[n % 2] ?? clients[0], item, n)))
const countStatus = (answers: Answer[], wanted: number): number =>
  answers.filter(({ status }) => status === wanted).length
const hourly = (answer: Answer | undefined): boolean =>
  Number(answer?.headers['retry-after']) > 3_500 && Number(answer?.headers['retry-after']) <= 3_600

t.test('requests of an app per minute: too many by at most one step of the other process', {
  buffered: true,
}, async t => {
  const limit = 200
  const { clients, bank, metric } = await startTwo(
    t, { limits: { requestsPerMinute: limit } }, { now: startMinute() },
  )
  const concurrent = 5
  const passed = await Promise.all(clients.map(async client => {
    let passed = 0
    const ask = async (): Promise<void> => {
      for (let n = 0; n < 400 / concurrent; n += 1) if (
        (await client.call('GET', '/verifications?reference=r')).status === 200
      ) passed += 1
    }
    await Promise.all(Array.from({ length: concurrent }, ask))
    return passed
  }))
  const sum = passed.reduce((sum, each) => sum + each, 0)
  t.comment(`limit ${limit}, passed ${passed.join(' + ')} of 800`)
  t.ok(sum >= limit && sum <= limit + limit / 20 + 2 * concurrent, `${sum}`)
  t.equal(await metric('verigate_refused_requests_total{cause="rate_limited_app"}'), 800 - sum)
  t.equal((await bank.call('GET', '/verifications?reference=r')).status, 200, 'the other app')
})

t.test('creates of a number, exactly', { buffered: true }, async t => {
  const { clients, bank, lines, environment } = await startTwo(
    t, { limits: { createsPerNumberPerHour: 3, createsPerPrefixPerHour: null } },
  )
  const phoneNumber = '+14155550110'
  const create = (client: Client, headers = {}) => client.create({ phoneNumber, workflow: ['otpless.otp'] }, headers)
  const made: Answer[] = []
  for (let n = 0; n < 3; n += 1) {
    const answer = await create(clients[n % 2] ?? clients[0], { 'idempotency-key': `key-${n}` })
    t.equal(answer.status, 201)
    t.equal((await create(clients[0])).status, 409, 'one live verification at a time')
    made.push(answer)
    await clients[0].call('POST', `/verifications/${answer.body['id']}/cancel`)
  }
  const refused = await create(clients[1])
  t.match(refused, { status: 429, body: { code: 'rate_limited', detail: 'Too many verifications of this number.' } })
  t.ok(hourly(refused), `Retry-After ${refused.headers['retry-after']}`)
  t.match(
    await create(clients[1], { 'idempotency-key': 'key-0' }), { status: 201, body: { id: made[0]?.body['id'] } },
    'a repeated request creates nothing',
  )
  t.equal((await bank.create({ phoneNumber, workflow: ['otpless.otp'] })).status, 201, 'the other app')
  t.equal(
    (await clients[0].create({ phoneNumber: '+14155550112', workflow: ['otpless.otp'] })).status, 201, 'another number',
  )
  const tagged = numberTag(createSealer(environment['SEAL_KEYS'] ?? ''), phoneNumber)
  t.match(
    lines().find(({ audit }) => audit === 'refused'),
    { msg: 'audit', cause: 'number_limit', app: 'shop', route: '/verifications', numberTag: tagged, requestId: String },
  )
})

t.test('creates of a prefix, an address and a country: exactly the limit, however many at once', {
  buffered: true,
}, async t => {
  const limits = { createsPerPrefixPerHour: 7, createsPerIpPerHour: 5, createsPerCountryPerHour: 9 }
  const { clients, metric } = await startTwo(t, { limits })
  const numbers = (prefix: string, count: number) =>
    Array.from({ length: count }, (_, n) => `${prefix}${1_000 + 2 * n}`)
  const create = (device?: { ip: string }) => (client: Client, phoneNumber: string) =>
    client.create({ phoneNumber, workflow: ['otpless.otp'], ...device === undefined ? {} : { device } })
  const byPrefix = await alternate(clients, numbers('+4915112', 40), create())
  t.strictSame([201, 429].map(status => countStatus(byPrefix, status)), [7, 33])
  t.ok(byPrefix.filter(({ status }) => status === 429).every(hourly))
  const byIp = await alternate(
    clients,
    [
      '+4477001', '+4477002', '+4477003', '+4477004',
    ].flatMap(prefix => numbers(`${prefix}0`, 6)).map(number => `${number}0`.slice(0, 13)),
    create({ ip: '203.0.113.7' }),
  )
  t.strictSame([201, 429].map(status => countStatus(byIp, status)), [5, 19])
  const byCountry = await alternate(
    clients,
    ['+3361', '+3362', '+3363'].flatMap(prefix => numbers(`${prefix}200`, 6)).map(number => number.slice(0, 12)),
    create(),
  )
  t.strictSame([201, 429].map(status => countStatus(byCountry, status)), [9, 9])
  t.strictSame(
    await Promise.all(
      ['prefix_limit', 'ip_limit', 'country_limit'].map(
        cause => metric(`verigate_refused_requests_total{cause="${cause}"}`),
      ),
    ), [33, 19, 9],
  )
})

t.test('incorrect codes of a number, across its verifications', { buffered: true }, async t => {
  const { clients, bank, redis } = await startTwo(
    t, { limits: { wrongCodesPerNumberPerHour: 7, createsPerNumberPerHour: null } },
  )
  const phoneNumber = '+14155550114'
  let wrong = 0
  const create = async (n: number) => (
    await clients[n % 2]?.create({ phoneNumber, workflow: ['otpless.otp'] })
  )?.body['id']
  for (const tries of [3, 3]) {
    const id = await create(wrong)
    for (let n = 0; n < tries; n += 1) {
      wrong += 1
      t.match(
        await clients[n % 2]?.call('POST', `/verifications/${id}/check`, { code: '000000' }),
        { status: 422, body: { code: 'code_incorrect', attemptsRemaining: 4 - n } },
      )
    }
    await clients[0].call('POST', `/verifications/${id}/cancel`)
  }
  const last = await create(0)
  t.match(
    await clients[0].call('POST', `/verifications/${last}/check`, { code: '000000' }),
    { status: 422, body: { attemptsRemaining: 4 } }, 'the seventh',
  )
  const refused = await clients[1].call('POST', `/verifications/${last}/check`, { code: '550114' })
  t.match(
    refused, { status: 429, body: { code: 'rate_limited', detail: 'Too many wrong codes for this number.' } },
    'the eighth is not checked, although it is correct',
  )
  t.ok(hourly(refused))
  t.match(
    await clients[1].call('GET', `/verifications/${last}`),
    { body: { status: 'pending', nextAction: { type: 'submitCode', attemptsRemaining: 4 } } },
  )
  await clients[0].call('POST', `/verifications/${last}/cancel`)
  t.match(
    await clients[0].create({ phoneNumber, workflow: ['otpless.otp'] }),
    { status: 429, body: { code: 'rate_limited' } }, 'a new code does not reset the count',
  )
  const silent = await clients[0].create({ phoneNumber, workflow: ['truid.phone_check', 'otpless.otp'] })
  t.equal(silent.status, 201, 'a method that takes no typed code is allowed')
  t.match(
    await clients[0].call('POST', `/verifications/${silent.body['id']}/next`, { reason: 'not_on_cellular' }),
    {
      body: {
        status: 'failed', reason: 'not_on_cellular',
        attempts: [{}, { status: 'skipped', reason: 'code_attempts_exhausted' }],
      },
    }, 'behind it, too, no code is sent',
  )
  t.equal((await bank.create({ phoneNumber, workflow: ['otpless.otp'] })).status, 201)
  const watcher = new Redis(redis.url)
  t.teardown(() => watcher.disconnect())
  const tables = await Promise.all((await watcher.keys('vg:{q*}t*')).map(key => watcher.getBuffer(key)))
  const codes = tables.flatMap(table => readTable(table, 0)).filter(({ field }) => field === 'codes')
  t.strictSame(codes.map(({ value }) => value), ['7'])
})

t.test('countries, and the budget for those that remain unverified', { buffered: true }, async t => {
  const { clients, lines, metric, reload } = await startTwo(t, {
    deniedCountries: ['FR', '001'], unverifiedBudget: { mode: 'enforce', share: 1, leastPerDay: 24 },
    limits: { createsPerPrefixPerHour: null },
  })
  t.match(
    await clients[0].create({ phoneNumber: '+33612345678', workflow: ['otpless.otp'] }),
    { status: 422, body: { code: 'country_not_allowed', errors: [{ field: 'phoneNumber' }] } },
  )
  t.equal(
    (await clients[0].create({ phoneNumber: '+881612345678', workflow: ['otpless.otp'] })).status, 422,
    'a satellite number has no country',
  )

  // Four an hour are allowed; beyond that, each verified one allows one unverified one.
  const create = (n: number) =>
    clients[n % 2]?.create({ phoneNumber: `+4915112${100_000 + 2 * n}`, workflow: ['otpless.otp'] })
  const first = { phoneNumber: '+4915112999998', workflow: ['otpless.otp'] }
  const key = { 'idempotency-key': 'before-the-limit' }
  const kept = await clients[0].create(first, key)
  let made = 0
  await until(async () => {
    const answer = await create(made)
    if (answer?.status === 201) made += 1
    return answer?.status === 429
  }, 'the budget is exhausted', 30_000)
  t.ok(
    made >= 3 && made < 40, `after ${made}: 4 with the first, and those before the processes had synced`,
  )
  const refused = await create(made)
  t.match(
    refused,
    {
      status: 429,
      body: { code: 'rate_limited', detail: 'Too many verifications of numbers of this country remain unverified.' },
    },
  )
  t.ok(Number(refused?.headers['retry-after']) <= 3_600)
  t.equal(
    (await clients[0].create({ phoneNumber: '+14155550116', workflow: ['otpless.otp'] })).status, 201,
    'another country',
  )
  const there = clients[made % 2] ?? clients[0]
  t.match(
    await there.create(first, key), {
      status: 201, body: { id: kept.body['id'] },
    }, 'a repeated request creates nothing',
  )
  t.equal((await there.create({ ...first, reference: 'r' }, key)).status, 422, 'with another body')
  t.equal((await there.create(first, { 'idempotency-key': 'another' })).status, 429)
  t.ok(await metric('verigate_refused_requests_total{cause="unverified_budget"}') >= 2)
  t.match(
    lines().find(({ cause }) => cause === 'unverified_budget'), { audit: 'refused', app: 'shop', numberTag: String },
  )

  const apps = testApps.map(
    app =>
      app.id === 'shop'
        ? {
          ...app, deniedCountries: ['FR'], countryMode: 'monitor',
          unverifiedBudget: { mode: 'monitor', leastPerDay: 24 },
        }
        : app,
  )
  await reload(apps)
  t.equal(await metric('verigate_apps_reloads_total{result="ok"}'), 2, 'both have reloaded it')
  t.equal((await create(made))?.status, 201, 'monitored only')
  t.equal((await clients[0].create({ phoneNumber: '+33612345678', workflow: ['otpless.otp'] })).status, 201)
  t.strictSame(
    await Promise.all(
      ['unverified_budget', 'country_not_allowed'].map(
        cause => metric(`verigate_monitored_requests_total{cause="${cause}"}`),
      ),
    ),
    [1, 1],
  )
  const isMonitored = (line: Record<string, unknown>) =>
    line['audit'] === 'monitored' && line['cause'] === 'country_not_allowed'
  await until(() => lines().some(isMonitored), 'it is logged')
  t.match(lines().find(isMonitored), { app: 'shop', numberTag: String })

  await reload([{ ...apps[0], limits: { requestsPerHour: 1 } }])
  t.equal(await metric('verigate_apps_reloads_total{result="invalid"}'), 2, 'both have rejected it')
  t.match(
    lines().findLast(
      ({ msg }) => msg === 'APPS_FILE reload failed; keeping the previous apps',
    ), { cause: /APPS_FILE\/0\/limits/ },
  )
  t.equal((await clients[0].call('GET', '/verifications?reference=r')).status, 200)
})

t.test('messages to a number, over all apps, and silent methods beside them', { buffered: true }, async t => {
  const { clients, bank, lines, metric } = await startTwo(t, {}, { environment: defaults })
  const phoneNumber = '+14155550118'
  const create = (client: Client, workflow = ['otpless.otp']) => client.create({ phoneNumber, workflow })
  const cancel = (client: Client, { body }: Answer) => client.call('POST', `/verifications/${body['id']}/cancel`)
  for (let n = 0; n < 11; n += 1) {
    const silent = await create(clients[n % 2] ?? clients[0], ['truid.phone_check', 'otpless.otp'])
    t.equal(silent.status, 201, 'a silent create')
    await cancel(clients[0], silent)
  }
  for (let n = 0; n < 6; n += 1) {
    const client = n % 2 === 0 ? bank : clients[0]
    const sent = await create(client)
    t.equal(sent.status, 201, `message ${n + 1}`)
    await cancel(client, sent)
  }
  const refused = await create(clients[1])
  t.match(refused, { status: 429, body: { code: 'rate_limited', detail: 'Too many messages to this number.' } })
  t.ok(hourly(refused), `Retry-After ${refused.headers['retry-after']}`)
  t.equal((await create(bank)).status, 429)
  const push = await create(bank, ['truecaller.push', 'truid.phone_check'])
  t.match(push.body['attempts'], [{ status: 'skipped', reason: null }, { status: 'pending' }], 'a push is a message')
  t.equal((await create(clients[0], ['truid.phone_check'])).status, 201, 'a silent method')
  t.equal((await clients[0].create({ phoneNumber: '+14155550120', workflow: ['otpless.otp'] })).status, 201)
  t.equal(await metric('verigate_refused_requests_total{cause="message_limit"}'), 3)
  const audited = lines().filter(({ cause }) => cause === 'message_limit')
  t.strictSame(
    audited.map(({ audit, app }) => `${audit} ${app}`).sort(), ['refused bank', 'refused bank', 'refused shop'],
  )
  t.equal(new Set(audited.map(({ numberTag }) => numberTag)).size, 1)
  t.ok(audited.some(({ verificationId }) => verificationId === push.body['id']), 'also of a method that was skipped')
})

t.test('599 messages to one country: refused, and reported before that', { buffered: true }, async t => {
  const { unverifiedBudget: _, limits: __, ...app } = testApps[0] ?? { id: 'shop', name: 'Shop', keys: [] }
  const { logs, simulators, shop: client } = await startGateway(t, { apps: [app], environment: defaults })
  const phoneNumber = (n: number): string => `+4915${100 + n}${10_000 + 2 * n}`
  const first = { phoneNumber: phoneNumber(0), workflow: ['otpless.otp'] }
  // As many at once as a gateway on a busy machine can answer in time.
  const lanes = Array.from({ length: 40 }, (_, lane) => Array.from({ length: 15 }, (_, n) => 40 * n + lane))
  const answers = (await Promise.all(lanes.map(async lane => {
    const own: Answer[] = []
    for (const n of lane) if (n < 599) own.push(await client.create({ ...first, phoneNumber: phoneNumber(n) }))
    return own
  }))).flat()
  t.strictSame(
    [201, 429].map(status => countStatus(answers, status)), [84, 515], 'a sixth of 500, however many at once',
  )
  t.equal(
    simulators.requests.filter(({ path }) => path === '/auth/v1/initiate/otp').length, 84, 'nothing more was sent',
  )
  const { text } = (await client.call('GET', '/metrics')).body
  t.match(text, /^verigate_unverified_budget_used_ratio 1\.008/m)
  t.match(text, /^verigate_refused_requests_total\{cause="unverified_budget"\} 515$/m)
  const read = logs.map(readLine)
  const half = read.findIndex(({ msg }) => msg === 'half of the unverified budget is used')
  t.match(read[half], { app: 'shop', country: 'DE', level: 40 })
  t.ok(half < read.findIndex(({ cause }) => cause === 'unverified_budget'), 'before the first refusal')
  const silent = { phoneNumber: phoneNumber(600), workflow: ['truid.phone_check'] }
  t.equal((await client.create(silent)).status, 201, 'a silent method')
})

t.test('without Redis: no create passes uncounted, and each process keeps the limit by itself', {
  buffered: true,
}, async t => {
  const { clients, redis } = await startTwo(
    t, { limits: { requestsPerMinute: 5, createsPerNumberPerHour: 3 } }, { now: startMinute() },
  )
  await redis.stop()
  const answers = await Promise.all(
    [1, 2, 3].map(n => clients[0].create({ phoneNumber: `+141555501${2 * n}0`, workflow: ['otpless.otp'] })),
  )
  for (const answer of answers) t.match(
    answer, { status: 503, body: { code: 'store_unavailable' } }, 'creates are refused',
  )
  t.equal((await clients[0].call('GET', '/providers')).status, 200, 'requests that need no store are answered')
  t.equal((await clients[0].call('GET', '/providers')).status, 200)
  t.match(
    await clients[0].call('GET', '/providers'), { status: 429, headers: { 'ratelimit-remaining': '0' } },
    'the limit of this process',
  )
  t.equal((await clients[1].call('GET', '/providers')).status, 200)
})
