import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyReply } from 'fastify'
import { Type } from 'typebox'
import { type Check, type Checks, errorDescriptions, products, type Product, type Version, versions } from './checks.ts'
import { type Problem, sendProblem } from './problems.ts'
import type { Scenario } from '../scenarios.ts'
import type { Walks } from './walks.ts'

const CheckParams = Type.Object({ id: Type.String() })
const WalkParams = Type.Object({ id: Type.String(), walk: Type.String() })

/** What tru.ID answers at once when the device opens the URL. SubscriberCheck does not document 409. */
const problems: Partial<Record<Scenario, Problem>> = {
  notCellular: 'not_mobile_ip', otherDevice: 'ip_msisdn_mismatch', redirectUnsupported: 'mno_redirect_unsupported',
}

function problemOf ({ product, scenario }: Check): Problem | undefined {
  const problem = problems[scenario]
  return product === 'subscriber_check' && problem === 'ip_msisdn_mismatch' ? undefined : problem
}

const silence = '<!doctype html><title>No answer</title><p>The mobile network did not answer. Go back to the app.'

/** The next redirect of the operator, with the cookie that operators set. */
function hop (reply: FastifyReply, walk: string, location: string): FastifyReply {
  return reply.header('set-cookie', `operator=${walk}; Path=/; HttpOnly`).redirect(location, 302)
}

/** The end of v0.1 is documented for refusals only; a client must not read anything else. */
function sendEndV1 (check: Check, reply: FastifyReply): FastifyReply {
  return check.errorCode === 'mno_not_supported'
    ? sendProblem(reply, 'mno_not_supported')
    : reply.type('text/html').send('')
}

function sendEndV2 (check: Check, reply: FastifyReply): FastifyReply {
  if (check.status !== 'PENDING' && check.errorCode === undefined) return sendProblem(reply, 'check_not_found')
  const isUnsupported = check.scenario === 'redirectUnsupported'
  const end = check.errorCode === undefined
    ? { check_id: check.id, code: check.code, reference_id: check.referenceId }
    : {
      check_id: check.id,
      error: isUnsupported ? 'mno_redirect_unsupported' : check.errorCode,
      error_description: isUnsupported ? 'MNO redirect unsupported' : errorDescriptions[check.errorCode],
    }
  if (check.redirectUrl === undefined) return reply.send(end)
  const location = new URL(check.redirectUrl)
  for (const [name, value] of Object.entries(end)) if (value !== undefined) location.searchParams.set(name, value)
  return reply.redirect(location.href, 302)
}

type Parts = { url: () => string, checks: Checks, walks: Walks }

/** The URL that the device opens over mobile data, and the operator's redirects. */
export const redirectRoutes: FastifyPluginAsyncTypebox<Parts> = async (app, parts) => {
  for (const product of products) for (const version of versions) addRoutes(app, parts, product, version)
}

function addRoutes (
  app: Parameters<typeof redirectRoutes>[0], { url, checks, walks }: Parts, product: Product, version: Version,
): void {
  const path = `/${product}/${version}/checks/:id/redirect`
  const operator = `/operator/${product}/${version}`

  app.get(path, { schema: { params: CheckParams } }, async (request, reply) => {
    const check = checks.find(product, version, request.params.id)
    if (check === undefined || (check.status !== 'ACCEPTED' && check.status !== 'PENDING')) {
      return sendProblem(reply, 'check_not_found')
    }
    const walk = walks.start(check)
    const problem = problemOf(check)
    if (problem !== undefined) {
      await walks.end(check)
      return check.redirectUrl === undefined ? sendProblem(reply, problem) : sendEndV2(check, reply)
    }
    return hop(reply, walk, `${url()}${operator}/identify/${check.id}/${walk}`)
  })

  app.get(`${operator}/identify/:id/:walk`, {
    schema: { params: WalkParams },
  }, async ({ params: { id, walk } }, reply) => hop(reply, walk, `${url()}${operator}/consent/${id}/${walk}`))

  app.get(`${operator}/consent/:id/:walk`, {
    schema: { params: WalkParams },
  }, async ({ params: { id, walk } }, reply) =>
    hop(reply, walk, `${url()}/${product}/${version}/checks/${id}/redirect/${walk}`))

  app.get(`${path}/:walk`, { schema: { params: WalkParams } }, async (request, reply) => {
    const check = checks.find(product, version, request.params.id)
    if (check?.walk !== request.params.walk) return sendProblem(reply, 'check_not_found')
    if (!await walks.end(check)) return reply.code(504).type('text/html').send(silence)
    return version === 'v0.1' ? sendEndV1(check, reply) : sendEndV2(check, reply)
  })
}
