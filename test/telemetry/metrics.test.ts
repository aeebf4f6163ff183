import { getCountries, getExampleNumber } from 'libphonenumber-js'
import examples from 'libphonenumber-js/mobile/examples'
import t from 'tap'
import { refusalCauses } from '../../src/core/errors.ts'
import { createMetrics, webhookResults, type Metrics } from '../../src/telemetry/metrics.ts'
import { parsePhoneNumber } from '../../src/phone.ts'
import { reasonWords, blameOf, type Reason } from '../../src/core/reasons.ts'
import { unavailableCodes } from '../../src/store/record-store.ts'
import { type Verification } from '../../src/core/verification.ts'
import { identify, readSeries, sumOf, type Series } from '../helpers/metrics.ts'
import { callbackResults, providerCallKinds, noCountry } from '../../src/core/vocabulary.ts'
import { createVerification, decide } from '../../src/core/decide.ts'
import type { Event } from '../../src/core/events.ts'

const phoneNumber = '+14155550142'
const providers = { truid: ['truid.phone_check'], otpless: ['otpless.otp'] }
const labelSets = { providers, queues: ['resolve', 'notify', 'sweep'], storeErrorCodes: unavailableCodes }
const read = async ({ registry }: Metrics): Promise<Series[]> => readSeries(await registry.metrics())
const ours = (series: Series[]): Series[] => series.filter(({ name }) => name.startsWith('verigate_'))

/** Applies events to a verification as the core does, and counts each change. */
function run (
  metrics: Metrics, events: (Event | number)[],
  {
    number = phoneNumber, workflow = ['truid.phone_check', 'otpless.otp'], more = {},
  }: { number?: string | null, workflow?: string[], more?: Partial<Verification> } = {},
): Verification {
  let now = 1_000_000
  const step = (method: string) => (
    { method, timeoutMs: 60_000, options: {}, isRepeatable: false, continueWhenRejected: false }
  )
  let record: Verification = createVerification({
    id: 'ver_secret', appId: 'shop', phoneNumber: number, ...number === null
      ? {}
      : {
        country: parsePhoneNumber(number)?.country ?? noCountry,
      }, reference: 'secret', metadata: {}, locale: null, device: {}, returnUrl: null, idempotency: null,
    includeProfile: false, minAssurance: 1, workflow: workflow.map(step), expiresAt: now + 600_000, webhookEvents: [],
    ...more,
  }, now).next
  metrics.countChange(null, record)
  for (const event of events) {
    if (typeof event === 'number') {
      now += event
      continue
    }
    const decision = decide(record, event, now)
    if (decision === null) throw new Error(`${event.type} does not apply`)
    metrics.countChange(record, decision.next)
    record = decision.next
  }
  return record
}
const started = (attempt: number): Event => (
  { type: 'attemptStarted', attempt, state: null, action: { type: 'answerCall' }, attemptsRemaining: 3, resend: null }
)
const evidence = (attempt: number): Event => (
  { type: 'evidenceReceived', attempt, evidence: { from: 'app', value: { code: '550142' } } }
)
const proven = (attempt: number, number = phoneNumber): Event => (
  {
    type: 'numberProven', attempt, phoneNumber: number, profile: null, signals: null,
    assurance: { possession: 'message', binding: 'session', restricted: false },
  }
)
const failed = (attempt: number, reason: Reason): Event => ({ type: 'attemptFailed', attempt, reason })

t.test('a verification is counted with its attempts and its fallback', async t => {
  const metrics = createMetrics(labelSets)
  run(metrics, [started(0), failed(0, 'not_on_cellular'), started(1), 12_000, evidence(1), proven(1)])
  const series = await read(metrics)
  const attempt = { method: 'truid.phone_check', reason: 'not_on_cellular' }
  t.equal(sumOf(series, 'verigate_verifications_created_total'), 1)
  t.equal(sumOf(series, 'verigate_attempts_total', { ...attempt, status: 'failed' }), 1)
  t.equal(sumOf(series, 'verigate_attempts_total', { method: 'otpless.otp', status: 'verified', reason: 'none' }), 1)
  t.equal(sumOf(series, 'verigate_attempts_total'), 2)
  t.equal(sumOf(series, 'verigate_fallbacks_total', attempt), 1)
  t.equal(sumOf(series, 'verigate_fallbacks_total'), 1)
  t.equal(
    sumOf(series, 'verigate_verifications_ended_total', { method: 'otpless.otp', status: 'verified', reason: 'none' }),
    1,
  )
  t.equal(sumOf(series, 'verigate_verifications_ended_total'), 1)
  t.equal(sumOf(series, 'verigate_verifications_by_country_total', { country: 'US', status: 'created' }), 1)
  t.equal(sumOf(series, 'verigate_verifications_by_country_total', { country: 'US', status: 'verified' }), 1)
  t.equal(sumOf(series, 'verigate_verification_seconds_sum', { method: 'otpless.otp' }), 12)
  t.equal(sumOf(series, 'verigate_verification_seconds_bucket', { method: 'otpless.otp', le: '10' }), 0)
  t.equal(sumOf(series, 'verigate_verification_seconds_bucket', { method: 'otpless.otp', le: '20' }), 1)
})

t.test('a verification of a test number does not count', async t => {
  const metrics = createMetrics(labelSets)
  run(metrics, [started(0), failed(0, 'not_on_cellular'), started(1), evidence(1), proven(1)], {
    more: { testNumber: { codeHash: 'hash', codeLength: 6 } },
  })
  const counted = (await read(metrics)).filter(({ name, value }) => /verifications|attempts/.test(name) && value > 0)
  t.strictSame(counted, [])
})

t.test('each end is counted once, also when the record is written again', async t => {
  const metrics = createMetrics(labelSets)
  const record = run(metrics, [started(0), { type: 'canceled', reason: 'app_canceled' }])
  for (let n = 0; n < 3; n += 1) metrics.countChange(record, { ...record })
  run(metrics, [failed(0, 'number_mismatch')])
  run(metrics, [failed(0, 'provider_error'), failed(1, 'provider_timeout')])
  run(metrics, [started(0), 60_000, { type: 'timeElapsed' }, started(1), 60_000, { type: 'timeElapsed' }])
  run(metrics, [started(0), 600_000, { type: 'timeElapsed' }])
  const series = await read(metrics)
  const ends = series.filter(({ name, value }) => name === 'verigate_verifications_ended_total' && value > 0)
  t.strictSame(ends.map(({ labels: { method, status, reason }, value }) => [method, status, reason, value]).sort(), [
    ['otpless.otp', 'expired', 'attempt_timeout', 1], [
      'otpless.otp', 'failed', 'provider_unavailable', 1,
    ], ['truid.phone_check', 'canceled', 'app_canceled', 1],
    ['truid.phone_check', 'expired', 'deadline', 1], ['truid.phone_check', 'failed', 'number_mismatch', 1],
  ])
  const fallbacks = series.filter(({ name, value }) => name === 'verigate_fallbacks_total' && value > 0)
  t.strictSame(
    fallbacks.map(({ labels: { reason }, value }) => [reason, value]).sort(),
    [['attempt_timeout', 1], ['provider_error', 1]],
  )
})

t.test('a skipped attempt is a fallback only when its method could have served', async t => {
  const metrics = createMetrics(labelSets)
  run(metrics, [{ type: 'attemptSkipped', attempt: 0, reason: null }, started(1)])
  t.equal(sumOf(await read(metrics), 'verigate_fallbacks_total'), 0)
  run(metrics, [{ type: 'attemptSkipped', attempt: 0, reason: 'provider_unavailable' }, started(1)])
  const series = await read(metrics)
  t.equal(sumOf(series, 'verigate_fallbacks_total', { method: 'truid.phone_check', reason: 'provider_unavailable' }), 1)
  t.equal(sumOf(series, 'verigate_attempts_total', { status: 'skipped' }), 2)
})

t.test('a number that the proof revealed has no country', async t => {
  const metrics = createMetrics(labelSets)
  run(metrics, [started(0), evidence(0), proven(0)], { number: null })
  const series = await read(metrics)
  for (const status of ['created', 'verified']) t.equal(
    sumOf(series, 'verigate_verifications_by_country_total', { country: 'none', status }), 1,
  )
  t.equal(sumOf(series, 'verigate_verifications_by_country_total'), 2)
})

t.test('a limited number of countries have their own series', async t => {
  const metrics = createMetrics(labelSets)
  const numbers = getCountries().flatMap(country => getExampleNumber(country, examples)?.number ?? [])
  t.ok(numbers.length > 200)
  for (const number of [...numbers, '+80012345678', ...numbers]) run(metrics, [], { number })
  const series = await read(metrics)
  const names = new Set(
    series.filter(
      ({ name }) => name === 'verigate_verifications_by_country_total',
    ).map(({ labels }) => labels['country']),
  )
  t.equal(names.size, 62, 'sixty, other and none')
  t.equal(
    sumOf(series, 'verigate_verifications_by_country_total', { status: 'created' }), 2 * numbers.length + 1,
    'all verifications are counted',
  )
  t.ok(Number(sumOf(series, 'verigate_verifications_by_country_total', { country: 'other', status: 'created' })) > 200)
  for (const country of names) t.type(
    sumOf(series, 'verigate_verifications_by_country_total', { country: String(country), status: 'failed' }), 'number',
    'each with every status',
  )
})

t.test('every series exists at zero from the start, and no event adds one', async t => {
  const metrics = createMetrics(labelSets)
  metrics.registerRoute('POST', '/verifications')
  const first = ours(await read(metrics))
  const constant = ['verigate_build_info', 'verigate_apps_last_reload_successful']
  t.strictSame(first.filter(({ name, value }) => value !== 0 && !constant.includes(name)), [])
  const before = new Set(first.map(identify))
  t.ok(before.size > 400, `${before.size} series`)

  const ends: Reason[] = ['attempt_timeout', 'deadline', 'app_canceled', 'superseded', 'blocked']
  for (const reason of reasonWords.filter(word => !ends.includes(word))) {
    run(metrics, [started(0), failed(0, reason)])
    run(metrics, [{ type: 'attemptFailed', attempt: 0, reason }], { workflow: ['otpless.otp'] })
  }
  for (const reason of ['app_canceled', 'superseded', 'blocked'] as const) run(metrics, [{ type: 'canceled', reason }])
  for (
    const reason of [null, 'provider_unavailable', 'recently_tried', 'code_attempts_exhausted'] as const
  ) run(metrics, [{ type: 'attemptSkipped', attempt: 0, reason }])
  for (
    const reason of [
      'abandoned', 'app_not_installed', 'not_on_cellular', 'carrier_unsupported', 'user_rejected',
    ] as const
  ) run(metrics, [{ type: 'nextRequested', reason }])
  run(metrics, [started(0), 60_000, { type: 'timeElapsed' }, started(1), 60_000, { type: 'timeElapsed' }])
  run(metrics, [started(0), 600_000, { type: 'timeElapsed' }])
  run(metrics, [started(0), evidence(0), proven(0)])
  run(metrics, [started(0), evidence(0), proven(0, '+14155550143')])
  for (const [provider, names] of Object.entries(providers)) {
    for (const result of callbackResults) metrics.countCallback(provider, result)
    for (const method of names) {
      for (const call of providerCallKinds) {
        metrics.countCall({ provider, method, call, result: 'ok', reason: null, blame: 'none', durationMs: 5 })
        metrics.countCall(
          { provider, method, call, result: 'error', reason: 'provider_error', blame: 'internal', durationMs: 5 },
        )
        metrics.countCall(
          {
            provider, method, call, result: 'error', reason: 'provider_misconfigured', blame: 'operator', durationMs: 5,
          },
        )
      }
    }
  }
  for (const cause of refusalCauses) {
    metrics.countRefused(cause)
    metrics.countMonitored(cause)
  }
  for (const code of [...unavailableCodes, null]) metrics.countRoundTrip(1, code)
  for (const result of webhookResults) metrics.countWebhookTry(result, 5)
  for (const queue of ['resolve', 'notify', 'sweep'] as const) metrics.countStalled(queue)
  for (const result of ['invalid', 'ok'] as const) metrics.countReload(result)
  for (const statusCode of [201, 303, 404, 503]) metrics.countRequest(
    { method: 'POST', route: '/verifications', statusCode, durationMs: 5 },
  )
  metrics.countLostLock()
  metrics.countUnreadable()
  metrics.countDisabledEndpoint()
  metrics.countExhaustedWebhook()
  metrics.recordSweep(5_000)
  metrics.recordAppsLoaded(5_000)

  const after = ours(await read(metrics))
  const added = after.filter(series => !before.has(identify(series)))
  t.strictSame(
    new Set(added.map(({ name, labels }) => `${name} ${labels['country'] ?? labels['reason']}`)),
    new Set(['verigate_verifications_by_country_total US']),
  )
  t.strictSame(
    after.filter(
      ({ name, labels, value }) =>
        value === 0 && /^verigate_(refused|monitored|redis_errors|callbacks|webhook|queue|apps)/.test(name)
          && labels['le'] === undefined,
    ),
    [], 'every one of these is counted',
  )
  t.notMatch(
    after.map(identify).join('\n'), /secret(?!_not_set)|14155550|550142/, 'no id, no number, no evidence',
  )
})

t.test('an unknown verb or path does not make a new series', async t => {
  const metrics = createMetrics(labelSets)
  for (const method of ['PROPFIND', 'MKCOL', 'GET']) metrics.countRequest(
    { method, route: null, statusCode: 404, durationMs: 1 },
  )
  const requests = (await read(metrics)).filter(({ name }) => name === 'verigate_http_requests_total')
  t.strictSame(requests.map(({ labels, value }) => [labels, value]), [
    [
      { route: 'none', method: 'other', status_class: '4xx' }, 2,
    ], [{ route: 'none', method: 'GET', status_class: '4xx' }, 1],
  ])
})

t.test('blame: who has to fix a failed call', async t => {
  t.equal(blameOf(null), 'none')
  t.equal(blameOf('provider_misconfigured'), 'operator')
  for (
    const reason of ['provider_timeout', 'provider_error', 'provider_bad_response', 'rate_limited_by_provider'] as const
  ) t.equal(blameOf(reason), 'provider')
  for (
    const reason of ['number_mismatch', 'user_rejected', 'evidence_invalid', 'number_not_registered'] as const
  ) t.equal(blameOf(reason), 'user')
})

t.test('a failed reload is visible until one succeeds', async t => {
  const metrics = createMetrics({ ...labelSets, providers: {} })
  const state = async () => [
    'verigate_apps_last_reload_successful', 'verigate_apps_loaded_timestamp_seconds',
  ].map(async name => sumOf(await read(metrics), name))
  metrics.recordAppsLoaded(5_000)
  metrics.countReload('invalid')
  t.strictSame(await Promise.all(await state()), [0, 5])
  metrics.countReload('ok')
  metrics.recordAppsLoaded(9_000)
  t.strictSame(await Promise.all(await state()), [1, 9])
})
