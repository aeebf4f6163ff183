import t from 'tap'
import { startGateway } from '../helpers/gateway.ts'
import { begin, numberEnding } from './end-user.ts'
import { post } from './post.ts'
import { useSdk } from './truecaller-sdk.ts'

const refused = { status: 409, body: { code: 'invalid_state', verificationStatus: 'pending' } }
const verified = { status: 200, body: { status: 'verified' } }
const invalid = { status: 200, body: { status: 'failed', reason: 'evidence_invalid' } }

/** Of India, where missed calls work. */
let serial = 100
const indianNumber = (): string => `+9198${serial += 1}00102`

t.test('what the SDKs of Truecaller return', async t => {
  const gateway = await startGateway(t)
  const { shop, simulators } = gateway
  const start = async (method: string, phoneNumber: string | null = null) => {
    const started = await begin(gateway, method, { phoneNumber })
    const { nextAction: { params } } = await started.read()
    return { ...started, params }
  }
  const use = async (phoneNumber: string, params: object) => {
    const result = await useSdk(simulators, phoneNumber, params)
    return result !== null && 'evidence' in result ? result.evidence : {}
  }
  const asked = (path: string): number => simulators.requests.filter(request => request.path === path).length

  await t.test('a code is good for one verification', async t => {
    const [first, second] = [await start('truecaller.oauth'), await start('truecaller.oauth')]
    t.not(first.params.state, second.params.state)
    const evidence = await use(numberEnding('02'), first.params)
    t.hasStrict(await first.check(evidence), verified)
    t.hasStrict(await first.check(evidence), verified, 'the evidence that settled it can be repeated')
    t.hasStrict(await second.check(evidence), refused)
    t.hasStrict(await second.check({ ...evidence, codeVerifier: 'v'.repeat(43) }), refused, 'with any verifier')
    t.equal(asked('/v1/token'), 1)
    t.hasStrict(await second.check(await use(numberEnding('02'), second.params)), verified, 'it takes its own')
  })

  await t.test('a code of another verifier proves nothing', async t => {
    const { check, params } = await start('truecaller.oauth')
    const evidence = await use(numberEnding('02'), params)
    t.hasStrict(await check({ ...evidence, codeVerifier: 'v'.repeat(43) }), invalid)
  })

  await t.test('an outage after the exchange costs the user nothing', async t => {
    const { id, check, params } = await start('truecaller.oauth')
    const evidence = await use(numberEnding('02'), params)
    const before = asked('/v1/token')
    simulators.fail({ provider: 'truecaller', path: '/v1/userinfo', answer: 503, times: 2 })
    t.hasStrict(await check(evidence), { status: 202, body: { nextAction: { type: 'wait' } } })
    t.hasStrict(await shop.waitFor(id), { status: 'verified', result: { method: 'truecaller.oauth' } })
    t.equal(asked('/v1/token') - before, 1)
  })

  await t.test('a signed profile is good for the verification that its nonce names', async t => {
    const [first, second] = [await start('truecaller.payload'), await start('truecaller.payload')]
    const evidence = await use(numberEnding('02'), first.params)
    t.hasStrict(await second.check(evidence), invalid)
    t.hasStrict(await first.check(evidence), verified, 'which is not used up by that')
    const forged = await start('truecaller.payload')
    const { signature } = await use(numberEnding('02'), first.params)
    t.hasStrict(await forged.check({ ...await use(numberEnding('02'), forged.params), signature }), invalid)
  })

  await t.test('a rotated key is fetched once', async t => {
    const before = asked('/v1/key')
    await post(`${simulators.url}/control/truecaller/rotate-key`, {})
    for (let times = 0; times < 2; times += 1) {
      const { check, params } = await start('truecaller.payload')
      t.hasStrict(await check(await use(numberEnding('02'), params)), verified)
    }
    t.equal(asked('/v1/key') - before, 1)
  })

  await t.test('a token of a missed call is good for one verification, of its number', async t => {
    const phoneNumber = indianNumber()
    const { check, params } = await start('truecaller.missed_call', phoneNumber)
    const evidence = await use(phoneNumber, params)
    t.hasStrict(await (await start('truecaller.missed_call', indianNumber())).check(evidence), {
      status: 200, body: { status: 'failed', reason: 'number_mismatch' },
    })
    t.hasStrict(await check(evidence), refused)
    t.hasStrict(await check(await use(phoneNumber, params)), verified)
    t.hasStrict(await (await start('truecaller.missed_call', indianNumber())).check({ token: 'made-up' }), invalid)
  })

  await t.test('a missed call reaches Indian numbers only, which is known before', async t => {
    const { body } = await shop.create({ phoneNumber: numberEnding('02'), workflow: ['truecaller.missed_call'] })
    t.hasStrict(body, {
      status: 'failed', reason: 'carrier_unsupported',
      attempts: [{ status: 'skipped', reason: 'carrier_unsupported' }],
    })
    for (const [phoneNumber, eligible] of [[indianNumber(), true], [numberEnding('02'), false]] as const) {
      const { body: { data } } = await shop.call('POST', '/eligibility', { phoneNumber })
      const about = data.find(({ method }: { method: string }) => method === 'truecaller.missed_call')
      t.hasStrict(about, { eligible, reason: eligible ? null : 'carrier_unsupported' })
    }
  })
})
