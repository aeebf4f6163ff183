import { Type } from 'typebox'
import t from 'tap'
import type { Provider } from '../../src/adapters/adapter.ts'
import { ProviderError } from '../../src/core/errors.ts'
import { startGateway } from '../helpers/gateway.ts'
import { numberEnding } from './end-user.ts'

t.test('a call counts as repeated only after a lost response', async t => {
  // A 5xx leaves open what happened. Null: no response.
  const runs = [[429, null], [500], [502], [504]].map(
    failures => ({ failures, phoneNumber: numberEnding('00'), repetitions: new Array<boolean>() }),
  )
  const acme: Provider = {
    provider: 'acme', settings: Type.Object({}),
    open: () => ({
      provider: 'acme',
      methods: {
        'acme.otp': {
          needsPhoneNumber: true, evidence: ['code'], nextActions: ['submitCode'], userStep: 'types a code',
          timeoutMs: 60_000, isRepeatable: false, sendsMessage: true, codeAttempts: 5,
          assurance: { possession: 'message', binding: 'session', restricted: false },
          options: Type.Object({}, { additionalProperties: false }),
        },
      },
      start: async () => ({ state: null, action: { type: 'submitCode', length: 6, channels: ['SMS'] } }),
      resolve: async ({ phoneNumber }, _evidence, { repeated }) => {
        const { failures = [], repetitions = [] } = runs.find(run => run.phoneNumber === phoneNumber) ?? {}
        const status = failures[repetitions.push(repeated) - 1]
        if (status !== undefined) throw new ProviderError(
          'acme', 'check', 'provider_error', { retryable: true, status },
        )
        return { verdict: 'denied', reason: 'evidence_invalid' }
      },
    }),
  }
  const { shop } = await startGateway(t, { providers: [acme] })
  await Promise.all(runs.map(async ({ failures, phoneNumber, repetitions }) => {
    const { id } = (await shop.create({ phoneNumber, workflow: ['acme.otp'] })).body
    t.equal((await shop.call('POST', `/verifications/${id}/check`, { code: '000000' })).status, 202)
    t.match(await shop.waitFor(id), { status: 'failed', reason: 'evidence_invalid' })
    t.strictSame(repetitions, [...failures.map(() => false), true], `after ${failures.join()}`)
  }))
})

t.test('an ended verification holds no claims', async t => {
  const { shop } = await startGateway(t)

  t.test('a verification that was final at creation leaves its number free', async t => {
    const phoneNumber = numberEnding('02')
    const push = { phoneNumber, workflow: ['truecaller.push'] }
    await shop.waitFor((await shop.create(push)).body['id'])
    t.match(await shop.create(push), { status: 201, body: { status: 'failed', reason: 'recently_tried' } })
    t.match(await shop.create({ phoneNumber, workflow: ['otpless.otp'] }), { status: 201, body: { status: 'pending' } })
  })

  t.test('an erased id never comes back by its Idempotency-Key', async t => {
    const create = () =>
      shop.create({ phoneNumber: numberEnding('04'), workflow: ['otpless.otp'] }, { 'idempotency-key': 'once' })
    const { id } = (await create()).body
    t.equal((await shop.call('DELETE', `/verifications/${id}`)).status, 204)
    const again = await create()
    t.equal(again.status, 201)
    t.not(again.body['id'], id)
    t.equal((await shop.call('GET', `/verifications/${id}`)).status, 410)
  })
})
