import { readFile, writeFile } from 'node:fs/promises'
import t, { type Test } from 'tap'
import { clientOf, startGateway, type Answer, type TestGateway } from '../helpers/gateway.ts'
import { scrape } from '../helpers/metrics.ts'
import { act, codeFor, numberEnding, walk } from './end-user.ts'

const outlineOf = ({ attempts }: Answer['body']): string[] =>
  attempts.map(
    (
      { method, status, reason }: Record<string, string>,
    ) => [method, status, ...reason === null ? [] : [reason]].join(' '),
  )

t.test('which method comes next', async t => {
  const gateway = await startGateway(t)
  await t.test('the default workflow', t => testDefault(t, gateway))
  await t.test('fallback', t => testFallback(t, gateway))
  await t.test('next', t => testNext(t, gateway))
  await t.test('a user\'s no', t => testRejection(t, gateway))
  await t.test('Truecaller push, once in five minutes', t => testOnce(t, gateway))
  await t.test('what a workflow may say', t => testPlans(t, gateway))
})

async function testDefault (t: Test, gateway: TestGateway) {
  const { shop, bank, app, environment } = gateway
  const numbered = await shop.create({ phoneNumber: numberEnding('92') })
  t.strictSame(
    numbered.body['workflow'].map(({ method }: { method: string }) => method), [
      'truid.phone_check', 'truecaller.push', 'otpless.otp',
    ],
    'silent ones first',
  )
  t.strictSame(outlineOf(numbered.body), ['truid.phone_check pending'])
  const discovering = await shop.create({})
  t.equal(discovering.status, 201)
  const { body: { data } } = await shop.call('GET', '/providers')
  const needy = data.flatMap(({ methods }: Answer['body']) => methods).filter(
    ({ needsPhoneNumber }: Answer['body']) => needsPhoneNumber,
  )
  const needyNames: string[] = needy.map(({ method }: { method: string }) => method)
  t.ok(
    discovering.body['workflow'].every(({ method }: { method: string }) => !needyNames.includes(method)),
    'none that needs a number',
  )
  t.hasStrict(discovering.body, { phoneNumber: null, status: 'pending' })

  const path = environment['APPS_FILE'] ?? ''
  const file = await readFile(path, 'utf8')
  const apps: Record<string, unknown>[] = JSON.parse(file)
  await writeFile(
    path,
    JSON.stringify(
      apps.map(
        one => one['id'] === 'bank' ? { ...one, workflow: [{ method: 'otpless.otp', timeoutSeconds: 77 }] } : one,
      ),
    ),
  )
  app.reload()
  t.hasStrict(
    (await bank.create({ phoneNumber: numberEnding('02') })).body, {
      workflow: [{ method: 'otpless.otp', timeoutSeconds: 77 }],
    },
    'the app\'s own',
  )
  t.hasStrict(
    (await bank.create({ phoneNumber: numberEnding('92'), workflow: ['truid.phone_check'] })).body,
    { workflow: [{ method: 'truid.phone_check' }] }, 'the request\'s is stronger',
  )
}

async function testFallback (t: Test, { shop, simulators }: TestGateway) {
  const all = ['truid.phone_check', 'truecaller.push', 'otpless.otp']
  const silent = numberEnding('92')
  simulators.fail({ provider: 'truid', path: '/phone_check', answer: 500 })
  const first = await shop.create({ phoneNumber: silent, workflow: all })
  t.strictSame(
    outlineOf(first.body), ['truid.phone_check failed provider_error', 'truecaller.push pending'], 'within the create',
  )
  t.hasStrict(
    first.body, { status: 'pending', nextAction: { type: 'approveOnDevice' }, availableActions: [{ action: 'next' }] },
  )

  const hopeless = await shop.create({ phoneNumber: numberEnding('96'), workflow: all })
  t.equal(hopeless.status, 201, 'an outcome is not an error')
  t.strictSame(outlineOf(hopeless.body), all.map(method => `${method} failed provider_error`))
  t.hasStrict(
    hopeless.body,
    { status: 'failed', verified: false, reason: 'provider_unavailable', nextAction: null, result: null },
  )
  t.strictSame(hopeless.body['availableActions'], [])

  const impossible = numberEnding('91')
  const { body } = await shop.create({ phoneNumber: impossible, workflow: all })
  t.strictSame(outlineOf(body), ['truid.phone_check pending'])
  await act(shop, simulators, body, impossible)
  const ended = await shop.waitFor(body['id'])
  t.strictSame(
    outlineOf(ended),
    [
      'truid.phone_check failed carrier_unsupported', 'truecaller.push failed number_not_registered',
      'otpless.otp failed carrier_unsupported',
    ],
  )
  t.hasStrict(ended, { status: 'failed', reason: 'carrier_unsupported' }, 'the last started attempt\'s reason')

  const late = numberEnding('02')
  const created = await shop.create(
    { phoneNumber: late, workflow: [{ method: 'truid.phone_check', timeoutSeconds: 1 }, 'otpless.otp'] },
  )
  const url: string = created.body['nextAction'].url
  const fallen = await shop.waitFor(created.body['id'], ({ nextAction }) => nextAction?.type === 'submitCode')
  t.strictSame(outlineOf(fallen), ['truid.phone_check expired attempt_timeout', 'otpless.otp pending'])
  t.strictSame(fallen['availableActions'].map(({ action }: { action: string }) => action), ['next', 'resend'])
  t.hasStrict(fallen['availableActions'][1], { remaining: 2 })
  t.equal(
    Date.parse(fallen['availableActions'][1].availableAt) - Date.parse(fallen['attempts'][1].startedAt) >= 30_000, true,
  )
  t.equal(fallen['nextAction'].attemptsRemaining, 5)
  const code = (await walk(url))?.body['code']
  t.hasStrict(
    await shop.call(
      'POST', `/verifications/${created.body['id']}/check`, { code },
    ), { status: 422, body: { attemptsRemaining: 4 } },
    'the old attempt\'s evidence is not the new one\'s',
  )
  t.hasStrict(
    await shop.call('POST', `/verifications/${created.body['id']}/check`, { code: codeFor(late) }),
    { status: 200, body: { status: 'verified', result: { method: 'otpless.otp' } } },
  )

  const mixed = await shop.create({ workflow: ['otpless.otp', 'truid.phone_check', 'otpless.token'] })
  t.strictSame(
    outlineOf(mixed.body), ['otpless.otp skipped', 'truid.phone_check skipped', 'otpless.token pending'],
    'what needs a number is skipped without one',
  )
}

async function testNext (t: Test, { shop }: TestGateway) {
  const workflow = ['truid.phone_check', 'truecaller.push']
  for (
    const reason of [
      'abandoned', 'app_not_installed', 'not_on_cellular', 'carrier_unsupported', 'user_rejected', undefined,
    ]
  ) {
    const word = reason ?? 'abandoned'
    const { body: { id, revision } } = await shop.create({ phoneNumber: numberEnding('92'), workflow })
    const next = () => shop.call('POST', `/verifications/${id}/next`, reason === undefined ? undefined : { reason })
    const second = await next()
    t.equal(second.status, 200)
    t.strictSame(outlineOf(second.body), [`truid.phone_check failed ${word}`, 'truecaller.push pending'])
    t.hasStrict(second.body, { status: 'pending', nextAction: { type: 'approveOnDevice' } })
    t.ok(second.body['revision'] > revision)
    const last = await next()
    t.equal(last.status, 200)
    t.hasStrict(last.body, { status: 'failed', reason: word, nextAction: null })
    t.strictSame(outlineOf(last.body), [`truid.phone_check failed ${word}`, `truecaller.push failed ${word}`])
    t.hasStrict(await next(), { status: 409, body: { code: 'invalid_state', verificationStatus: 'failed' } })
  }
  const { body: { id, revision } } = await shop.create({ phoneNumber: numberEnding('92'), workflow })
  for (const reason of ['deadline', 'number_mismatch', 'provider_error', 'other', '', 1, null]) {
    t.hasStrict(
      await shop.call('POST', `/verifications/${id}/next`, { reason }),
      { status: 400, body: { code: 'invalid_request', errors: [{ field: 'reason' }] } }, String(reason),
    )
  }
  t.equal((await shop.call('GET', `/verifications/${id}`)).body['revision'], revision)
  const both = await Promise.all(
    [1, 2].map(() => shop.call('POST', `/verifications/${id}/next`, { reason: 'abandoned' })),
  )
  t.ok(both.every(({ status }) => status === 200 || status === 409), 'two at once do no harm')
}

async function testRejection (t: Test, { shop, simulators }: TestGateway) {
  const run = async (options: Record<string, boolean>) => {
    const { body } = await shop.create({ workflow: [{ method: 'truecaller.web', options }, 'otpless.token'] })
    await act(shop, simulators, body, numberEnding('90'))
    return shop.waitFor(body['id'], ({ attempts }) => attempts[0].status !== 'pending')
  }
  const final = await run({})
  t.hasStrict(final, { status: 'failed', reason: 'user_rejected' })
  t.strictSame(outlineOf(final), ['truecaller.web failed user_rejected'])
  const goneOn = await run({ continueWhenRejected: true })
  t.strictSame(outlineOf(goneOn), ['truecaller.web failed user_rejected', 'otpless.token pending'])
}

async function testOnce (t: Test, { shop, bank, simulators }: TestGateway) {
  const phoneNumber = numberEnding('92')
  const asked = () => simulators.requests.filter(({ path }) => path === '/v1/apps/requests').length
  const before = asked()
  const first = await shop.create({ phoneNumber, workflow: ['truecaller.push'] })
  await shop.call('POST', `/verifications/${first.body['id']}/cancel`)
  const second = await shop.create({ phoneNumber, workflow: ['truecaller.push', 'otpless.otp'] })
  t.strictSame(
    outlineOf(second.body), ['truecaller.push skipped recently_tried', 'otpless.otp pending'],
    'whatever became of the first',
  )
  const other = await bank.create({ phoneNumber, workflow: ['truecaller.push'] })
  t.hasStrict(
    other, {
      status: 201, body: { status: 'failed', reason: 'provider_unavailable' },
    }, 'another app does not learn why',
  )
  t.equal(asked() - before, 1)

  const raced = numberEnding('92')
  const workflow = ['truecaller.push', 'otpless.otp']
  const both = await Promise.all([shop, bank].map(client => client.create({ phoneNumber: raced, workflow })))
  t.strictSame(both.map(({ body }) => body['attempts'][0].status).sort(), ['pending', 'skipped'])
  t.equal(asked() - before, 2)
}

async function testPlans (t: Test, { shop }: TestGateway) {
  const create = (
    workflow: unknown, phoneNumber: string | undefined = '+14155550100',
  ) => shop.create({ workflow, ...phoneNumber === '' ? {} : { phoneNumber } })
  const invalid = { status: 400, body: { code: 'invalid_request' } }
  for (const [method, options, field] of [
    ['otpless.otp', { codeLength: 5 }, 'codeLength'], ['otpless.otp', { channels: ['PIGEON'] }, 'channels'],
    ['otpless.otp', { channels: [] }, 'channels'],
    [
      'otpless.otp', { continueWhenRejected: 'yes' }, 'continueWhenRejected',
    ], ['truid.phone_check', { version: 'v9' }, 'version'],
    ['truecaller.web', { ttl: 0 }, 'ttl'],
    ['truecaller.push', { unknown: true }, 'unknown'], ['truecaller.web', { ctaColor: 'red' }, 'ctaColor'],
  ] as const) {
    const { status, body } = await create([{ method, options }])
    t.hasStrict({ status, body }, invalid, `${method} ${field}`)
    t.match(body['errors'][0].field, `workflow/0/options`)
  }
  for (const workflow of [
    [], 'otpless.otp', ['OTPLESS'], [{ method: 'otpless.otp', timeoutSeconds: 0 }], [
      { method: 'otpless.otp', timeoutSeconds: 3601 },
    ],
    [{ method: 'otpless.otp', more: 1 }], Array<string>(11).fill('otpless.otp'), [{ options: {} }], [null],
  ]) {
    t.hasStrict(await create(workflow), invalid, JSON.stringify(workflow))
  }
  t.hasStrict(
    await create(['otpless.otp', 'nobody.nothing']),
    { status: 422, body: { code: 'method_unavailable', errors: [{ field: 'workflow/1' }] } },
  )
  t.hasStrict(
    await create(['otpless.otp', 'truid.phone_check'], ''), { status: 422, body: { code: 'no_eligible_method' } },
  )
  const long = [{ method: 'truecaller.push', timeoutSeconds: 3600 }]
  const timed = await shop.create({ phoneNumber: numberEnding('92'), expiresInSeconds: 30, workflow: long })
  t.equal(
    timed.body['nextAction'].expiresAt, timed.body['expiresAt'], 'an attempt is never longer than its verification',
  )
  for (const expiresInSeconds of [29, 86_401, 1.5, '60']) t.hasStrict(
    await shop.create({ phoneNumber: '+14155550100', expiresInSeconds }), invalid,
  )
}

t.test('a version of tru.ID that the operator does not list', async t => {
  const { shop } = await startGateway(t, { environment: { TRUID_API_VERSION: 'v0.2' } })
  const create = (version: string) => shop.create({
    phoneNumber: numberEnding('02'), workflow: [{ method: 'truid.phone_check', options: { version } }],
  })
  for (const version of ['v0.1', 'v0.3']) t.match(await create(version), {
    status: 400, body: { code: 'invalid_request', errors: [{ field: 'workflow/0/options/version' }] },
  }, version)
  t.equal((await create('v0.2')).status, 201)
})

t.test('what a check of tru.ID costs, and how long it lives', async t => {
  const { url, shop } = await startGateway(t)
  const workflow = [{ method: 'truid.phone_check', timeoutSeconds: 600 }]
  const { body: created } = await shop.create({ phoneNumber: numberEnding('02'), workflow })
  const cost = { amount: 1, currency: 'API' }
  t.match(created, { attempts: [{ cost }] })
  const endsAfterMs = Date.parse(created['nextAction'].expiresAt) - Date.parse(created['createdAt'])
  t.ok(endsAfterMs >= 120_000 && endsAfterMs < 130_000, 'the attempt ends with the check')
  const frontEnd = clientOf(url, created['clientSecret'])
  const code = (await walk(created['nextAction'].url))?.body['code']
  t.match(await frontEnd.call('POST', `/verifications/${created['id']}/check`, { code }), {
    status: 200, body: { status: 'verified', attempts: [{ cost: null }] },
  })
  t.match(await shop.call('GET', `/verifications/${created['id']}`), { body: { attempts: [{ cost }] } })
  const series = await scrape(url)
  t.ok(series.some(({ name, labels }) => name === 'verigate_provider_balance' && labels['currency'] === 'API'))
})
