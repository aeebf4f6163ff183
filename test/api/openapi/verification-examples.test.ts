import t from 'tap'
import { providers } from '../../../src/adapters/index.ts'
import { created, states, verifications } from '../../../src/api/openapi/verification-examples.ts'
import { startGateway } from '../../helpers/gateway.ts'

const views = Object.values(verifications).map(({ value }) => value)

t.test('there is an example of every status and of every next action', async t => {
  const { app } = await startGateway(t)
  const types = new Set(
    app.gateway.providers().flatMap(({ methods }) => methods.flatMap(({ nextActions }) => nextActions)),
  )
  t.ok(types.size >= providers.length)
  t.same([...types, 'wait'].filter(type => !views.some(({ nextAction }) => nextAction?.type === type)), [])
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
