import t from 'tap'
import { Compile } from 'typebox/compile'
import { EligibilityList } from '../../../src/api/schemas/responses.ts'
import { ApiError } from '../../../src/core/errors.ts'
import { authorization, buildTestServer, phoneNumber } from '../../helpers/server.ts'

const asked = (payload: object, headers: object = authorization) =>
  ({ method: 'POST', url: '/eligibility', headers: { ...headers }, payload }) as const

t.test('the answer for every method', async t => {
  const { server, calls } = await buildTestServer(t)
  const body = { phoneNumber, device: { ip: '203.0.113.7', userAgent: 'Mozilla/5.0', platform: 'android' } }
  const answer = await server.inject(asked(body))
  t.match(answer, { statusCode: 200, headers: { 'cache-control': 'no-store', ratelimit: /^"app";/ } })
  t.strictSame(answer.json(), {
    data: [{ method: 'otpless.otp', provider: 'otpless', eligible: true, reason: null }], nextCursor: null,
  })
  t.strictSame(Compile(EligibilityList).Errors(answer.json()), [])
  t.match(calls, [{ name: 'eligibility', args: [{ id: 'sandbox' }, body] }])
})

t.test('who may ask', async t => {
  const { server, create } = await buildTestServer(t)
  const statusOf = async (token: string) =>
    (await server.inject(asked({ phoneNumber }, { authorization: `Bearer ${token}` }))).statusCode
  t.equal(await statusOf('vgk_reader'), 200)
  t.equal(await statusOf('vgk_nobody'), 403, 'the scope is missing')
  t.equal(await statusOf((await create()).clientSecret), 403, 'not a front end')
  t.equal(await statusOf('vgk_unknown'), 401)
})

t.test('what is asked', async t => {
  const { server, failWith } = await buildTestServer(t)
  const fieldOf = async (payload: object) => (await server.inject(asked(payload))).json().errors[0].field
  t.equal(await fieldOf({}), 'phoneNumber')
  t.equal(await fieldOf({ phoneNumber, workflow: [] }), 'workflow')
  t.equal(await fieldOf({ phoneNumber, device: { ip: 'here' } }), 'device/ip')
  failWith(new ApiError('invalid_phone_number', 'Not a number.'))
  t.match((await server.inject(asked({ phoneNumber: '+1' }))).json(), { status: 422, code: 'invalid_phone_number' })
})
