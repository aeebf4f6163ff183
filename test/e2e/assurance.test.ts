import t, { type Test } from 'tap'
import { clientOf, startGateway, testApps, type TestGateway } from '../helpers/gateway.ts'
import { act, codeFor, numberEnding, openDeepLink, walk } from './end-user.ts'

type Created = { id: string, clientSecret: string, nextAction: { type: string, url: string } }
type Relayed = { method: string, approve: (gateway: TestGateway, created: Created, victim: string) => Promise<unknown> }

/** What the attacker can have the victim do: approve a prompt, open a link, or open a URL. */
const relays: Relayed[] = [
  // The simulated user approves every prompt.
  { method: 'truecaller.push', approve: async () => {} },
  { method: 'truecaller.web', approve: ({ simulators }, { nextAction: { url } }, victim) =>
    openDeepLink(simulators, url, victim) },
  { method: 'truid.phone_check', approve: (_gateway, { nextAction: { url } }) => walk(url) },
]

const refusedBelow = (detail: RegExp) => ({
  status: 422, body: { code: 'no_eligible_method', detail, errors: [{ field: 'minAssurance' }] },
})

t.test('the victim approves, the attacker has the client secret', async t => {
  const gateway = await startGateway(t, { environment: { TRUID_API_VERSION: 'v0.1' } })
  for (const { method, approve } of relays) await t.test(method, t => testRelay(t, gateway, { method, approve }))
  await t.test('no method is left for an app that demands more', t => testUnlisted(t, gateway))
})

async function testRelay (t: Test, gateway: TestGateway, { method, approve }: Relayed) {
  const victim = numberEnding('02')
  const { body } = await gateway.shop.create({ phoneNumber: victim, workflow: [method] })
  const created = body as Created
  await approve(gateway, created, victim)
  const attacker = clientOf(gateway.url, created.clientSecret)
  if (method === 'truid.phone_check') await attacker.call('POST', `/verifications/${created.id}/check`, {})
  const seen = await attacker.waitFor(created.id)
  // It cannot be prevented, so it is reported to the app.
  t.match(seen, { status: 'verified', result: { assurance: { level: 1, binding: 'none' } } })
  t.match((await gateway.shop.call('GET', `/verifications/${created.id}`)).body['result'], {
    method, assurance: seen['result'].assurance,
  })

  const calls = gateway.simulators.requests.length
  t.match(
    await gateway.shop.create({ phoneNumber: numberEnding('02'), workflow: [method], minAssurance: 2 }),
    refusedBelow(/^`minAssurance` 2 /),
  )
  t.equal(gateway.simulators.requests.length, calls, 'no provider was called')
}

async function testUnlisted (t: Test, { shop }: TestGateway) {
  const { body } = await shop.call('GET', '/providers')
  const methods = body['data'].flatMap(({ methods }: { methods: object[] }) => methods)
  t.match(methods.find(({ method }: { method: string }) => method === 'truid.phone_check'), {
    assurance: { level: 1, possession: 'sim', binding: 'none' }, restricted: false,
  }, 'of the version that the operator configured')
  const strong = await shop.create({ phoneNumber: numberEnding('02'), minAssurance: 2 })
  t.match(strong.body['workflow'], [{ method: 'otpless.otp' }], 'the default workflow has only what proves enough')
  t.equal(strong.body['workflow'].length, 1)
  t.match(await shop.create({ phoneNumber: numberEnding('02'), minAssurance: 3 }), refusedBelow(/^`minAssurance` 3 /))
}

t.test('evidence that comes back through the front end', async t => {
  const gateway = await startGateway(t, {
    apps: testApps.map(app => app.id === 'bank' ? { ...app, minAssurance: 2 } : app),
  })
  await t.test('each method says what it proved', t => testProofs(t, gateway))
  await t.test('a relayed URL of tru.ID v0.2 verifies nothing', t => testRelayedUrl(t, gateway))
  await t.test('minAssurance of the app, and of the create', t => testMinimum(t, gateway))
})

async function testProofs (t: Test, { shop, simulators }: TestGateway) {
  const proofs: [item: string | object, assurance: object][] = [
    ['truid.phone_check', { level: 3, possession: 'sim', binding: 'session', restricted: false }],
    ['otpless.token', { level: 2, possession: 'account', binding: 'session', restricted: false }],
    ['otpless.otp', { level: 2, possession: 'message', binding: 'session', restricted: true }],
    [
      { method: 'otpless.otp', options: { channels: ['WHATSAPP', 'VIBER'] } },
      { level: 2, possession: 'message', binding: 'session', restricted: false },
    ],
    [
      { method: 'otpless.otp', options: { channels: ['WHATSAPP', 'VOICE_CALL'] } },
      { level: 2, possession: 'message', binding: 'session', restricted: true },
    ],
  ]
  for (const [item, assurance] of proofs) {
    const phoneNumber = numberEnding('02')
    const { body } = await shop.create({ phoneNumber, workflow: [item], minAssurance: 2 })
    await act(shop, simulators, body, phoneNumber)
    t.match(await shop.waitFor(body['id']), { status: 'verified' })
    t.strictSame((await shop.call('GET', `/verifications/${body['id']}`)).body['result'].assurance, assurance)
  }
}

async function testRelayedUrl (t: Test, gateway: TestGateway) {
  const victim = numberEnding('02')
  const { body } = await gateway.shop.create({ phoneNumber: victim, workflow: ['truid.phone_check'], minAssurance: 3 })
  await walk(body['nextAction'].url)
  const attacker = clientOf(gateway.url, body['clientSecret'])
  const { status } = await attacker.call('POST', `/verifications/${body['id']}/check`, {})
  t.equal(status, 202)
  t.match((await attacker.call('GET', `/verifications/${body['id']}`)).body, { status: 'pending', result: null })
}

async function testMinimum (t: Test, { bank }: TestGateway) {
  const phoneNumber = numberEnding('02')
  const weak = { workflow: ['truecaller.push'] }
  t.match(await bank.create({ phoneNumber, ...weak }), refusedBelow(/^`minAssurance` 2 /), 'the app\'s')
  const { body } = await bank.create({ phoneNumber, workflow: ['truecaller.push', 'otpless.otp'] })
  t.match(body, {
    attempts: [
      { method: 'truecaller.push', status: 'skipped', reason: null }, { method: 'otpless.otp', status: 'pending' },
    ],
  }, 'what proves too little is not started')
  const { body: checked } = await bank.call(
    'POST', `/verifications/${body['id']}/check`, { code: codeFor(phoneNumber) },
  )
  t.match(checked, { status: 'verified', result: { method: 'otpless.otp', assurance: { level: 2 } } })
  const lower = await bank.create({ phoneNumber: numberEnding('02'), minAssurance: 1, ...weak })
  t.match(lower, { status: 201, body: { attempts: [{ status: 'pending' }] } }, 'the app\'s is a default')
  for (const minAssurance of [0, 4, 1.5, '2', null]) {
    t.match(await bank.create({ phoneNumber, minAssurance }), {
      status: 400, body: { code: 'invalid_request', errors: [{ field: 'minAssurance' }] },
    })
  }
}
