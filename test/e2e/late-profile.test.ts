import { Type } from 'typebox'
import t from 'tap'
import type { Provider } from '../../src/adapters/adapter.ts'
import { ProviderError } from '../../src/core/errors.ts'
import { startGateway, withWebhook } from '../helpers/gateway.ts'
import { startReceiver } from '../sandbox/receiver.ts'
import { numberEnding } from './end-user.ts'
import type { Profile } from '../../src/core/vocabulary.ts'

/** A provider that proves the number at once, and hands the profile out by a call of its own. */
function createAcme (readProfile: (evidence: unknown) => Promise<Profile>): Provider {
  return {
    provider: 'acme', settings: Type.Object({}),
    open: () => ({
      provider: 'acme',
      methods: {
        'acme.token': {
          needsPhoneNumber: true, evidence: ['token'], nextActions: [
            'submitToken',
          ], timeoutMs: 60_000, isRepeatable: true,
          options: Type.Object({}, { additionalProperties: false }),
        },
      },
      start: async () => ({ state: null, action: { type: 'submitToken', sdk: 'acme', params: {} } }),
      resolve: async ({ phoneNumber }) => (
        { verdict: 'proven', phoneNumber: phoneNumber ?? '', profileEvidence: { ticket: 'for the profile' } }
      ),
      readProfile,
    }),
  }
}

t.test('the proof never waits for the profile', async t => {
  let letGo = (_profile: Profile): void => {}
  const asked: unknown[] = []
  const receiver = await startReceiver(t)
  const acme = createAcme(async evidence => {
    asked.push(evidence)
    if (asked.length === 1) throw new ProviderError(
      'acme', 'profile', 'provider_error', { retryable: true, status: 503 },
    )
    return new Promise(resolve => { letGo = resolve })
  })
  const { shop } = await startGateway(t, { providers: [acme], apps: withWebhook(receiver.url) })
  const { id } = (await shop.create({ phoneNumber: numberEnding('00'), workflow: ['acme.token'] })).body
  const checked = await shop.call('POST', `/verifications/${id}/check`, { token: 'x' })
  t.match(checked, { status: 200, body: { status: 'verified', profileStatus: 'pending', result: { profile: null } } })
  const [verified] = await receiver.first(1)
  t.match(verified?.body, { type: 'verification.verified', data: { profileStatus: 'pending' } })

  await shop.waitFor(id, () => asked.length === 2)
  t.strictSame(asked, Array(2).fill({ ticket: 'for the profile' }), 'an outage is waited out')
  letGo({ name: { first: 'Ada' } })
  const [, ready] = await receiver.first(2, 10_000)
  t.match(
    ready?.body,
    {
      type: 'verification.profile_ready',
      data: { id, status: 'verified', profileStatus: 'ready', result: { profile: { name: { first: 'Ada' } } } },
    },
  )
  t.match(
    (await shop.call('GET', `/verifications/${id}`)).body,
    { profileStatus: 'ready', revision: checked.body['revision'] + 1 },
  )
})

t.test('a profile that cannot be had un-verifies nothing', async t => {
  const { shop } = await startGateway(
    t, { providers: [createAcme(async () => { throw new ProviderError('acme', 'profile', 'evidence_expired') })] },
  )
  const { id } = (await shop.create({ phoneNumber: numberEnding('00'), workflow: ['acme.token'] })).body
  await shop.call('POST', `/verifications/${id}/check`, { token: 'x' })
  t.match(
    await shop.waitFor(id, ({ profileStatus }) => profileStatus !== 'pending'),
    { status: 'verified', profileStatus: 'failed', result: { profile: null } },
  )
})
