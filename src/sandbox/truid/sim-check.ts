import { randomUUID } from 'node:crypto'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import type { Authorize } from './access.ts'
import { IpAddress, networkOfAddress } from './addresses.ts'
import { createProblems, Period, PhoneNumber } from './check-routes.ts'
import { type Account, operatorErrors, provider, timestamp } from './checks.ts'
import { countryOf } from '../countries.ts'
import { isReached } from './coverage.ts'
import { createExpiringMap } from '../expiring-map.ts'
import { sendProblem, sendUnsupportedCountry } from './problems.ts'
import { type Scenario, scenarioOf } from '../scenarios.ts'
import { describeSim } from './sim.ts'

const NewSimCheck = Type.Object({
  phone_number: PhoneNumber,
  phone_ip: Type.Optional(IpAddress),
  reference_id: Type.Optional(Type.String()),
  period: Type.Optional(Period),
}, { additionalProperties: false })
const CheckParams = Type.Object({ id: Type.String() })
const rememberedMs = 86_400_000

/** An operator that does not say anything about its SIMs. The network and address of a device do not matter here. */
const errors: Partial<Record<Scenario, string>> = { simUnknown: 'mno_no_data_available' }
const ofDevices: readonly Scenario[] = ['notCellular', 'otherDevice', 'otherAddress', 'redirectUnsupported']

/** SIMCheck: when the SIM of a number was changed. It answers at once, without the device. */
export const simCheckRoutes: FastifyPluginAsyncTypebox<{
  url: () => string, now: () => number, account: Account, authorize: Authorize,
}> = async (app, { url, now, account, authorize }) => {
  const onRequest = authorize('sim_check')
  const checks = createExpiringMap<object>(now, rememberedMs)

  function describe (scenario: Scenario, id: string, period?: number, referenceId?: string): object {
    const operatorError = ofDevices.includes(scenario) ? undefined : operatorErrors[scenario]
    const error_code = errors[scenario] ?? operatorError
    const result = error_code === undefined
      ? { status: 'COMPLETED', ...describeSim(scenario, period), network_id: '23599' }
      : { status: 'ERROR', error_code }
    return {
      check_id: id, reference_id: referenceId, ...result, charge_amount: error_code === undefined ? 1 : 0,
      charge_currency: 'API', created_at: timestamp(now()),
      _links: { self: { href: `${url()}/sim_check/v0.1/checks/${id}` } },
    }
  }

  app.post('/sim_check/v0.1/checks', { schema: { body: NewSimCheck }, onRequest }, async ({ body }, reply) => {
    const phoneNumber = body.phone_number.replace('+', '')
    const scenario = scenarioOf(phoneNumber, provider)
    if (scenario === 'startHangs') return reply.hijack()
    if (!isReached(countryOf(phoneNumber))) return sendUnsupportedCountry(reply)
    const problem = scenario === 'simFails' ? 'server_error' : createProblems[scenario]
    if (problem !== undefined) return sendProblem(reply, problem)
    if (body.phone_ip !== undefined && networkOfAddress(body.phone_ip) === 'wifi') {
      return sendProblem(reply, 'not_mobile_ip')
    }
    const check = describe(scenario, randomUUID(), body.period, body.reference_id)
    if ('check_id' in check) checks.set(String(check.check_id), check)
    if ('charge_amount' in check && check.charge_amount === 1) account.charge()
    reply.code(201).type('application/hal+json')
    return reply.send(scenario === 'malformed' ? { status: 'COMPLETED' } : check)
  })

  app.get('/sim_check/v0.1/checks/:id', { schema: { params: CheckParams }, onRequest }, async ({ params }, reply) => {
    const check = checks.get(params.id)
    return check === undefined
      ? sendProblem(reply, 'check_not_found')
      : reply.type('application/hal+json').send(check)
  })
}
