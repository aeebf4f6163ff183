import { setTimeout as delay } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { Type } from 'typebox'
import t from 'tap'
import type { Adapter, Method, Provider } from '../../src/adapters/adapter.ts'
import { ProviderError } from '../../src/core/errors.ts'
import { startWire } from '../faults/wire.ts'
import { startGateway } from '../helpers/gateway.ts'
import { startRedis, until } from '../helpers/redis.ts'
import { numberEnding } from './end-user.ts'
import type { Action } from '../../src/core/vocabulary.ts'

const method = (special: Partial<Method>): Method => ({
  needsPhoneNumber: true, evidence: ['code'], nextActions: ['submitCode'], timeoutMs: 60_000, isRepeatable: false,
  sendsMessage: false, userStep: 'types a code',
  assurance: { possession: 'message', binding: 'session', restricted: false },
  options: Type.Object({}, { additionalProperties: false }), ...special,
})

const action: Action = { type: 'submitCode', length: 6, channels: ['SMS'] }

/** A provider whose responses the test determines. */
const createAcme = (
  methods: Record<string, Method>, calls: Pick<Adapter, 'start' | 'resolve'> & Partial<Adapter>,
): Provider => ({
  provider: 'acme', settings: Type.Object({}), open: () => ({ provider: 'acme', methods, ...calls }),
})

t.test('a start that replaces a recently tried method happens once', async t => {
  let passed = 0
  let sent = 0
  const answer = Promise.withResolvers<void>()
  const acme = createAcme({
    'acme.link': method(
      { startsLocally: true, isRepeatable: true },
    ), 'acme.push': method({ oncePerNumberMs: 300_000 }), 'acme.sms': method({}),
  }, {
    async start ({ method }) {
      if (method === 'acme.sms') {
        sent += 1
        await answer.promise
      }
      return { state: null, action }
    },
    resolve: async () => ({ verdict: 'incorrect' }),
  })
  const { shop, app } = await startGateway(t, { providers: [acme], now: () => Date.now() + passed })
  const phoneNumber = numberEnding('02')
  await shop.call(
    'POST', `/verifications/${(await shop.create({ phoneNumber, workflow: ['acme.push'] })).body['id']}/cancel`,
  )
  const { id } = (await shop.create({ phoneNumber, workflow: ['acme.link', 'acme.push', 'acme.sms'] })).body
  const going = shop.call('POST', `/verifications/${id}/next`)
  await until(() => sent === 1, 'a message is sent')

  // After the lease, the process that sent it is presumed dead.
  passed = 9_000
  await app.gateway.sweep()
  t.match(
    await shop.waitFor(id),
    {
      status: 'failed',
      attempts: [{}, { status: 'skipped', reason: 'recently_tried' }, { status: 'failed', reason: 'provider_timeout' }],
    },
  )
  answer.resolve()
  await going
  t.equal(sent, 1)
})

t.test('a resend is stored although Redis is unavailable for a moment', async t => {
  const wire = await startWire(t, Number(new URL((await startRedis(t)).url).port))
  let passed = 0
  const asked: unknown[] = []
  const acme = createAcme({ 'acme.sms': method({ codeAttempts: 5, resend: { afterMs: 30_000, times: 2 } }) }, {
    start: async () => ({ state: 'first', action }),
    async resend () {
      await wire.refuse()
      wire.cut()
      setTimeout(() => void wire.accept(), 500)
      return { state: 'second', action }
    },
    async resolve ({ phoneNumber, state }) {
      asked.push(state)
      return { verdict: 'proven', phoneNumber: phoneNumber ?? '' }
    },
  })
  const { shop } = await startGateway(t, { redisUrl: wire.url, providers: [acme], now: () => Date.now() + passed })
  const { id } = (await shop.create({ phoneNumber: numberEnding('02'), workflow: ['acme.sms'] })).body
  passed = 30_000
  t.match(
    await shop.call('POST', `/verifications/${id}/resend`),
    { status: 200, body: { availableActions: [{ action: 'next' }, { action: 'resend', remaining: 1 }] } },
  )
  t.match(
    await shop.call('POST', `/verifications/${id}/check`, { code: '000000' }),
    { status: 200, body: { status: 'verified' } },
  )
  t.strictSame(asked, ['second'], 'the code belongs to the second message')
})

t.test('evidence that arrives while the provider is unavailable is submitted once', async t => {
  const asked: string[] = []
  const acme = createAcme({ 'acme.check': method({ evidence: ['code', 'none'] }) }, {
    start: async () => ({ state: null, action }),
    async resolve ({ phoneNumber }, evidence) {
      const word = JSON.stringify(evidence)
      asked.push(word)
      if (word === '{}') throw new ProviderError(
        'acme', 'read check', 'provider_error', { retryable: true, status: 503 },
      )
      // The code is valid once, and its check takes longer than the next poll.
      if (asked.filter(each => each === word).length > 1) return { verdict: 'denied', reason: 'evidence_invalid' }
      await delay(1_500)
      return { verdict: 'proven', phoneNumber: phoneNumber ?? '' }
    },
  })
  const { shop } = await startGateway(t, { providers: [acme] })
  const { id } = (await shop.create({ phoneNumber: numberEnding('02'), workflow: ['acme.check'] })).body
  t.equal((await shop.call('POST', `/verifications/${id}/check`)).status, 202)
  t.match(
    await shop.call('POST', `/verifications/${id}/check`, { code: '000000' }),
    { status: 200, body: { status: 'verified' } },
  )
  t.strictSame(asked, ['{}', '{"code":"000000"}'])
})

t.test('a provider with a Retry-After of a day is asked again in five minutes', async t => {
  const { url: redisUrl } = await startRedis(t)
  const redis = new Redis(redisUrl)
  t.teardown(() => redis.disconnect())
  const acme = createAcme({ 'acme.check': method({}) }, {
    start: async () => ({ state: null, action }),
    async resolve () {
      throw new ProviderError(
        'acme', 'check', 'provider_error', { retryable: true, status: 503, retryAfterMs: 86_400_000 },
      )
    },
  })
  const { shop } = await startGateway(t, { redisUrl, providers: [acme] })
  const { id } = (await shop.create({ phoneNumber: numberEnding('02'), workflow: ['acme.check'] })).body
  t.equal((await shop.call('POST', `/verifications/${id}/check`, { code: '000000' })).status, 202)
  const [job = ''] = await redis.zrange('{vg}:resolve:delayed', '0', '-1')
  t.equal(await redis.hget(`{vg}:resolve:${job}`, 'delay'), '300000')
})
