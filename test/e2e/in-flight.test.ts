import { Type } from 'typebox'
import t from 'tap'
import type { Adapter, Method, Provider } from '../../src/adapters/adapter.ts'
import { startGateway } from '../helpers/gateway.ts'
import { until } from '../helpers/redis.ts'
import { numberEnding } from './end-user.ts'

const method = (special: Partial<Method>): Method => ({
  needsPhoneNumber: true, evidence: ['code'], nextActions: ['submitCode'], timeoutMs: 60_000, isRepeatable: false,
  options: Type.Object({}, { additionalProperties: false }), ...special,
})

/** A provider whose answers are the test's. */
const createAcme = (methods: Record<string, Method>, calls: Pick<Adapter, 'start' | 'resolve'> & Partial<Adapter>): Provider => ({
  provider: 'acme', settings: Type.Object({}), open: () => ({ provider: 'acme', methods, ...calls }),
})

t.test('a start that takes the place of one that was asked for lately is not made twice', async t => {
  let passed = 0
  let sent = 0
  const answer = Promise.withResolvers<void>()
  const acme = createAcme({
    'acme.link': method({ startsLocally: true, isRepeatable: true }), 'acme.push': method({ oncePerNumberMs: 300_000 }), 'acme.sms': method({}),
  }, {
    async start ({ method }) {
      if (method === 'acme.sms') {
        sent += 1
        await answer.promise
      }
      return { state: null, action: { type: 'submitCode', length: 6, channels: ['SMS'] } }
    },
    resolve: async () => ({ verdict: 'incorrect' }),
  })
  const { shop, app } = await startGateway(t, { providers: [acme], now: () => Date.now() + passed })
  const phoneNumber = numberEnding('02')
  await shop.call('POST', `/verifications/${(await shop.create({ phoneNumber, workflow: ['acme.push'] })).body['id']}/cancel`)
  const { id } = (await shop.create({ phoneNumber, workflow: ['acme.link', 'acme.push', 'acme.sms'] })).body
  const going = shop.call('POST', `/verifications/${id}/next`)
  await until(() => sent === 1, 'a message is sent')

  // As long as whoever sent it is taken for dead.
  passed = 9_000
  await app.gateway.sweep()
  t.match(await shop.waitFor(id), { status: 'failed', attempts: [{}, { status: 'skipped', reason: 'recently_tried' }, { status: 'failed', reason: 'provider_timeout' }] })
  answer.resolve()
  await going
  t.equal(sent, 1)
})
