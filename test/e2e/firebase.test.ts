import t from 'tap'
import { request } from 'undici'
import { firebase } from '../../src/sandbox/firebase/index.ts'
import { otpless } from '../../src/sandbox/otpless/index.ts'
import { startGateway } from '../helpers/gateway.ts'
import { begin, numberEnding, post } from './end-user.ts'

/** `firebase.pnv` in a gateway, against the simulator of Firebase Phone Number Verification. */

const gateway = await startGateway(t, { simulatorOptions: { simulators: [otpless, firebase] } })
const { shop, simulators } = gateway
const method = 'firebase.pnv'

/** What the SDK returns on the phone with this number. */
async function runSdk (phoneNumber: string, nonce?: string): Promise<string> {
  const answer = await request(`${simulators.url}/handset/firebase/token`, {
    method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ phoneNumber, nonce }),
  })
  const { token } = await answer.body.json() as { token: string }
  return token
}

/** A verification, the nonce for its SDK, and the phone's token for it. */
async function start (request: Parameters<typeof begin>[2] = {}, phoneNumber = numberEnding('02')) {
  const begun = await begin(gateway, method, { phoneNumber: null, ...request })
  const { nextAction } = await begun.read()
  const nonce = String(nextAction.params.nonce)
  return { ...begun, nextAction, nonce, phoneNumber, token: (by?: string) => runSdk(phoneNumber, by) }
}

t.test('a token with the nonce verifies the number that it names', async t => {
  const { nextAction, nonce, token, check, phoneNumber } = await start()
  t.match(nextAction, { type: 'submitToken', sdk: 'firebase', params: { nonce: /^[\w-]{48}$/ } })
  const evidence = { token: await token(nonce) }
  const verified = {
    status: 200, body: {
      status: 'verified', phoneNumber,
      result: { phoneNumber, method, provider: 'firebase', assurance: { level: 3, possession: 'sim' } },
    },
  }
  t.match(await check(evidence), verified)
  t.match(await check(evidence), verified, 'submitted again')
  t.strictSame(
    [...new Set(simulators.requests.filter(({ provider }) => provider === 'firebase').map(({ path }) => path))],
    ['/v1beta/jwks'], 'nothing else is asked of Google',
  )
})

t.test('the nonce of another attempt proves nothing, and the next method starts', async t => {
  const [one, other] = [await start(), await start({ workflow: [method, 'otpless.otp'], phoneNumber: '+14155550102' })]
  t.match(await other.check({ token: await other.token(one.nonce) }), {
    body: {
      status: 'pending', attempts: [{ status: 'failed', reason: 'evidence_invalid' }, { method: 'otpless.otp' }],
    },
  })
})

t.test('a token without a nonce is good once, for less', async t => {
  const { token, check } = await start()
  const evidence = { token: await token() }
  t.match(await check(evidence), { body: { status: 'verified', result: { assurance: { level: 1, binding: 'none' } } } })
  const second = await start()
  t.match(await second.check(evidence), { status: 409 }, 'it was submitted before')
  const demanding = await shop.create({ workflow: [method], minAssurance: 3 })
  t.match(
    await shop.call('POST', `/verifications/${demanding.body['id']}/check`, { token: await token() }),
    { body: { status: 'failed', reason: 'evidence_invalid' } },
  )
})

t.test('an expired token, one that Google did not sign, and another number', async t => {
  for (const [ending, reason] of [['82199', 'evidence_expired'], ['81199', 'evidence_invalid']] as const) {
    const { id, nonce, token, check } = await start({}, `+141555${ending}`)
    await check({ token: await token(nonce) })
    t.match(await shop.waitFor(id), { status: 'failed', reason })
  }
  const phoneNumber = numberEnding('01')
  const { nonce, token, check } = await start({ phoneNumber }, phoneNumber)
  t.match(await check({ token: await token(nonce) }), { body: { status: 'failed', reason: 'number_mismatch' } })
})

t.test('a key that is new is looked up, and while keys cannot be fetched nothing is decided', async t => {
  await post(`${simulators.url}/control/firebase/rotate-key`, {})
  simulators.fail({ provider: 'firebase', answer: 503 })
  const { id, nonce, token, check, phoneNumber } = await start()
  t.match(await check({ token: await token(nonce) }), { status: 202, body: { status: 'pending' } })
  t.match(await shop.waitFor(id), { status: 'verified', phoneNumber })
})
