import { generateKeyPairSync } from 'node:crypto'
import t, { type Test } from 'tap'
import { camara } from '../../src/sandbox/camara/index.ts'
import { startGateway, type TestGateway } from '../helpers/gateway.ts'
import { act, itemsOf, numberEnding } from './end-user.ts'

const returnUrl = 'https://shop.example/verified'
const silent = 'camara.number_verification'

let serial = 20
/** A number of its own with a variant of a suffix. */
const numberWith = (digits: string, suffix: string): string => `+1415${serial += 1}${digits}1${suffix}`

/** The settings of an instance: those of the simulator, under other names. */
const instanceOf = (settings: Record<string, string>, name: string): Record<string, string> => Object.fromEntries(
  Object.entries(settings).filter(([key]) => key.startsWith('CAMARA_')).map(
    ([key, value]) => [key.replace('CAMARA_', `CAMARA_${name}_`), value],
  ),
)

async function begin ({ shop }: TestGateway, phoneNumber: string, workflow: unknown[]) {
  const { status, body } = await shop.create({ phoneNumber, workflow, returnUrl })
  if (status !== 201) throw new Error(`create answered ${status}`)
  return body
}

/** What became of a verification, after the person did what is asked, once for each step. */
async function endOf (gateway: TestGateway, phoneNumber: string, workflow: unknown[] = [silent]) {
  const { shop, simulators } = gateway
  const created = await begin(gateway, phoneNumber, workflow)
  const id = String(created['id'])
  let seen: typeof created = created
  for (const _step of workflow) {
    if (seen['status'] !== 'pending') break
    await act(shop, simulators, seen, phoneNumber)
    seen = await shop.waitFor(id, ({ status, nextAction, revision }) =>
      status !== 'pending' || (nextAction.type !== 'wait' && revision > seen['revision']))
  }
  return seen
}

t.test('the APIs of mobile operators', async t => {
  const gateway = await startGateway(t, { simulatorOptions: { simulators: [camara], slowMs: 300, silenceMs: 200 } })
  await t.test('a silent check', t => testSilent(t, gateway))
  await t.test('why a silent check proves nothing', t => testSilentFailures(t, gateway))
  await t.test('a code by SMS', t => testSms(t, gateway))
  await t.test('SIM swap', t => testSimSwap(t, gateway))
  await t.test('a redirect of another person', t => testRedirects(t, gateway))
})

async function testSilent (t: Test, gateway: TestGateway) {
  const { shop, simulators, logs } = gateway
  const phoneNumber = numberEnding('02')
  const { id, nextAction } = await begin(gateway, phoneNumber, [silent])
  t.hasStrict(nextAction, { type: 'openUrlOnCellular', finish: 'code' })
  const brought: string[] = []
  await act(shop, simulators, (await shop.call('GET', `/verifications/${id}`)).body, phoneNumber, {
    bring: evidence => brought.push(evidence),
  })
  t.hasStrict(await shop.waitFor(String(id)), {
    status: 'verified', verified: true, result: {
      phoneNumber, method: silent, provider: 'camara',
      assurance: { level: 3, possession: 'sim', binding: 'session', restricted: false },
    },
  })
  t.equal(brought.length, 1, 'one code came back')
  const again = await shop.call('POST', `/verifications/${id}/check`, { code: brought[0] })
  t.hasStrict(again, { status: 200, body: { status: 'verified' } }, 'the same evidence again')
  const secrets = [...brought, phoneNumber.slice(1), new URL(nextAction.url).searchParams.get('state') ?? '']
  t.notOk(logs.some(line => secrets.some(secret => line.includes(secret))), 'no secret and no number is logged')

  t.hasStrict(await endOf(gateway, numberEnding('97')), { status: 'verified' }, 'the operator answers 5xx twice')
  t.hasStrict(await endOf(gateway, numberEnding('93')), { status: 'verified' }, 'a slow operator')
}

async function testSilentFailures (t: Test, gateway: TestGateway) {
  for (const [phoneNumber, reason, about] of [
    [numberEnding('01'), 'number_mismatch', 'another SIM'],
    [numberWith('81', '91'), 'not_on_cellular', 'Wi-Fi'],
    [numberWith('84', '91'), 'not_on_cellular', 'not by the network'],
    [numberEnding('91'), 'not_on_cellular', 'a network that takes no part'],
    [numberEnding('90'), 'carrier_unsupported', 'refused by the operator'],
    [numberWith('81', '99'), 'evidence_invalid', 'a code that the operator does not know'],
  ] as const) {
    const ended = await endOf(gateway, phoneNumber)
    t.hasStrict(ended, { status: 'failed', verified: false, reason, attempts: [{ reason }] }, about)
  }
  for (const [phoneNumber, reason] of [
    [numberEnding('98'), 'provider_bad_response'], [numberWith('82', '96'), 'provider_misconfigured'],
  ] as const) {
    t.hasStrict(await endOf(gateway, phoneNumber), {
      status: 'failed', reason: 'provider_unavailable', attempts: [{ reason }],
    })
  }
  t.hasStrict(await endOf(gateway, numberWith('81', '91'), [silent, 'camara.sms']), {
    status: 'verified', result: { method: 'camara.sms' }, attempts: [{ reason: 'not_on_cellular' }, {}],
  }, 'from Wi-Fi to a code')
  // The user was not asked, so did not refuse: the next method starts.
  const { shop, simulators } = gateway
  const phoneNumber = numberEnding('90')
  const refused = await begin(gateway, phoneNumber, [silent, 'camara.sms'])
  await act(shop, simulators, refused, phoneNumber)
  t.hasStrict((await shop.call('GET', `/verifications/${refused['id']}`)).body, {
    status: 'pending', nextAction: { type: 'submitCode' }, attempts: [{ reason: 'carrier_unsupported' }, {}],
  })
}

async function testSms (t: Test, gateway: TestGateway) {
  const { shop, simulators } = gateway
  const phoneNumber = numberEnding('02')
  const { id, nextAction } = await begin(gateway, phoneNumber, ['camara.sms'])
  t.hasStrict(nextAction, { type: 'submitCode', length: 6, channels: ['SMS'], attemptsRemaining: 5 })
  const [message] = await itemsOf(simulators, phoneNumber)
  const wrong = await shop.call('POST', `/verifications/${id}/check`, { code: '000000' })
  t.hasStrict(wrong, { status: 422, body: { code: 'code_incorrect', attemptsRemaining: 4 } })
  t.hasStrict((await shop.call('POST', `/verifications/${id}/check`, { code: message?.code })).body, {
    status: 'verified', result: { assurance: { level: 2, possession: 'message', restricted: true } },
  })
  for (const [number, reason] of [
    [numberEnding('01'), 'code_attempts_exhausted'], [numberEnding('91'), 'carrier_unsupported'],
    [numberWith('88', '91'), 'carrier_unsupported'], [numberWith('89', '91'), 'recently_tried'],
    [numberWith('82', '99'), 'evidence_expired'],
  ] as const) {
    t.hasStrict(await endOf(gateway, number, ['camara.sms']), { status: 'failed', reason }, number)
  }
  t.hasStrict(await endOf(gateway, numberWith('81', '98'), ['camara.sms']), { status: 'verified' }, 'unusual answers')
}

async function testSimSwap (t: Test, gateway: TestGateway) {
  const options = { signals: ['simSwap'] }
  for (const [phoneNumber, simSwap] of [
    [numberEnding('02'), false], [numberWith('81', '88'), true], [numberWith('83', '88'), undefined],
    [numberWith('84', '88'), undefined],
  ] as const) {
    for (const method of [silent, 'camara.sms']) {
      const ended = await endOf(gateway, phoneNumber, [{ method, options }])
      t.hasStrict(ended, { status: 'verified' })
      t.equal(ended['result'].signals?.simSwap, simSwap, `${method} ${phoneNumber.slice(-5)}`)
    }
  }
}

/** Codes and states are bound to each other: what another verification brought proves nothing. */
async function testRedirects (t: Test, gateway: TestGateway) {
  const { shop, url } = gateway
  const [mine, theirs] = [numberEnding('02'), numberEnding('04')]
  const [one, other] = [await begin(gateway, mine, [silent]), await begin(gateway, theirs, [silent])]
  const codeOf = async (place: string): Promise<string> => {
    const redirect = await fetch(place, { redirect: 'manual' })
    return new URL(redirect.headers.get('location') ?? '').searchParams.get('code') ?? ''
  }
  const stolen = await codeOf(other['nextAction'].url)
  const state = new URL(one['nextAction'].url).searchParams.get('state')
  const forged =
    await fetch(`${url}/callbacks/camara?${new URLSearchParams({ code: stolen, state: 'x'.repeat(48) })}`, {
    redirect: 'manual',
  })
  t.equal(forged.status, 200, 'a state that the gateway did not make leads nowhere')
  const swapped = await fetch(`${url}/callbacks/camara?${new URLSearchParams({ code: stolen, state: state ?? '' })}`, {
    redirect: 'manual',
  })
  t.equal(swapped.status, 303)
  const { body } = await shop.call('POST', `/verifications/${one['id']}/check`, { code: stolen })
  t.hasStrict(body, { status: 'failed', verified: false, reason: 'evidence_invalid' }, 'PKCE: the code is of another')
}

t.test('several operators', async t => {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const gateway = await startGateway(t, {
    simulatorOptions: { simulators: [{
      ...camara,
      settings: url => {
        const own = camara.settings(url)
        return {
          ...own, CAMARA_INSTANCES: 'north,south', ...instanceOf(own, 'NORTH'), ...instanceOf(own, 'SOUTH'),
          // An operator that does not know our key.
          CAMARA_NORTH_PRIVATE_KEY: privateKey.export({ type: 'pkcs8', format: 'der' }).toString('base64'),
        }
      },
    }] },
  })
  const phoneNumber = numberEnding('02')
  const methods = ['camara-north.number_verification', 'camara-south.number_verification']
  const ended = await endOf(gateway, phoneNumber, methods)
  t.hasStrict(ended, {
    status: 'verified', result: { method: 'camara-south.number_verification', provider: 'camara-south' },
    attempts: [{ provider: 'camara-north', reason: 'provider_misconfigured' }, { provider: 'camara-south' }],
  })
  const { nextAction } = await begin(gateway, numberEnding('04'), methods.slice(1))
  t.equal(
    new URL(nextAction.url).searchParams.get('redirect_uri'), `${gateway.url}/callbacks/camara-south`,
    'each operator has its own redirect URI',
  )
  const { body } = await gateway.shop.call('GET', '/providers')
  t.same(body['data'].map(({ provider }: { provider: string }) => provider), ['camara', 'camara-north', 'camara-south'])
})
