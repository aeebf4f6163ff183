import { randomBytes } from 'node:crypto'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyReply } from 'fastify'
import { Type } from 'typebox'
import type { Scenario } from '../scenarios.ts'
import type { SimulatorContext } from '../simulator.ts'
import { sendProblem } from './problems.ts'
import type { Requests } from './requests.ts'
import { activeEvent, type VerifyRequest } from './workflow.ts'

const CheckParams = Type.Object({ id: Type.String() })
const WalkParams = Type.Object({ id: Type.String(), walk: Type.String() })

/**
 * What the operator finds instead of the number, in the words of the interface description. The vendor's sandbox says
 * of `user_rejected`: "successful check, but the user was not authenticated".
 */
const failures: Partial<Record<Scenario, ['failed' | 'user_rejected', string]>> = {
  mismatch: ['user_rejected', 'Device MSISDN does not match.'],
  otherDevice: ['user_rejected', 'Device MSISDN does not match.'],
  notCellular: ['failed', 'IP Address does not resolve to a cellular device.'],
  unsupported: ['failed', 'Device number does not resolve to a supported Mobile Network Operator.'],
  error: ['failed', 'The silent auth verification cannot be completed.'],
}

const silence = '<!doctype html><title>No answer</title><p>The mobile network did not answer. Go back to the app.'

export const checkPath = (id: string): string => `/v2/verify/${id}/silent-auth/redirect`

/** The next redirect of the operator, with the cookie that operators set. */
const hop = (reply: FastifyReply, walk: string, location: string): FastifyReply =>
  reply.header('set-cookie', `operator=${walk}; Path=/; HttpOnly`).redirect(location, 302)

/** A `redirect_url` receives results and errors as a fragment, which no server sees. */
function redirectWith (reply: FastifyReply, url: string, result: Record<string, string>): FastifyReply {
  const fragment = Object.entries(result).map(([name, value]) => `${name}=${encodeURIComponent(value)}`).join('&')
  return reply.redirect(`${url}#${fragment}`, 302)
}

/**
 * The URL that the phone opens over mobile data, and the operator's redirects.
 * https://developer.vonage.com/en/api/verify.v2#silentAuthCheck
 */
export const silentAuthRoutes: FastifyPluginAsyncTypebox<{ context: SimulatorContext, requests: Requests }> = async (
  app, { context: { url, timers, slowMs, silenceMs }, requests },
) => {
  /** The request whose silent authentication waits for the phone. */
  function findWaiting (id: string): VerifyRequest | undefined {
    const request = requests.findByCheckId(id)
    if (request === undefined || request.silentCode !== undefined) return undefined
    return activeEvent(request)?.step.channel === 'silent_auth' ? request : undefined
  }

  function end (request: VerifyRequest, reply: FastifyReply): FastifyReply {
    const step = activeEvent(request)?.step
    const redirectUrl = step?.channel === 'silent_auth' ? step.redirect_url : undefined
    const failure = failures[request.scenario]
    if (failure === undefined) {
      const result = { request_id: request.id, code: requests.identify(request) }
      return redirectUrl === undefined ? reply.send(result) : redirectWith(reply, redirectUrl, result)
    }
    const [status, description] = failure
    requests.moveOn(request, status)
    return redirectUrl === undefined
      ? sendProblem(reply, 'silentAuthFailed', { detail: description })
      : redirectWith(reply, redirectUrl, { error_description: description })
  }

  app.get(checkPath(':id'), { schema: { params: CheckParams } }, async ({ params: { id } }, reply) => {
    const request = findWaiting(id)
    if (request === undefined) return sendProblem(reply, 'notFound')
    const walk = request.walk = randomBytes(12).toString('base64url')
    return hop(reply, walk, `${url()}/operator/vonage/identify/${id}/${walk}`)
  })

  app.get('/operator/vonage/identify/:id/:walk', {
    schema: { params: WalkParams },
  }, async ({ params: { id, walk } }, reply) => hop(reply, walk, `${url()}/operator/vonage/consent/${id}/${walk}`))

  app.get('/operator/vonage/consent/:id/:walk', {
    schema: { params: WalkParams },
  }, async ({ params: { id, walk } }, reply) => hop(reply, walk, `${url()}${checkPath(id)}/${walk}`))

  app.get(`${checkPath(':id')}/:walk`, { schema: { params: WalkParams } }, async ({ params: { id, walk } }, reply) => {
    const request = findWaiting(id)
    if (request === undefined || request.walk !== walk) return sendProblem(reply, 'notFound')
    if (request.scenario === 'silent' || request.scenario === 'rejected') {
      await timers.sleep(silenceMs)
      return reply.code(504).type('text/html').send(silence)
    }
    if (request.scenario === 'slow') await timers.sleep(slowMs)
    return findWaiting(id)?.walk === walk ? end(request, reply) : sendProblem(reply, 'notFound')
  })
}
