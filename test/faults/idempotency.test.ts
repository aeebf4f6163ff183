import t, { type Test } from 'tap'
import { clientOf, keys, type Answer, type Client } from '../helpers/gateway.ts'
import { freePort, until } from '../helpers/redis.ts'
import { creates, pointedAt, startKillable } from './killed-process.ts'
import { startProxy } from './proxy.ts'
import { codeOf, retryUntilAnswered, numberOf } from './oracle.ts'
import { longOrShort, startDeployment } from './deployment.ts'

t.jobs = 3

const initiate = '/auth/v1/initiate/otp'

/** Two api processes and a worker, and a wire that counts the messages. */
async function startThree (t: Test) {
  const deployment = await startDeployment(t)
  const { simulators, start, url, oracle, shop } = deployment
  const wire = await startProxy(t, simulators.url)
  const wired = { OTPLESS_AUTH_URL: wire.url }
  const port = String(await freePort())
  const [first] = await Promise.all(
    [
      start({ ...deployment.api, ...wired }), start({ ...deployment.api, ...wired, PORT: port }),
      start({ ...deployment.worker, ...wired }),
    ],
  )
  const shops: [Client, Client] = [shop, clientOf(`http://127.0.0.1:${port}`, keys.shop)]
  return {
    ...deployment, wire, first, startAgain: () =>
      start({ ...deployment.api, ...wired }), oracle, shops, bank: clientOf(url, keys.bank),
    messages: (phoneNumber: string): number =>
      wire.passed.filter(({ path, body }) => path === initiate && body['phoneNumber'] === phoneNumber).length,
    create: (n: number, phoneNumber: string, key: string, more: object = {}): Promise<Answer> =>
      (shops[n % 2] ?? shops[0]).create(
        { phoneNumber, workflow: ['otpless.otp'], ...more }, { 'idempotency-key': key },
      ),
    finish: (id: string, phoneNumber: string): Promise<Answer> =>
      retryUntilAnswered(() => shop.call('POST', `/verifications/${id}/check`, { code: codeOf(phoneNumber) })),
  }
}

t.test('one key, a hundred times at once at two processes', { buffered: true }, async t => {
  const { create, messages, oracle, finish, wire, bank } = await startThree(t)
  // The provider's delay: all requests arrive before the first is answered.
  wire.delayMs = 300
  for (let round = 0; round < longOrShort(20, 2); round += 1) {
    const phoneNumber = numberOf(round, '10')
    const answers = await Promise.all(Array.from({ length: 100 }, (_, n) => create(n, phoneNumber, `key-${round}`)))
    const made = answers.filter(({ status }) => status === 201)
    t.ok(
      answers.every(({ status, body }) => status === 201 || body['code'] === 'idempotency_in_progress'),
      'created, or in progress',
    )
    const ids = new Set(made.map(({ body }) => String(body['id'])))
    t.equal(ids.size, 1, `${made.length} answers of 201 with one id`)
    t.equal(messages(phoneNumber), 1, 'one message')
    const [id = ''] = ids
    oracle.accept(id, 'verified')
    t.match(
      await create(round, phoneNumber, `key-${round}`, { reference: 'other' }),
      { status: 422, body: { code: 'idempotency_key_reused' } }, 'the key with another body',
    )
    const theirs = await bank.create({ phoneNumber, workflow: ['otpless.otp'] }, { 'idempotency-key': `key-${round}` })
    t.equal(theirs.status, 201, 'the same key and body from another app')
    t.notOk(ids.has(theirs.body['id']), 'create another verification')
    t.equal(messages(phoneNumber), 2)
    await finish(id, phoneNumber)
    t.match(
      await create(round + 1, phoneNumber, `key-${round}`), { status: 201, body: { id, status: 'verified' } },
      'also after the end',
    )
  }
  await oracle.judge(`one Idempotency-Key 100 times at once, ${longOrShort(20, 2)} rounds`)
})

t.test('a key whose first request was lost', { buffered: true }, async t => {
  const { create, messages, oracle, finish, wire, first, startAgain, shop } = await startThree(t)
  const phoneNumber = numberOf(1, '10')
  // The process that sent the message is killed before it stores the provider's answer.
  wire.lose(initiate, 1)
  const lost = shop.create(
    { phoneNumber, workflow: ['otpless.otp'] }, { 'idempotency-key': 'first' },
  ).then(({ status }) => status, () => null)
  await until(() => wire.passed.some(({ status }) => status === 200), 'the provider has answered')
  await first.kill()
  t.equal(await lost, null, 'no answer')
  const { status, body: { id } } = await retryUntilAnswered(() => create(1, phoneNumber, 'first'))
  t.equal(status, 201, 'another process returns the outcome')
  oracle.accept(id, 'failed/provider_unavailable')
  t.equal(messages(phoneNumber), 1, 'no second message')
  t.match(await create(1, phoneNumber, 'first'), { status: 201, body: { id } }, 'the outcome stays with the key')
  await startAgain()
  const again = await retryUntilAnswered(() => create(1, phoneNumber, 'second'))
  t.not(again.body['id'], id, 'a new key creates a new verification')
  oracle.accept(again.body['id'], 'verified')
  await finish(again.body['id'], phoneNumber)
  await oracle.judge('api SIGKILLed under the first request with an Idempotency-Key')
})

for (const [loss, isCut] of [['late', false], ['lost with the connection', true]] as const) {
  t.test(`the reply to the write of a create is ${loss}`, { buffered: true }, async t => {
    const deployment = await startDeployment(t)
    const { oracle, simulators } = deployment
    const providers = await startProxy(t, simulators.url)
    await deployment.start({ ...deployment.all, ...pointedAt(providers) })
    const { shop, redis, providers: own } = await startKillable(t, deployment, deployment.api)
    const phoneNumber = numberOf(1, '10')
    const create = () => shop.create({ phoneNumber, workflow: ['otpless.otp'] }, { 'idempotency-key': 'lost' })
    const held = redis.hold('reply', creates)
    const first = create()
    await held.caught
    if (isCut) redis.cut()
    t.match(await first, { status: 503, body: { code: 'store_unavailable' }, headers: { 'retry-after': '1' } })
    held.release()
    const again = await retryUntilAnswered(create)
    t.match(again, { status: 201, body: { nextAction: { type: 'submitCode' } } }, 'the create has gone on')
    const { id } = again.body
    t.equal([...providers.passed, ...own.passed].filter(({ path }) => path === initiate).length, 1, 'one message')
    oracle.accept(id, 'verified')
    await retryUntilAnswered(() => shop.call('POST', `/verifications/${id}/check`, { code: codeOf(phoneNumber) }))
    await oracle.judge(`the reply to the write of a create is ${loss}`)
  })
}
