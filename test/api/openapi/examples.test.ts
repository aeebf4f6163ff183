import t from 'tap'
import { providers as registered } from '../../../src/adapters/index.ts'
import { created, createRequests, evidence, states, verifications } from '../../../src/api/openapi/examples.ts'
import { startGateway } from '../../helpers/gateway.ts'

const shown = Object.values(verifications).map(({ value }) => value)

t.test('every status is shown, and whatever a front end may be asked to do', async t => {
  const { app } = await startGateway(t)
  const asked = new Set(
    app.gateway.providers().flatMap(({ methods }) => methods.flatMap(({ nextActions }) => nextActions)),
  )
  t.ok(asked.size >= registered.length)
  t.same([...asked, 'wait'].filter(type => !shown.some(({ nextAction }) => nextAction?.type === type)), [])
  t.same(new Set(shown.map(({ status }) => status)), new Set(['pending', 'verified', 'failed', 'expired', 'canceled']))
  t.same(new Set(shown.map(({ profileStatus }) => profileStatus)), new Set(['none', 'pending', 'ready']))
})

t.test('they are what the core says of such stories', async t => {
  t.match(
    verifications.verifiedWithProfile.value,
    { verified: true, profileStatus: 'ready', result: { profile: { name: { first: 'Ada' } } } },
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

t.test('in the sandbox each create works as it is shown, in this order', async t => {
  const { bank } = await startGateway(t)
  for (const [name, { value }] of Object.entries(createRequests)) t.match(
    await bank.create(value), { status: 201, body: { status: 'pending' } }, name,
  )
  t.match(
    evidence['code'], { value: { code: createRequests['otp']?.value.phoneNumber?.slice(-6) } },
    'and the code is that of the first one',
  )
})
