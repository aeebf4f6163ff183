import t, { type Test } from 'tap'
import { startGateway, type Answer, type TestGateway } from '../helpers/gateway.ts'
import { act, codeFor, post } from './end-user.ts'
import { authorize, useSdk, type SdkParams, type SdkResult } from './truecaller-sdk.ts'

type Evidence = Record<string, string>

let serial = 100
/**
 * An Indian number of its own, which every method of Truecaller can serve. `digits` choose another outcome of the
 * suffix.
 */
const numberEnding = (suffix: string, digits = '00'): string => `+9198${serial += 1}${digits}1${suffix}`

function evidenceOf (result: SdkResult): Evidence {
  if (result === null || !('evidence' in result)) throw new Error('the SDK returned no evidence')
  return result.evidence
}

/** A verification of its own, and what its front end and its user need. */
async function begin (
  { shop, simulators }: TestGateway, method: string, phoneNumber: string, more: { number?: string | null } = {},
) {
  const { number = phoneNumber } = more
  const { body } = await shop.create({ workflow: [method], ...number === null ? {} : { phoneNumber: number } })
  const params = body['nextAction'].params as SdkParams
  const path = `/verifications/${body['id']}`
  return {
    id: String(body['id']), params,
    /** The user agrees: what the SDK returns to the front end. */
    agree: async (): Promise<Evidence> => evidenceOf(await useSdk(simulators, phoneNumber, params)),
    check: (evidence: Evidence): Promise<Answer> => shop.call('POST', `${path}/check`, evidence),
    read: async () => (await shop.call('GET', path)).body,
    wait: () => shop.waitFor(String(body['id'])),
    /** How the verification ends by this evidence. */
    async settle (evidence: Evidence) {
      await shop.call('POST', `${path}/check`, evidence)
      return shop.waitFor(String(body['id']))
    },
  }
}

const asked = ({ simulators }: TestGateway, path: string): number =>
  simulators.requests.filter(request => request.path.startsWith(path)).length
const denied = (reason: string) => ({ status: 'failed', verified: false, reason })
const verified = { status: 200, body: { status: 'verified' } }
const unavailable = (reason: string) =>
  ({ status: 'failed', reason: 'provider_unavailable', attempts: [{ status: 'failed', reason }] })

const sdkMethods = ['truecaller.oauth', 'truecaller.payload', 'truecaller.missed_call'] as const

t.test('the methods of the Truecaller SDKs', async t => {
  const gateway = await startGateway(t)
  await t.test('each one verifies a number, and says how', t => testVerified(t, gateway))
  await t.test('the two that need no number discover it', t => testDiscovery(t, gateway))
  await t.test('a user who refuses, or has no app, goes on with a code', t => testFallback(t, gateway))
  await t.test('what was not made for this verification proves nothing', t => testForged(t, gateway))
  await t.test('one proof for two verifications at once', t => testRaced(t, gateway))
  await t.test('fifty times at once', t => testRepeated(t, gateway))
  await t.test('OAuth: answers that are no proof', t => testOauthAnswers(t, gateway))
  await t.test('OAuth: errors have any body', t => testOauthErrors(t, gateway))
  await t.test('a number that gets no missed calls goes on with a code, at once', t => testIndia(t, gateway))
})

async function testVerified (t: Test, gateway: TestGateway) {
  const assurances = {
    'truecaller.oauth': { level: 2, possession: 'account', binding: 'session', restricted: false },
    'truecaller.payload': { level: 2, possession: 'account', binding: 'session', restricted: false },
    'truecaller.missed_call': { level: 2, possession: 'message', binding: 'session', restricted: true },
  }
  for (const method of sdkMethods) {
    const phoneNumber = numberEnding('02')
    const one = await begin(gateway, method, phoneNumber)
    const { status, body } = await one.check(await one.agree())
    t.equal(status, 200, method)
    t.match(body, {
      status: 'verified', phoneNumber, result: { phoneNumber, method, assurance: assurances[method] },
    })
    if (method === 'truecaller.missed_call') continue
    t.match(body['result'].profile, { name: { first: 'Ada', last: 'Example' } })
  }
}

async function testDiscovery (t: Test, gateway: TestGateway) {
  for (const method of ['truecaller.oauth', 'truecaller.payload']) {
    const phoneNumber = numberEnding('02')
    const one = await begin(gateway, method, phoneNumber, { number: null })
    t.match(await one.check(await one.agree()), { status: 200, body: { status: 'verified', phoneNumber } })
    const other = await begin(gateway, method, phoneNumber, { number: numberEnding('02') })
    t.match(await other.settle(await other.agree()), denied('number_mismatch'), 'the account of another number')
  }
}

async function testFallback (t: Test, { shop, simulators }: TestGateway) {
  for (const [suffix, reason] of [['91', 'app_not_installed'], ['90', 'user_rejected']] as const) {
    // Only with Truecaller.
    const phoneNumber = numberEnding(suffix).replace(/.(..)$/, '2$1')
    const workflow = [{ method: 'truecaller.oauth', options: { continueWhenRejected: true } }, 'otpless.otp']
    const { body: created } = await shop.create({ phoneNumber, workflow })
    t.equal(created['nextAction']?.type, 'submitToken', JSON.stringify(created))
    await act(shop, simulators, created, phoneNumber)
    const isNext = ({ attempts, nextAction }: Answer['body']) => attempts.length === 2 && nextAction?.type !== 'wait'
    const next = await shop.waitFor(created['id'], isNext)
    t.match(next, { status: 'pending', attempts: [{ status: 'failed', reason }, { method: 'otpless.otp' }] })
    const ended = await shop.call('POST', `/verifications/${created['id']}/check`, { code: codeFor(phoneNumber) })
    t.match(ended, { status: 200, body: { status: 'verified', result: { method: 'otpless.otp' } } })
  }
}

async function testForged (t: Test, gateway: TestGateway) {
  const { simulators } = gateway
  const start = (method: string, suffix = '02', digits?: string) => begin(gateway, method, numberEnding(suffix, digits))
  const foreign = await start('truecaller.payload', '99', '81')
  t.match(await foreign.settle(await foreign.agree()), denied('evidence_invalid'), 'a key that nobody published')
  const old = await start('truecaller.payload', '99', '82')
  t.match(await old.settle(await old.agree()), denied('evidence_expired'), 'signed yesterday')

  const altered = await start('truecaller.payload')
  const signed = await altered.agree()
  const profile = JSON.parse(Buffer.from(signed['payload'] ?? '', 'base64').toString())
  const payload = Buffer.from(JSON.stringify({ ...profile, email: 'x' })).toString('base64')
  t.match(await altered.settle({ ...signed, payload }), denied('evidence_invalid'), 'an altered profile')

  const phoneNumber = numberEnding('02')
  const ofOtherApp = await begin(gateway, 'truecaller.payload', phoneNumber)
  const { body } = await post(`${simulators.url}/handset/truecaller/payload`, {
    phoneNumber, requestNonce: ofOtherApp.params.requestNonce, verifier: '0'.repeat(64),
  })
  t.match(await ofOtherApp.settle(body as Evidence), denied('evidence_invalid'), 'made for another app')

  for (const digits of ['81', '82']) {
    const refused = await start('truecaller.oauth', '99', digits)
    t.match(await refused.settle(await refused.agree()), denied('evidence_invalid'))
  }
  const misconfigured = await start('truecaller.missed_call', '96', '82')
  const ended = await misconfigured.settle(await misconfigured.agree())
  t.match(ended, unavailable('provider_misconfigured'), 'the other 404')
}

async function testRaced (t: Test, gateway: TestGateway) {
  for (const [method, path] of [
    ['truecaller.oauth', '/v1/token'], ['truecaller.missed_call', '/v1/otp'],
  ] as const) {
    const phoneNumber = numberEnding('02')
    const [first, second] = [
      await begin(gateway, method, phoneNumber),
      await begin({ ...gateway, shop: gateway.bank }, method, phoneNumber),
    ]
    const before = asked(gateway, path)
    const evidence = await first.agree()
    const answers = await Promise.all([first.check(evidence), second.check(evidence)])
    t.strictSame(answers.map(({ status }) => status).sort(), [200, 409], method)
    const winner = answers[0]?.status === 200 ? first : second
    t.match(await winner.wait(), { status: 'verified' })
    const loser = winner === first ? second : first
    t.match(await loser.read(), { status: 'pending', nextAction: { type: 'submitToken' } }, 'as it was')
    t.ok(asked(gateway, path) - before <= 2, 'asked for one of them only')
    t.match(await loser.check(await loser.agree()), verified, 'with its own proof')
  }
}

async function testRepeated (t: Test, gateway: TestGateway) {
  for (const method of sdkMethods) {
    const one = await begin(gateway, method, numberEnding('02'))
    const before = asked(gateway, '/v1/token')
    const evidence = await one.agree()
    const answers = await Promise.all(Array.from({ length: 50 }, () => one.check(evidence)))
    t.ok(answers.every(({ status }) => [200, 202, 409].includes(status)), method)
    t.match(await one.wait(), { status: 'verified', attempts: [{ status: 'verified' }] })
    if (method === 'truecaller.oauth') t.equal(asked(gateway, '/v1/token') - before, 1, 'exchanged once')
  }
}

async function testOauthAnswers (t: Test, gateway: TestGateway) {
  for (const digits of ['83', '84']) {
    const one = await begin(gateway, 'truecaller.oauth', numberEnding('99', digits))
    t.match(await one.settle(await one.agree()), { status: 'failed', verified: false, result: null }, `${digits}·99`)
  }
  const phoneNumber = numberEnding('02')
  const one = await begin(gateway, 'truecaller.oauth', phoneNumber)
  const evidence = evidenceOf(await authorize(gateway.simulators, phoneNumber, { ...one.params, scopes: 'phone' }))
  t.match(await one.settle(evidence), { status: 'failed', verified: false }, 'a front end that did not ask for openid')
  const limited = await begin(gateway, 'truecaller.oauth', numberEnding('96', '81'))
  const answer = await limited.check(await limited.agree())
  t.match([answer.status, answer.body['status']], [202, 'pending'], '429 is not the user\'s fault')
}

async function testOauthErrors (t: Test, gateway: TestGateway) {
  const use = (form: string) => post(`${gateway.simulators.url}/control/truecaller/oauth-errors`, { form })
  for (const form of ['rfc6749', 'none', 'html', 'code']) {
    await use(form)
    const one = await begin(gateway, 'truecaller.oauth', numberEnding('99', '81'))
    t.match(await one.settle(await one.agree()), denied('evidence_invalid'), form)
  }
}

async function testIndia (t: Test, gateway: TestGateway) {
  const { shop, simulators } = gateway
  const phoneNumber = '+14155507102'
  const method = 'truecaller.missed_call'
  const { body: created } = await shop.create({ phoneNumber, workflow: [method, 'otpless.otp'] })
  t.match(created['attempts'], [
    { method, status: 'skipped', reason: 'carrier_unsupported' }, { method: 'otpless.otp', status: 'pending' },
  ])
  await act(shop, simulators, created, phoneNumber)
  t.match(await shop.waitFor(created['id']), { status: 'verified', result: { method: 'otpless.otp' } })
}
