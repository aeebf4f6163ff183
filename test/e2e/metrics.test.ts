import { writeFile } from 'node:fs/promises'
import t from 'tap'
import { request } from 'undici'
import { startApp } from '../../src/app.ts'
import { readConfig } from '../../src/config.ts'
import { createLogger } from '../../src/telemetry/logger.ts'
import { provenDigits, scenarios } from '../../src/sandbox/scenarios.ts'
import { simulators as every } from '../../src/sandbox/simulators.ts'
import { clientOf, startGateway, withWebhook } from '../helpers/gateway.ts'
import { identify, scrape, sumOf } from '../helpers/metrics.ts'
import { freePort, startRedis, until, watchCommands } from '../helpers/redis.ts'
import { startReceiver } from '../sandbox/receiver.ts'
import { act, begin, codeFor, numberEnding, post } from './end-user.ts'

const methods = [
  'truecaller.push', 'truecaller.web', 'truid.phone_check', 'otpless.token', 'otpless.otp', 'twilio.sms',
  'telegram.code',
]

t.test('ends and calls of every suffix are counted by method, and no series has a name that a user chose', async t => {
  const gateway = await startGateway(t, { simulatorOptions: { slowMs: 300, simulators: every } })
  const { shop, simulators, url } = gateway
  const before = new Set((await scrape(url)).map(identify))
  const numbers: string[] = []
  const run = async (method: string, phoneNumber: string, timeoutSeconds: number): Promise<string> => {
    numbers.push(phoneNumber.slice(1), provenDigits(phoneNumber, method.split('.')[0] ?? ''), codeFor(phoneNumber))
    const { body } = await shop.create(
      { phoneNumber, workflow: [{ method, timeoutSeconds }], reference: `r-${phoneNumber}`, metadata: { phoneNumber } },
    )
    const controller = new AbortController()
    const acting = act(shop, simulators, body, phoneNumber, { signal: controller.signal })
    const { status } = await shop.waitFor(body['id'])
    controller.abort()
    await acting
    return `${method} ${status}`
  }
  // These have the time that they need, however busy the machine is.
  const ends = [await run('truid.phone_check', '+14152562071', 60), await run('truid.phone_check', '+14152562096', 60)]
  // So many faults at once would stop the calls to a provider that did nothing else.
  ends.push(...await Promise.all(Array.from({ length: 20 }, (_, n) => run('otpless.otp', `+1415${25_630 + n}72`, 60))))
  ends.push(...await Promise.all(methods.flatMap((method, place) => scenarios.map(({ suffix }) =>
    run(method, `+1415${place + 2}56${place + 3}0${suffix === 'odd' ? '71' : suffix === 'even' ? '72' : suffix}`, 2)))))
  // What strangers send.
  for (const number of numbers.slice(0, 6)) {
    await shop.create({ phoneNumber: number, workflow: [number] })
    await shop.call('GET', `/${number}`)
    await shop.call('PUT', `/verifications/${number}`)
    await clientOf(url, number).call('GET', `/verifications/${number}`)
    await post(`${url}/callbacks/${number}`, { requestId: number })
    await post(`${url}/callbacks/truecaller/${number}`, { requestId: number, accessToken: number })
  }

  const series = await scrape(url)
  const total = ends.length
  t.equal(sumOf(series, 'verigate_verifications_created_total'), total)
  t.equal(sumOf(series, 'verigate_verifications_ended_total'), total)
  t.equal(sumOf(series, 'verigate_attempts_total'), total)
  for (const method of methods) {
    for (const status of ['verified', 'failed', 'expired']) {
      const count = ends.filter(end => end === `${method} ${status}`).length
      t.equal(sumOf(series, 'verigate_verifications_ended_total', { method, status }), count, `${method} ${status}`)
      t.equal(sumOf(series, 'verigate_attempts_total', { method, status }), count)
      if (status === 'verified') t.equal(sumOf(series, 'verigate_verification_seconds_count', { method }), count)
    }
  }
  t.equal(sumOf(series, 'verigate_verifications_by_country_total', { country: 'US', status: 'created' }), total)
  t.ok(
    sumOf(
      series, 'verigate_provider_calls_total',
      { blame: 'provider', provider: 'truid', call: 'start', reason: 'provider_error' },
    ),
    'an outage is the provider\'s',
  )
  t.ok(
    sumOf(series, 'verigate_provider_calls_total', { blame: 'user', reason: 'number_mismatch', result: 'denied' }),
    'a "no" is the user\'s',
  )
  t.equal(sumOf(series, 'verigate_provider_calls_total', { blame: 'internal' }), 0)
  t.ok(sumOf(series, 'verigate_refused_requests_total', { cause: 'unauthenticated' }))
  t.ok(sumOf(series, 'verigate_refused_requests_total', { cause: 'invalid_request' }))
  t.equal(
    sumOf(series, 'verigate_http_requests_total', { route: '/verifications', method: 'POST', status_class: '2xx' }),
    total,
  )

  const added = series.filter(one => one.name.startsWith('verigate_') && !before.has(identify(one)))
  t.strictSame(
    new Set(
      added.map(({ name, labels }) => `${name} ${labels['country'] ?? labels['route'] ?? JSON.stringify(labels)}`),
    ),
    new Set(
      [
        'verigate_verifications_by_country_total US',
        'verigate_provider_balance {"provider":"truid","currency":"API"}',
        'verigate_provider_balance {"provider":"telegram","currency":"USD"}',
        ...[
          'requests_total', 'request_seconds_bucket', 'request_seconds_sum', 'request_seconds_count',
        ].map(name => `verigate_http_${name} none`),
      ],
    ),
    'only the country, a balance in the provider\'s currency, and what matches no route',
  )
  // Of values any digits may come by chance.
  const text = series.map(identify).join('\n')
  t.strictSame(numbers.filter(number => text.includes(number)), [])
  t.notMatch(text, /ver_|att_|whd_|127\.0\.0\.1|https?:/)
})

t.test('a fallback, and a verification that waits for its webhook, are each counted once', async t => {
  const receiver = await startReceiver(t)
  const { shop, url } = await startGateway(t, { apps: withWebhook(receiver.url) })
  const phoneNumber = numberEnding('02')
  const { id } = await begin(
    { shop }, 'truid.phone_check', { phoneNumber, workflow: ['truid.phone_check', 'otpless.otp'] },
  )
  await shop.call('POST', `/verifications/${id}/next`, { reason: 'not_on_cellular' })
  await shop.call('POST', `/verifications/${id}/check`, { code: codeFor(phoneNumber) })
  await receiver.first(1)
  await until(
    async () => sumOf(await scrape(url), 'verigate_webhook_tries_total', { result: 'delivered' }) === 1,
    'the webhook is delivered',
  )
  const series = await scrape(url)
  t.equal(sumOf(series, 'verigate_verifications_ended_total', { method: 'otpless.otp', status: 'verified' }), 1)
  t.equal(sumOf(series, 'verigate_verifications_ended_total'), 1)
  t.equal(sumOf(series, 'verigate_fallbacks_total', { method: 'truid.phone_check', reason: 'not_on_cellular' }), 1)
  t.equal(sumOf(series, 'verigate_fallbacks_total'), 1)
})

t.test('every process shows how old the webhook of a dead receiver is, also after a restart', async t => {
  let ahead = 0
  const now = (): number => Date.now() + ahead
  let isDown = true
  const receiver = await startReceiver(t, () => isDown ? 503 : 204)
  const { url: redisUrl } = await startRedis(t)
  const first = await startGateway(t, { redisUrl, now, apps: withWebhook(receiver.url) })
  const age = async (url: string): Promise<number> =>
    sumOf(await scrape(url), 'verigate_webhook_oldest_undelivered_seconds') ?? NaN
  t.equal(await age(first.url), 0)
  const { id } = await begin(first, 'otpless.otp')
  await first.shop.call('POST', `/verifications/${id}/cancel`)
  await receiver.first(1)
  ahead += 120_000
  await until(async () => await age(first.url) >= 120, 'it is two minutes old')
  await first.app.close()

  // Another process: nothing of it is in its memory.
  const log = createLogger('silent', { write: () => {} })
  const open = async (ROLE: string): Promise<string> => {
    const port = await freePort()
    const app = await startApp(readConfig({ ...first.environment, ROLE, PORT: String(port) }), { log, now })
    t.teardown(() => app.close())
    await app.server.listen({ port, host: '127.0.0.1' })
    return `http://127.0.0.1:${port}`
  }
  const api = await open('api')
  ahead += 60_000
  await until(async () => await age(api) >= 180, 'three minutes, and there is no worker')
  isDown = false
  const worker = await open('worker')
  t.ok(await age(worker) >= 180 || receiver.received.length > 1, 'as the worker sees it')
  await until(async () => await age(worker) === 0 && await age(api) === 0, 'it was delivered')

  const series = await scrape(worker)
  t.ok(Number(sumOf(series, 'verigate_sweep_last_success_timestamp_seconds')) > now() / 1000 - 30, 'a worker sweeps')
  t.equal(sumOf(await scrape(api), 'verigate_sweep_last_success_timestamp_seconds'), 0, 'and the other one never did')
  t.equal(sumOf(series, 'verigate_webhook_tries_total', { result: 'delivered' }), 1)
})

t.test('without a sweeper the lag grows', async t => {
  let ahead = 0
  const { shop, url } = await startGateway(t, { now: () => Date.now() + ahead, environment: { ROLE: 'api' } })
  await shop.create({ phoneNumber: numberEnding('02'), workflow: ['otpless.otp'], expiresInSeconds: 30 })
  t.equal(sumOf(await scrape(url), 'verigate_sweep_lag_seconds'), 0)
  ahead += 90_000
  await until(async () => Number(sumOf(await scrape(url), 'verigate_sweep_lag_seconds')) >= 60, 'it is a minute late')
  t.pass()
})

t.test('a scrape sends Redis a constant number of commands, and works without Redis for the rest', async t => {
  const server = await startRedis(t)
  // Without the secret the provider's reports of delivery, which come when they like, ask the store nothing.
  const { shop, url } = await startGateway(
    t, { redisUrl: server.url, environment: { ROLE: 'api', OTPLESS_WEBHOOK_SECRET: '' } },
  )
  let asked: string[] = []
  // The processes share counts, the clock and the providers' health now and then, scrape or not.
  const shared = ['hgetall', 'hincrby', 'incrby', 'pexpireat', 'publish', 'time']
  await watchCommands(t, server.port, ([written = ''], source) => {
    // The first call of a script sends its text.
    const name = written.toLowerCase().replace(/^eval$/, 'evalsha')
    if (source !== 'lua' && !shared.includes(name)) asked.push(name)
  })
  const readCommands = async (): Promise<string[]> => {
    await until(async () => {
      asked = []
      await scrape(url)
      return asked.length > 0
    }, 'what was known is a second old')
    return asked.toSorted()
  }
  const few = await readCommands()
  await Promise.all(
    Array.from({ length: 300 }, () => shop.create({ phoneNumber: numberEnding('02'), workflow: ['otpless.otp'] })),
  )
  t.strictSame(await readCommands(), few)
  t.ok(few.length < 60, `${few.length} commands`)

  server.pause()
  await until(async () => sumOf(await scrape(url), 'verigate_redis_up') === 0, 'it notices')
  const frozen = await scrape(url)
  t.equal(sumOf(frozen, 'verigate_verifications_created_total'), 300)
  t.equal(sumOf(frozen, 'verigate_sweep_lag_seconds'), null)
  await shop.create({ phoneNumber: numberEnding('02') })
  const errors = await scrape(url)
  t.ok(Number(sumOf(errors, 'verigate_redis_errors_total', { code: 'TIMEOUT' })) > 0)
  t.equal(sumOf(errors, 'verigate_refused_requests_total', { cause: 'store_unavailable' }), 1)
  server.resume()
  await until(async () => sumOf(await scrape(url), 'verigate_redis_up') === 1, 'it is there again')
  await server.stop()
  await until(async () => sumOf(await scrape(url), 'verigate_redis_up') === 0, 'it is gone')
  t.equal((await request(`${url}/metrics`)).statusCode, 200)
})

t.test('an apps file that is not valid', async t => {
  const gateway = await startGateway(t)
  const state = async () => {
    const series = await scrape(gateway.url)
    return [
      sumOf(series, 'verigate_apps_reloads_total', { result: 'invalid' }),
      sumOf(series, 'verigate_apps_reloads_total', { result: 'ok' }),
      sumOf(series, 'verigate_apps_last_reload_successful'),
    ]
  }
  t.strictSame(await state(), [0, 0, 1])
  const loaded = Number(sumOf(await scrape(gateway.url), 'verigate_apps_loaded_timestamp_seconds'))
  t.ok(Math.abs(Date.now() / 1000 - loaded) < 60)
  await writeFile(gateway.environment['APPS_FILE'] ?? '', '{')
  gateway.app.reload()
  t.match(gateway.logs.findLast(line => line.includes('APPS_FILE reload failed')), /APPS_FILE/)
  t.strictSame(await state(), [1, 0, 0])
  await writeFile(gateway.environment['APPS_FILE'] ?? '', '[]')
  gateway.app.reload()
  t.strictSame(await state(), [1, 1, 1])
})
