import t from 'tap'
import { createRequests, evidence } from '../../../src/api/openapi/examples.ts'
import { startGateway } from '../../helpers/gateway.ts'

t.test('each create works unchanged in the sandbox, in this order', async t => {
  const { bank } = await startGateway(t)
  for (const [name, { value }] of Object.entries(createRequests)) {
    t.match(await bank.create(value), { status: 201, body: { status: 'pending' } }, name)
  }
  t.match(
    evidence['code'], { value: { code: createRequests['otp']?.value.phoneNumber?.slice(-6) } },
    'the code is that of the first create',
  )
})
