import { randomBytes } from 'node:crypto'
import t, { type Test } from 'tap'
import type { Simulators } from '../../src/sandbox/simulators.ts'
import { clientOf, keys, startGateway, type Client, type TestGateway } from '../helpers/gateway.ts'
import { codeFor, numberEnding } from './end-user.ts'

const otp = (extra: object = {}) => ({ phoneNumber: numberEnding('02'), workflow: ['otpless.otp'], ...extra })
const countSent = ({ requests }: Simulators): number =>
  requests.filter(({ path }) => path === '/auth/v1/initiate/otp').length
const statusesOf = (answers: { status: number }[]): number[] => answers.map(({ status }) => status).sort()

t.test('the REST API', async t => {
  const gateway = await startGateway(t)
  await t.test('Idempotency-Key', t => testIdempotency(t, gateway))
  await t.test('a second verification of a number', t => testConflict(t, gateway))
  await t.test('access', t => testAccess(t, gateway))
  await t.test('a client secret', t => testClientSecret(t, gateway))
  await t.test('cancel', t => testCancel(t, gateway))
  await t.test('numbers', t => testNumbers(t, gateway))
})

async function testIdempotency (t: Test, { shop, bank, simulators }: TestGateway) {
  const key = { 'idempotency-key': 'signup-1' }
  const body = otp({ reference: 'signup-1', metadata: { a: '1', b: '2' } })
  const sent = countSent(simulators)
  const answers = await Promise.all(Array.from({ length: 20 }, () => shop.create(body, key)))
  t.strictSame(new Set(statusesOf(answers)), new Set([201]))
  t.equal(new Set(answers.map(answer => answer.body['id'])).size, 1, 'one verification')
  t.equal(new Set(answers.map(answer => answer.body['clientSecret'])).size, 1, 'the same client secret')
  t.equal(countSent(simulators) - sent, 1, 'one message')
  const [first] = answers

  const { phoneNumber, ...rest } = body
  const reordered = await shop.create({ ...rest, metadata: { b: '2', a: '1' }, phoneNumber }, key)
  t.equal(reordered.body['id'], first?.body['id'], 'the order of members does not matter')
  t.hasStrict(
    await shop.create({ ...body, reference: 'signup-2' }, key), {
      status: 422, body: { code: 'idempotency_key_reused', status: 422 },
    },
  )
  const other = await bank.create(body, key)
  t.equal(other.status, 201)
  t.not(other.body['id'], first?.body['id'], 'keys of another app are separate')
  t.equal(countSent(simulators) - sent, 2)

  await shop.call('POST', `/verifications/${first?.body['id']}/check`, { code: codeFor(phoneNumber) })
  t.hasStrict(
    await shop.create(body, key), { status: 201, body: { id: first?.body['id'], status: 'verified' } },
    'found again when final',
  )
  t.hasStrict(
    await shop.create(body), { status: 201, body: { status: 'pending' } }, 'without the key a new one is created',
  )

  const refused = otp({ workflow: ['otpless.nothing'] })
  t.equal((await shop.create(refused, { 'idempotency-key': 'signup-3' })).status, 422)
  t.equal(
    (await shop.create(otp(), { 'idempotency-key': 'signup-3' })).status, 201,
    'a refused request does not claim the key',
  )
  for (const bad of ['', 'a'.repeat(256), 'with space']) {
    t.hasStrict(
      await shop.create(otp(), { 'idempotency-key': bad }), {
        status: 400, body: { code: 'invalid_request' },
      }, `key of ${bad.length}`,
    )
  }
}

async function testConflict (t: Test, { shop, bank, simulators }: TestGateway) {
  const body = otp()
  const sent = countSent(simulators)
  const answers = await Promise.all(Array.from({ length: 10 }, () => shop.create(body)))
  t.strictSame(statusesOf(answers), [201, ...Array<number>(9).fill(409)])
  t.equal(countSent(simulators) - sent, 1)
  const id: string = answers.find(({ status }) => status === 201)?.body['id']
  const refused = answers.filter(({ status }) => status === 409)
  for (const { body } of refused) t.hasStrict(body, { code: 'verification_in_progress', verificationId: id })
  t.equal((await bank.create(body)).status, 201, 'no conflict between apps')

  const replacing = await shop.create({ ...body, onConflict: 'replace' })
  t.equal(replacing.status, 201)
  t.hasStrict(
    (await shop.call('GET', `/verifications/${id}`)).body,
    { status: 'canceled', reason: 'superseded', nextAction: null },
  )
  t.hasStrict(
    await shop.create({ ...body, onConflict: 'error' }),
    { status: 409, body: { verificationId: replacing.body['id'] } },
  )

  const both = await Promise.all([1, 2, 3].map(() => shop.create({ ...body, onConflict: 'replace' })))
  t.strictSame(statusesOf(both), [201, 201, 201])
  const after = await Promise.all(both.map(answer => shop.call('GET', `/verifications/${answer.body['id']}`)))
  t.strictSame(
    after.map(answer => answer.body['status']).sort(), [
      'canceled', 'canceled', 'pending',
    ], 'one remains after concurrent replacements',
  )

  const live = after.find(answer => answer.body['status'] === 'pending')
  t.hasStrict(
    await shop.call('POST', `/verifications/${live?.body['id']}/check`, { code: codeFor(body.phoneNumber) }),
    { status: 200, body: { status: 'verified' } },
  )
  t.equal((await shop.create(body)).status, 201, 'a final verification frees the number')
}

/** Every call for one verification. */
const calls = (id: string): [method: string, path: string, body?: object][] => [
  ['GET', `/verifications/${id}`], ['GET', `/verifications/${id}?wait=1`], [
    'POST', `/verifications/${id}/check`, { code: '000000' },
  ],
  [
    'POST', `/verifications/${id}/next`, {},
  ], ['POST', `/verifications/${id}/resend`], ['POST', `/verifications/${id}/cancel`],
  ['DELETE', `/verifications/${id}`],
]
async function expectAll (t: Test, client: Client, id: string, expected: object, name: string) {
  for (const [method, path, body] of calls(id)) t.hasStrict(
    await client.call(method, path, body), expected, `${name}: ${method} ${path.replace(id, '{id}')}`,
  )
}

async function testAccess (t: Test, { url, shop, bank }: TestGateway) {
  const created = await shop.create(otp())
  const id: string = created.body['id']
  t.equal(created.headers['location'], `/verifications/${id}`)
  t.match(created.headers['x-request-id'], /./)
  const { clientSecret: _clientSecret, ...seen } = created.body
  await expectAll(t, bank, id, { status: 404, body: { code: 'not_found' } }, 'another app')
  t.strictSame((await shop.call('GET', `/verifications/${id}`)).body, seen, 'unchanged')

  const altered = `${id.slice(0, 10)}${id[10] === 'A' ? 'B' : 'A'}${id.slice(11)}`
  const random = `ver_${randomBytes(22).toString('base64url')}`
  for (
    const [name, madeUp] of Object.entries({ random, altered, short: 'ver_1', word: 'nothing', other: id.slice(4) })
  ) {
    await expectAll(t, shop, madeUp, { status: 404, body: { code: 'not_found' } }, `a made-up id (${name})`)
  }
  await expectAll(t, clientOf(url, null), id, { status: 401, body: { code: 'unauthenticated' } }, 'no credentials')
  await expectAll(
    t, clientOf(url, 'vgk_unknown'), id, { status: 401, body: { code: 'unauthenticated' } }, 'an unknown key',
  )
  const reader = clientOf(url, keys.reader)
  t.equal((await reader.call('GET', `/verifications/${id}`)).status, 200)
  for (const [method, path, body] of calls(id).slice(2)) t.hasStrict(
    await reader.call(method, path, body), { status: 403, body: { code: 'forbidden' } },
  )
  t.hasStrict(await reader.create(otp()), { status: 403 })

  t.equal((await shop.call('DELETE', `/verifications/${id}`)).status, 204)
  await expectAll(t, shop, id, { status: 410, body: { code: 'gone' } }, 'after DELETE')
  await expectAll(t, bank, id, { status: 404, body: { code: 'not_found' } }, 'another app after DELETE')
  t.equal(
    (
      await shop.create({ ...otp(), phoneNumber: seen['phoneNumber'] })
    ).status, 201, 'an erased verification frees the number',
  )
}

async function testClientSecret (t: Test, { url, shop }: TestGateway) {
  const body = otp({ metadata: { plan: 'pro' }, reference: 'r' })
  const created = await shop.create(body)
  const { id, clientSecret } = created.body
  const browser = clientOf(url, clientSecret)
  const masked = `+1********${body.phoneNumber.slice(-2)}`
  const seen = await browser.call('GET', `/verifications/${id}`)
  t.hasStrict(seen, { status: 200, body: { id, phoneNumber: masked, status: 'pending' } })
  t.strictSame(seen.body['metadata'], {})
  const other = await shop.create(otp())
  for (const [method, path, evidence] of calls(other.body['id']).slice(0, 5)) t.equal(
    (await browser.call(method, path, evidence)).status, 404, `of another verification: ${method}`,
  )
  for (const [method, path] of calls(id).slice(5)) t.hasStrict(
    await browser.call(method, path), { status: 403, body: { code: 'forbidden' } },
  )
  t.hasStrict(await browser.create(otp()), { status: 403 })
  t.hasStrict(await browser.call('GET', '/verifications?reference=r'), { status: 403 })
  t.hasStrict(await browser.call('GET', '/providers'), { status: 403 })
  t.hasStrict(await browser.call('POST', `/verifications/${id}/resend`), { status: 429 })
  const checked = await browser.call('POST', `/verifications/${id}/check`, { code: codeFor(body.phoneNumber) })
  t.hasStrict(
    checked,
    {
      status: 200,
      body: { status: 'verified', phoneNumber: masked, result: { phoneNumber: masked, profile: null, signals: null } },
    },
  )
  t.notOk(JSON.stringify(checked.body).includes(body.phoneNumber.slice(2)))
  t.notOk(
    JSON.stringify((await shop.call('GET', `/verifications/${id}`)).body).includes('vcs_'), 'only create returns it',
  )
  t.hasStrict(
    await clientOf(
      url, `${clientSecret.slice(0, -1)}${clientSecret.endsWith('A') ? 'Q' : 'A'}`,
    ).call('GET', `/verifications/${id}`),
    { status: 401 },
  )
  const given = await clientOf(url, other.body['clientSecret']).call(
    'POST', `/verifications/${other.body['id']}/next`, { reason: 'abandoned' },
  )
  t.hasStrict(given, { status: 200, body: { status: 'failed', reason: 'abandoned' } })
}

async function testCancel (t: Test, { shop }: TestGateway) {
  const { body: { id, revision } } = await shop.create(otp())
  t.hasStrict(await shop.call('POST', `/verifications/${id}/cancel`), {
    status: 200,
    body: {
      status: 'canceled', verified: false, reason: 'app_canceled', nextAction: null, revision: revision + 1,
      result: null,
    },
  })
  const { body: canceled } = await shop.call('GET', `/verifications/${id}`)
  t.hasStrict(canceled['attempts'], [{ status: 'canceled', reason: 'app_canceled' }])
  t.strictSame(canceled['availableActions'], [])
  for (const [method, path, body] of calls(id).slice(2, 6)) {
    t.hasStrict(
      await shop.call(method, path, body), {
        status: 409, body: { code: 'invalid_state', verificationStatus: 'canceled' },
      },
      path.replace(id, '{id}'),
    )
  }
  t.equal((await shop.call('GET', `/verifications/${id}`)).body['revision'], revision + 1)
}

async function testNumbers (t: Test, { shop, simulators }: TestGateway) {
  const sent = countSent(simulators)
  const bad = [
    '14155550100', '+1 415 555 0100', '+0123456789', '+141555501', '+141555501000000', '+1415555O100', '+',
    '++14155550100',
    '+１４１５５５５０１００',
    'tel:+14155550100', '+999123456789',
  ]
  for (const phoneNumber of bad) {
    const { status, body } = await shop.create({ phoneNumber, workflow: ['otpless.otp'] })
    t.hasStrict(
      { status, body }, { status: 422, body: { code: 'invalid_phone_number', errors: [{ field: 'phoneNumber' }] } },
      phoneNumber,
    )
    t.notOk(JSON.stringify(body).includes(phoneNumber.slice(2) || '++'), 'is not echoed')
  }
  for (const phoneNumber of [14155550100, null, '', ['+14155550100'], { number: '+14155550100' }, '+1415\n5550100']) {
    t.hasStrict(
      await shop.create({ phoneNumber, workflow: ['otpless.otp'] }), { status: 400, body: { code: 'invalid_request' } },
      JSON.stringify(phoneNumber),
    )
  }
  t.equal(countSent(simulators), sent)
}
