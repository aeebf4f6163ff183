import t from 'tap'
import { ProviderError } from '../../src/core/errors.ts'
import { listProviders } from '../../src/verifications/providers.ts'
import { openTestbed } from '../helpers/verifications.ts'

const { setUp } = await openTestbed(t)

t.test('each configured provider with its methods', async t => {
  const { gateway, adapters } = setUp()
  const [toy, other, ...more] = listProviders(adapters)
  t.strictSame(more, [])
  t.equal(other?.provider, 'other')
  t.equal(toy?.provider, 'toy')
  t.strictSame(toy?.methods.find(({ method }) => method === 'toy.silent'), {
    method: 'toy.silent', userStep: 'does something', needsPhoneNumber: true, needsReturnUrl: false,
    evidence: ['code', 'none'], nextActions: ['openUrlOnCellular'],
    assurance: { level: 2, possession: 'message', binding: 'session', restricted: false }, restricted: false,
    sendsMessage: false, resend: null,
  }, 'nothing but what the API documents')
  t.match(toy?.methods.filter(({ method }) => /code|operator/.test(method)), [
    { method: 'toy.code', sendsMessage: true, resend: { afterSeconds: 30, times: 2 } },
    { method: 'toy.operator', needsReturnUrl: true },
  ])
  t.strictSame(toy?.health, { breaker: 'closed', errorRate: 0, lastSuccessAt: null, lastFailure: null })
  t.strictSame(gateway.providers(), listProviders(adapters))
})

t.test('their health, with times as text', async t => {
  const { create, toy, other, gateway, now } = setUp()
  toy.answers.start = async () => { throw new ProviderError('toy', 'start', 'provider_misconfigured') }
  // One verification says nothing: the cause may be its user.
  await create()
  t.match(gateway.providers(), [{ health: { breaker: 'closed', errorRate: 1 } }, {}])
  await create({ phoneNumber: '+14155550102' })
  const at = new Date(now()).toISOString()
  t.match(gateway.providers(), [
    {
      health: {
        breaker: 'open', errorRate: 1, lastSuccessAt: null, lastFailure: { at, reason: 'provider_misconfigured' },
      },
    },
    { provider: 'other', health: { breaker: 'closed', errorRate: 0, lastSuccessAt: at, lastFailure: null } },
  ])
  t.strictSame(other.called('start'), ['other.code', 'other.code'])
})
