import t from 'tap'
import { created, states, verifications } from '../../../src/api/openapi/verification-examples.ts'
import { NextAction } from '../../../src/api/schemas/verification.ts'

const views = Object.values(verifications).map(({ value }) => value)

t.test('there is an example of every status and of every next action', async t => {
  const types = NextAction.anyOf.map(({ properties: { type } }) => type.const)
  t.ok(types.length > 8)
  t.same(types.filter(type => !views.some(({ nextAction }) => nextAction?.type === type)), [])
  t.same(new Set(views.map(({ status }) => status)), new Set(['pending', 'verified', 'failed', 'expired', 'canceled']))
})

t.test('the examples are the states that the core computes', async t => {
  t.match(
    verifications.verifiedWithProfile.value, { verified: true, result: { profile: { name: { first: 'Ada' } } } },
  )
  t.match(
    verifications.fallback.value,
    { status: 'pending', attempts: [{ status: 'failed', reason: 'not_on_cellular' }, { status: 'pending' }] },
  )
  t.match(
    verifications.providerUnavailable.value, { status: 'failed', reason: 'provider_unavailable', nextAction: null },
  )
  t.match(
    verifications.masked.value, { phoneNumber: '+1********00', metadata: {}, result: { phoneNumber: '+1********00' } },
  )
  t.match(created('wait'), { waitCreated: { value: { ...verifications.wait.value, clientSecret: /^vcs_[\w-]{51}$/ } } })
  t.same(states('wait', 'expired'), { wait: verifications.wait, expired: verifications.expired })
})
