import t, { type Test } from 'tap'
import { startGateway } from '../helpers/gateway.ts'
import { startCapturing, startFakeTruecaller, type Capturing } from './captured-callbacks.ts'
import { numberEnding, openDeepLink, post, walk } from './end-user.ts'

t.test('callbacks', async t => {
  const caught = await startCapturing(t)
  await t.test('twice, and fifty at once', t => testRepeated(t, caught))
  await t.test('while the first is worked on', t => testDuplicate(t, caught))
  await t.test('too late', t => testLate(t, caught))
  await t.test('against a cancel', t => testRace(t, caught))
  await t.test('for nothing that we know', t => testUnknown(t, caught))
  await t.test('that lie', t => testForged(t, caught))
  await t.test('that are no messages', t => testMalformed(t, caught))
})

async function testRepeated (t: Test, { approve, deliver, counted, shop, simulators, revisionOf }: Capturing) {
  const fetches = () => simulators.requests.filter(({ path }) => path === '/v1/default').length
  for (const times of [2, 50]) {
    const { id, grant } = await approve(numberEnding('02'))
    const before = fetches()
    const { accepted, late = 0, duplicate = 0 } = await counted(async () => {
      const answers = await Promise.all(Array.from({ length: times }, () => deliver(grant)))
      t.ok(answers.every(({ status }) => status === 200), `${times} answers`)
      t.hasStrict(await shop.waitFor(id), { status: 'verified' })
      const revision = await revisionOf(id)
      t.equal((await deliver(grant)).status, 200)
      t.equal(await revisionOf(id), revision, 'nothing changes any more')
    })
    t.strictSame([accepted, late + duplicate], [1, times])
    t.equal(fetches() - before, 1, 'the profile is fetched once')
  }
}

async function testDuplicate (t: Test, { approve, deliver, counted, shop, simulators, revisionOf }: Capturing) {
  const { id, grant } = await approve(numberEnding('02'))
  simulators.fail({ provider: 'truecaller', path: '/v1/default', answer: 503, times: 2 })
  await deliver(grant)
  const revision = await revisionOf(id)
  t.hasStrict(
    (await shop.call('GET', `/verifications/${id}`)).body, { status: 'pending', nextAction: { type: 'wait' } },
  )
  t.strictSame(await counted(() => Promise.all([1, 2, 3].map(() => deliver(grant)))), { duplicate: 3 })
  t.equal(await revisionOf(id), revision)
  t.hasStrict(await shop.waitFor(id), { status: 'verified' })
}

async function testLate (t: Test, { approve, deliver, counted, shop, say, revisionOf }: Capturing) {
  const rejected = await approve(numberEnding('02'))
  await say({ requestId: rejected.nonce, status: 'user_rejected' })
  t.hasStrict(await shop.waitFor(rejected.id), { status: 'failed', reason: 'user_rejected' })
  const canceled = await approve(numberEnding('02'))
  await shop.call('POST', `/verifications/${canceled.id}/cancel`)
  const given = await approve(numberEnding('02'), { workflow: ['truecaller.web', 'otpless.token'] })
  await shop.call('POST', `/verifications/${given.id}/next`, {})
  for (const { id, nonce, grant } of [rejected, canceled, given]) {
    const before = (await shop.call('GET', `/verifications/${id}`)).body
    t.strictSame(await counted(async () => {
      for (const callback of [
        { requestId: nonce, status: 'flow_invoked' }, { requestId: nonce, status: 'user_rejected' },
      ]) t.equal((await say(callback)).status, 200)
      t.equal((await deliver(grant)).status, 200)
    }), { late: 3 })
    t.strictSame((await shop.call('GET', `/verifications/${id}`)).body, before)
  }
  const erased = await approve(numberEnding('02'))
  await shop.call('DELETE', `/verifications/${erased.id}`)
  t.strictSame(
    await counted(async () => t.strictSame(await deliver(erased.grant), { status: 200, body: {} })), { unknown: 1 },
  )
  t.equal((await shop.call('GET', `/verifications/${erased.id}`)).status, 410)

  const opened = await approve(numberEnding('02'))
  await deliver(opened.grant)
  await shop.waitFor(opened.id)
  const revision = await revisionOf(opened.id)
  await say({ requestId: opened.nonce, status: 'flow_invoked' })
  t.equal(await revisionOf(opened.id), revision, '`flow_invoked` after the token')
}

async function testRace (t: Test, { approve, deliver, shop }: Capturing) {
  const many = await Promise.all(Array.from({ length: 20 }, () => approve(numberEnding('02'))))
  const ends = await Promise.all(many.map(async ({ id, grant }) => {
    await Promise.all([deliver(grant), shop.call('POST', `/verifications/${id}/cancel`), deliver(grant)])
    return shop.waitFor(id)
  }))
  for (const end of ends) {
    t.match(end['status'], /^(verified|canceled)$/)
    t.strictSame((await shop.call('GET', `/verifications/${end['id']}`)).body, end, 'final is final')
  }
}

async function testUnknown (t: Test, { approve, deliver, counted, say, shop, capture, revisionOf }: Capturing) {
  const { id, revision, nonce, grant } = await approve(numberEnding('02'))
  const { accessToken, endpoint } = grant.body
  const altered = `${nonce.slice(0, -1)}${nonce.endsWith('A') ? 'Q' : 'A'}`
  t.strictSame(await counted(async () => {
    for (const key of ['A'.repeat(48), altered, nonce.toLowerCase(), 'nonce-'.repeat(8)]) {
      t.strictSame(
        await say({ requestId: key, accessToken, endpoint }), { status: 200, body: {} },
        'the same answer as for a known one',
      )
    }
  }), { unknown: 4 })

  const phoneNumber = numberEnding('04')
  const truid = (await shop.create({ workflow: ['truid.phone_check'], phoneNumber })).body
  const code = (await walk(truid['nextAction'].url))?.body['code']
  await shop.call('POST', `/verifications/${truid['id']}/check`, { code })
  const callback = await capture(({ body }) => body['reference_id'] === truid['attempts'][0].id)
  const truidKey = callback.path.split('/').at(-1) ?? ''
  const { body: pending } = await shop.create({
    workflow: ['truid.phone_check'], phoneNumber: numberEnding('04'), returnUrl: 'https://shop.example/verified',
  })
  const redirectKey = new URL((await walk(pending['nextAction'].url))?.location ?? '').pathname.split('/').at(-1) ?? ''

  t.strictSame(
    await counted(() => say({ requestId: 'r', state: truidKey, accessToken, endpoint })), { wrong_provider: 1 },
  )
  t.strictSame(
    await counted(() => say({ requestId: redirectKey, accessToken })), { unknown: 1 },
    'a redirect\'s key opens no other door',
  )
  for (const key of [nonce, redirectKey]) {
    const elsewhere = { ...callback, path: `/callbacks/truid/${key}` }
    t.strictSame(
      await counted(() => deliver(elsewhere), 'truid'), { signature_invalid: 1 },
      'what was signed for one attempt is for no other',
    )
  }
  t.strictSame(await counted(() => deliver(callback), 'truid'), { late: 1 })
  t.equal((await say({ requestId: nonce }, '/callbacks/nobody')).status, 404)
  t.equal(await revisionOf(id), revision)
  t.equal(await revisionOf(pending['id']), pending['revision'])
}

async function testForged (t: Test, { approve, deliver, counted, say, shop, capture, simulators }: Capturing) {
  const own = await approve(numberEnding('02'))
  const { accessToken, endpoint } = own.grant.body
  const target = await approve(numberEnding('04'), { phoneNumber: numberEnding('06') })
  await say({ requestId: target.nonce, accessToken, endpoint })
  t.hasStrict(
    await shop.waitFor(target.id), { status: 'failed', verified: false, reason: 'number_mismatch', result: null },
    'the profile of another number',
  )
  await deliver(target.grant)
  t.hasStrict(
    (await shop.call('GET', `/verifications/${target.id}`)).body, { status: 'failed', reason: 'number_mismatch' },
  )

  const bogus = await approve(numberEnding('02'))
  await say({ requestId: bogus.nonce, accessToken: 'made-up-token', endpoint })
  t.hasStrict(
    await shop.waitFor(bogus.id), { status: 'failed', reason: 'evidence_expired' },
    'a token that Truecaller does not know',
  )

  // Only tru.ID knows whether it is completed: a callback is a reason to ask, no more.
  const phoneNumber = numberEnding('02')
  const { body } = await shop.create(
    { phoneNumber, workflow: [{ method: 'truid.phone_check', options: { version: 'v0.1' } }] },
  )
  const callback = await capture(one => one.body['reference_id'] === body['attempts'][0].id)
  t.hasStrict(callback.body, { status: 'COMPLETED', match: true })
  const { body: silent } = await shop.create({
    phoneNumber: numberEnding('92'), workflow: [{ method: 'truid.phone_check', options: { version: 'v0.1' } }],
  })
  const before = simulators.requests.filter(
    ({ path, method }) => method === 'GET' && path.startsWith('/phone_check'),
  ).length
  const forged = JSON.stringify({ ...callback.body, reference_id: silent['attempts'][0].id })
  t.strictSame(await counted(() => deliver({ ...callback, text: forged }), 'truid'), { digest_mismatch: 1 })
  await deliver(callback)
  t.hasStrict(await shop.waitFor(body['id']), { status: 'verified' })
  t.ok(
    simulators.requests.filter(
      ({ path, method }) => method === 'GET' && path.startsWith('/phone_check'),
    ).length > before,
    'tru.ID was asked',
  )
  t.hasStrict(
    (await shop.call('GET', `/verifications/${silent['id']}`)).body,
    { status: 'pending', revision: silent['revision'] },
  )
}

async function testMalformed (t: Test, { url, say, shop, counted, simulators, revisionOf }: Capturing) {
  const { body: { id, revision, nextAction } } = await shop.create({ workflow: ['truecaller.web'] })
  const requestId = new URL(nextAction.url).searchParams.get('requestNonce') ?? ''
  const deep = `${'['.repeat(10_000)}${']'.repeat(10_000)}`
  const wrong = [
    deep, `{"requestId":${deep}}`, `{"requestId":"${requestId}","status":${deep}}`,
    `${'{"a":'.repeat(5_000)}1${'}'.repeat(5_000)}`, 'null',
    '1', '"text"', 'true', '[]', '{}',
    ...[
      { requestId }, { requestId, accessToken: 1 }, { requestId, accessToken: null }, { requestId, accessToken: '' },
      { requestId, accessToken: ['x'] }, { requestId, accessToken: 'a b' },
      { requestId, accessToken: 'x\r\nHost: evil' }, { requestId, accessToken: 'x'.repeat(3000) },
      { requestId, accessToken: 'x', endpoint: 1 }, { requestId, accessToken: 'x', endpoint: { href: '' } },
      { requestId: [requestId], accessToken: 'x' }, {
        requestId: { requestId }, accessToken: 'x',
      }, { requestId, status: 1 },
      { requestId: null, status: 'flow_invoked' }, { accessToken: 'x' },
    ].map(value => JSON.stringify(value)),
  ]
  t.strictSame(await counted(async () => {
    for (const text of wrong) t.equal((await say(text)).status, 200, text.slice(0, 80))
  }), { malformed: wrong.length })
  for (const [text, status] of [
    ['{', 400], ['{"__proto__":{"requestId":"x"}}', 200], ['{"constructor":{"prototype":{}}}', 200],
    [`"${'x'.repeat(70_000)}"`, 413],
  ] as const) {
    t.equal((await say(text)).status, status, text.slice(0, 40))
  }
  for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'application/octet-stream']) {
    const { status } = await post(`${url}/callbacks/truecaller`, 'a=b', { 'content-type': type })
    t.equal(status, 200, type)
  }
  for (const path of [
    '/callbacks/truid', `/callbacks/truid/${requestId}`, '/callbacks/truid/x', `/callbacks/truid/${'x'.repeat(500)}`,
    '/callbacks/otpless/%00', '/callbacks/truecaller/x',
  ]) {
    t.equal((await say({ check_id: 1, status: [] }, path)).status, 200, path)
  }
  t.equal(await revisionOf(id), revision, 'unchanged')
  await openDeepLink(simulators, nextAction.url, numberEnding('02'))
  t.hasStrict(await shop.call('GET', `/verifications/${id}`), { status: 200, body: { status: 'pending' } })
}

t.test('a push without `state` is found by the id of its request', async t => {
  const phoneNumber = numberEnding('02')
  const { port } = await startFakeTruecaller(t, phoneNumber)
  const origin = `http://127.0.0.1:${port}`
  const { url, shop } = await startGateway(t, {
    environment: {
      TRUECALLER_API_URL: origin, TRUECALLER_PROFILE_URL: origin, TRUECALLER_PROFILE_HOSTS: `127.0.0.1:${port}`,
    },
  })
  const push = async (number: string) =>
    (await shop.create({ phoneNumber: number, workflow: ['truecaller.push'] })).body
  const grant = async (requestId: string, accessToken: string) =>
    t.equal((await post(`${url}/callbacks/truecaller`, { requestId, accessToken, state: null })).status, 200)
  const read = async ({ id }: Record<string, any>) => (await shop.call('GET', `/verifications/${id}`)).body

  const first = await push(phoneNumber)
  await grant('another', 'token-1')
  t.hasStrict(await read(first), { status: 'pending' })
  await grant('r', 'token-2')
  t.hasStrict(await shop.waitFor(first['id']), { status: 'verified', phoneNumber })

  const second = await push(numberEnding('04'))
  t.hasStrict(second, { status: 'pending', nextAction: { type: 'approveOnDevice' } }, 'the provider repeats an id')
  await grant('r', 'token-3')
  t.hasStrict(await read(second), { status: 'pending' }, 'which belongs to the first attempt')
})

t.test('with TRUECALLER_CALLBACK_KEY, nothing happens without it', async t => {
  const [key, next] = ['registered_callback_key-0', 'registered_callback_key-next']
  const { approve, deliver, counted, say, shop, revisionOf } = await startCapturing(
    t, { TRUECALLER_CALLBACK_KEY: `${next},${key}` }, { settings: { TRUECALLER_CALLBACK_KEY: key } },
  )
  const { id, revision, nonce, grant } = await approve(numberEnding('02'))
  t.equal(grant.path, `/callbacks/truecaller/${key}`)
  const paths = [
    '/callbacks/truecaller', '/callbacks/truecaller/', `/callbacks/truecaller/${key}x`,
    `/callbacks/truecaller/${key.toUpperCase()}`,
    '/callbacks/truecaller/x', `/callbacks/truecaller?key=${key}`,
  ]
  t.strictSame(await counted(async () => {
    for (const path of paths) t.strictSame(await say({ ...grant.body }, path), { status: 200, body: {} }, path)
    await say({ requestId: nonce, status: 'user_rejected' })
  }), { key_missing: paths.length + 1 })
  t.equal(await revisionOf(id), revision)
  t.strictSame(await deliver(grant), { status: 200, body: {} })
  t.hasStrict(await shop.waitFor(id), { status: 'verified' })

  const other = await approve(numberEnding('04'))
  t.strictSame(await say({ ...other.grant.body }, `/callbacks/truecaller/${next}`), { status: 200, body: {} })
  t.hasStrict(await shop.waitFor(other.id), { status: 'verified' }, 'during rotation by either key')
})
