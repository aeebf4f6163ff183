import { randomBytes } from 'node:crypto'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import { scenarioOf } from '../scenarios.ts'
import { authorize, provider, rejectWithCode, serverError } from './account.ts'
import type { AuthRequest } from './auth-request.ts'
import { describeSnaError, sendError } from './errors.ts'
import { describeNetwork, describePhone, describeSim, operator, operatorErrors } from './operator.ts'
import type { Parts } from './parts.ts'

const CreateBody = Type.Object({
  phoneNumber: Type.Optional(Type.String({ pattern: '^[0-9]{4,14}$' })),
  countryCode: Type.Optional(Type.String({ pattern: '^[1-9][0-9]{0,2}$' })),
  email: Type.Optional(Type.String({ format: 'email' })),
  expiry: Type.Optional(Type.Integer({ minimum: 60, maximum: 86_400 })),
  tid: Type.Optional(Type.String()),
}, { additionalProperties: false })
const StatusQuery = Type.Object({ requestId: Type.String({ pattern: '^ARID_[0-9A-F]{12}$' }) })
const SdkBody = Type.Object({ requestId: Type.String() }, { additionalProperties: false })

const defaultExpirySeconds = 900

/**
 * Silent Network Authentication, the SDK flow: a request is created for the SDK, which does the rest on the device.
 * https://otpless.com/docs/sna/create-api
 */
export const createdRoutes: FastifyPluginAsyncTypebox<Parts> = async (app, { context, requests }) => {
  const onRequest = authorize(rejectWithCode)

  app.post('/auth/v1/create', { schema: { body: CreateBody }, onRequest }, async ({ body }, reply) => {
    const { phoneNumber, countryCode, email, expiry = defaultExpirySeconds } = body
    if ((phoneNumber === undefined) !== (countryCode === undefined)) return sendError(reply, 7106)
    if ((phoneNumber === undefined) === (email === undefined)) return sendError(reply, 7106)
    const digits = phoneNumber === undefined ? undefined : `${countryCode}${phoneNumber}`
    const { id } = requests.create({
      id: `ARID_${randomBytes(6).toString('hex').toUpperCase()}`, method: 'SILENT_AUTH', channel: 'SILENT_AUTH',
      person: { digits, email }, scenario: digits === undefined ? 'verified' : scenarioOf(digits, provider),
      status: 'NOT_STARTED', expirySeconds: expiry,
    })
    return { requestId: id }
  })

  app.get('/auth/v2/status', { schema: { querystring: StatusQuery }, onRequest }, async ({ query }, reply) => {
    const request = requests.find(query.requestId)
    if (request === undefined) return sendError(reply, 7119)
    if (request.status === 'NOT_STARTED') return sendError(reply, 7170)
    if (request.failuresLeft-- > 0) return reply.code(500).send(serverError)
    return describe(request)
  })

  /** The SDK authenticates the device; resolves when that has an end, or never will have one. */
  app.post('/handset/otpless/sdk', { schema: { body: SdkBody } }, async ({ body: { requestId } }, reply) => {
    const request = requests.find(requestId)
    if (request?.status !== 'NOT_STARTED' || requests.hasExpired(request)) return sendError(reply, 7119)
    request.status = 'PENDING'
    if (request.scenario === 'slow') await context.timers.sleep(context.slowMs)
    const error = request.scenario === 'unsupported' ? 'SP40005' : operatorErrors[request.scenario]
    if (error !== undefined) await requests.fail(request, error)
    else if (request.scenario !== 'silent' && request.scenario !== 'rejected') await requests.succeed(request)
    return reply.code(204).send()
  })
}

function describe (request: AuthRequest): object {
  const { person: { digits, email }, status, completedAt, error } = request
  return {
    auths: [{
      identityType: digits === undefined ? 'EMAIL' : 'MOBILE', identityValue: digits ?? email, channel: 'SILENT_AUTH',
      methods: ['SILENT_AUTH'], status, verifiedTimestamp: completedAt, type: 'PRIMARY',
      error: error === undefined ? undefined : describeSnaError(error),
    }],
    derivedOperator: operator, phoneDetail: describePhone(request), simDetail: describeSim(request),
    networkDetail: describeNetwork(request), deviceFingerprinting,
  }
}

const deviceFingerprinting = {
  status: 'SUCCESS', sessionId: 'a98ead44-f4db-4801-8c3f-041f98140734',
  deviceId: '781b21f7-220b-4f44-9155-6261f8564924',
  newDevice: false,
  riskAssessment: {
    sessionRiskLevel: 'HIGH', deviceRiskLevel: 'HIGH', sessionRiskScore: 95, deviceRiskScore: 90, ipFraudScore: 0,
    flags: { isVpn: false, isEmulator: false, isAppTampered: true },
  },
}
