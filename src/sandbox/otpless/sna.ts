import { randomBytes } from 'node:crypto'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyReply } from 'fastify'
import { Type } from 'typebox'
import { createExpiringMap } from '../expiring-map.ts'
import { type Scenario, scenarioOf } from '../scenarios.ts'
import { answerStart, authorize, provider, rejectWithCode, type StartAnswers } from './account.ts'
import type { AuthRequest } from './auth-request.ts'
import { describeSnaError, sendError } from './errors.ts'
import { describeNetwork, describePhone, describeSim, operator, operatorErrors } from './operator.ts'
import type { Parts } from './parts.ts'
import { withoutPlus } from './phone-number.ts'

const mobileCode = Type.Optional(Type.String({ pattern: '^[0-9]{2,3}$' }))
const InitiateBody = Type.Object({
  phoneNumber: Type.String({ pattern: withoutPlus }),
  mcc: mobileCode,
  mnc: mobileCode,
  expiry: Type.Optional(Type.Integer({ minimum: 30, maximum: 86_400 })),
  correlationId: Type.Optional(Type.String()),
  metadata: Type.Optional(Type.Record(Type.String(), Type.Unknown())),
}, { additionalProperties: false })

const LinkParams = Type.Object({ id: Type.String() })
const HopParams = Type.Object({ id: Type.String(), walk: Type.String() })

/** "Omit for default", which is not documented. */
const defaultExpirySeconds = 300
const walkMs = 10 * 60_000

/** Numbers that this method serves, although those with a message cannot: their error is inside a 200, and later. */
const isLater = (scenario: Scenario): boolean =>
  scenario === 'unsupported' || scenario === 'error' || scenario === 'evidenceInvalid' || scenario in operatorErrors

/**
 * Silent Network Authentication, the API flow: a link that the device opens over mobile data. It brings no result.
 * https://otpless.com/docs/api-reference/endpoint/sign-in/sna/overview
 */
export const snaRoutes: FastifyPluginAsyncTypebox<Parts> = async (app, parts) => {
  const { requests, webhooks, context } = parts

  app.post('/auth/v1/initiate/sna', {
    schema: { body: InitiateBody }, onRequest: authorize(rejectWithCode),
  }, async ({ body }, reply) => {
    const { phoneNumber, mcc, mnc, expiry = defaultExpirySeconds, correlationId, metadata = {} } = body
    if ((mcc === undefined) !== (mnc === undefined)) return sendError(reply, 7101)
    const scenario = scenarioOf(phoneNumber, provider)
    const answer = isLater(scenario) ? undefined : answerStart(scenario, reply, snaAnswers)
    if (answer !== undefined) return answer
    const sim = mcc === undefined ? undefined : { mcc: Number(mcc), mnc: Number(mnc) }
    const request = requests.create({
      method: 'SILENT_AUTH', channel: 'SILENT_AUTH', person: { digits: phoneNumber }, scenario, metadata, correlationId,
      sim, status: 'INIT', expirySeconds: expiry,
    })
    void webhooks.initiated(request)
    if (scenario === 'unsupported') void requests.fail(request, 'SP40005')
    return describeStart(request, `${context.url()}/sna/continue/${request.id}`)
  })

  await app.register(deviceRoutes, parts)
}

const snaAnswers: StartAnswers = {
  // Not reached: this one is inside a 200.
  unsupported: reply => sendError(reply, 7101),
  // No link.
  malformed: reply => reply.send({ requestId: randomBytes(16).toString('hex'), status: 'INIT' }),
  limited: 7024,
  refused: rejectWithCode,
}

/** A 200 can say FAILED: then there is no link. */
function describeStart (request: AuthRequest, link: string): object {
  const details = {
    operator, phoneDetail: describePhone(request), simDetail: describeSim(request),
    networkDetail: describeNetwork(request),
  }
  if (request.error !== undefined) {
    return { requestId: request.id, status: 'FAILED', error: describeSnaError(request.error), ...details }
  }
  // PENDING is documented as well, with the same members.
  const status = request.scenario === 'reordered' || request.scenario === 'unusual' ? 'PENDING' : 'INIT'
  if (request.scenario !== 'unusual') return { requestId: request.id, status, link, ...details }
  return {
    requestId: request.id, status, link, operator: null, phoneDetail: null, simDetail: null, networkDetail: null,
    error: null, message: null,
  }
}

/** What the device does: from OTPLESS to the operator and back. The last answer is 200 or 400, and says nothing. */
const deviceRoutes: FastifyPluginAsyncTypebox<Parts> = async (app, { context, requests }) => {
  const { now, timers, handsetDelayMs, slowMs } = context
  /** The request of each walk through the operator's redirects; used up by its end. */
  const walks = createExpiringMap<string>(now, walkMs)

  const acknowledge = (reply: FastifyReply, status: 200 | 400): FastifyReply =>
    reply.code(status).type('text/plain').send('')

  function canOpen (id: string): AuthRequest | undefined {
    const request = requests.find(id)
    if (request?.method !== 'SILENT_AUTH' || request.isDecided || requests.hasExpired(request)) return undefined
    return request.status === 'INIT' || request.status === 'PENDING' ? request : undefined
  }

  /** OTPLESS fetches the operator's result. A silent operator never answers. */
  async function fetchResult (request: AuthRequest): Promise<void> {
    const { scenario } = request
    if (scenario === 'silent' || scenario === 'rejected') return
    await timers.sleep(scenario === 'slow' ? slowMs : handsetDelayMs)
    const error = operatorErrors[scenario]
    await (error === undefined ? requests.succeed(request) : requests.fail(request, error))
  }

  /** The next redirect, with the cookie that operators set. */
  const hop = (reply: FastifyReply, walk: string, path: string): FastifyReply =>
    reply.header('set-cookie', `operator=${walk}; Path=/; HttpOnly`).redirect(`${context.url()}${path}`, 302)

  app.get('/sna/continue/:id', { schema: { params: LinkParams } }, async ({ params: { id } }, reply) => {
    const request = canOpen(id)
    if (request === undefined) return acknowledge(reply, 400)
    request.status = 'PENDING'
    const walk = randomBytes(12).toString('base64url')
    walks.set(walk, id)
    if (request.scenario !== 'notCellular') return hop(reply, walk, `/operator/otpless/${id}/${walk}`)
    await requests.fail(request, 'SP40009')
    return acknowledge(reply, 400)
  })

  app.get('/operator/otpless/:id/:walk', { schema: { params: HopParams } }, async ({ params: { id, walk } }, reply) =>
    hop(reply, walk, `/sna/callback/${id}/${walk}`))

  app.get('/sna/callback/:id/:walk', { schema: { params: HopParams } }, async ({ params: { id, walk } }, reply) => {
    const request = canOpen(id)
    if (request === undefined || walks.get(walk) !== id) return acknowledge(reply, 400)
    void fetchResult(request)
    return acknowledge(reply, 200)
  })
}
