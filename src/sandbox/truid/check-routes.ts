import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyReply } from 'fastify'
import { type Static, Type } from 'typebox'
import type { Authorize } from './access.ts'
import { IpAddress, networkOfAddress } from './addresses.ts'
import {
  type Check, type Checks, networkOf, products, type Product, scenarioIn, simOf, type Version, versions,
} from './checks.ts'
import { countryOf } from '../countries.ts'
import { isReached } from './coverage.ts'
import { type Problem, sendProblem, sendUnsupportedCountry } from './problems.ts'
import type { Scenario } from '../scenarios.ts'
import type { Walks } from './walks.ts'

const WebUrl = Type.String({ format: 'uri', pattern: '^https?://' })
/** All samples are without `+`; the vendor's own pages send it. */
export const PhoneNumber = Type.String({ pattern: '^\\+?[1-9][0-9]{6,14}$' })
/** Minutes. */
export const Period = Type.Integer({ minimum: 60, maximum: 540_000 })

const newCheck = {
  phone_number: PhoneNumber,
  phone_ip: Type.Optional(IpAddress),
  reference_id: Type.Optional(Type.String()),
  callback_url: Type.Optional(WebUrl),
}
const only = { additionalProperties: false }
/** What each product and version takes; `redirect_url` is of v0.2, `period` of SubscriberCheck. */
const bodies = {
  phone_check: {
    'v0.1': Type.Object(newCheck, only),
    'v0.2': Type.Object({ ...newCheck, redirect_url: Type.Optional(WebUrl) }, only),
  },
  subscriber_check: {
    'v0.1': Type.Object({ ...newCheck, period: Type.Optional(Period) }, only),
    'v0.2': Type.Object({ ...newCheck, period: Type.Optional(Period), redirect_url: Type.Optional(WebUrl) }, only),
  },
}
type Body = Static<(typeof bodies)['phone_check']['v0.1']> & { period?: number, redirect_url?: string }

const CheckParams = Type.Object({ id: Type.String() })
const CodePatch = Type.Array(Type.Object({
  op: Type.Literal('add'),
  path: Type.Literal('/code'),
  value: Type.String({ minLength: 1 }),
}, only), { minItems: 1, maxItems: 1 })

/** Refusals that have nothing to do with the number's operator. */
export const createProblems: Partial<Record<Scenario, Problem>> = {
  startFails: 'server_error', startLimited: 'too_many_requests', startRefused: 'forbidden',
}
/** What an announced address makes tru.ID answer to the create. SubscriberCheck does not document it. */
const addressProblems: Partial<Record<Scenario, Problem>> = {
  notCellular: 'not_mobile_ip', otherDevice: 'ip_msisdn_mismatch',
}

export type Parts = { url: () => string, checks: Checks, walks: Walks, authorize: Authorize }

function linksOf (url: string, { product, version, id }: Check) {
  const self = { href: `${url}/${product}/${version}/checks/${id}` }
  return { self, check_url: { href: `${self.href}/redirect` } }
}

function problemOf (product: Product, scenario: Scenario, ip: string | undefined): Problem | undefined {
  if (createProblems[scenario] !== undefined) return createProblems[scenario]
  if (ip === undefined || product !== 'phone_check') return undefined
  return networkOfAddress(ip) === 'wifi' ? 'not_mobile_ip' : addressProblems[scenario]
}

/** PhoneCheck and SubscriberCheck: create, read, and, in v0.2, complete with the code. */
export const checkRoutes: FastifyPluginAsyncTypebox<Parts> = async (app, parts) => {
  const { checks, walks, authorize } = parts

  function create (reply: FastifyReply, product: Product, version: Version, body: Body): FastifyReply {
    const phoneNumber = body.phone_number.replace('+', '')
    const scenario = scenarioIn(version, phoneNumber)
    if (scenario === 'startHangs') return reply.hijack()
    if (!isReached(countryOf(phoneNumber))) return sendUnsupportedCountry(reply)
    const problem = problemOf(product, scenario, body.phone_ip)
    if (problem !== undefined) return sendProblem(reply, problem)
    reply.code(201).type('application/hal+json')
    const ttl = scenario === 'unusual' || scenario === 'malformed' ? String(checks.ttlSeconds) : checks.ttlSeconds
    if (scenario === 'malformed') return reply.send({ status: 'ACCEPTED', ttl })
    const check = checks.create({
      product, version, phoneNumber, period: body.period, referenceId: body.reference_id,
      callbackUrl: body.callback_url, redirectUrl: body.redirect_url,
    })
    void walks.walkByItself(check)
    const _links = linksOf(parts.url(), check)
    return reply.send({ ...checks.describe(check), ttl, _links, snapshot_balance: checks.account.balance() })
  }

  function read (reply: FastifyReply, product: Product, version: Version, id: string): FastifyReply {
    const check = checks.find(product, version, id)
    if (check === undefined) return sendProblem(reply, 'check_not_found')
    if (check.failuresLeft-- > 0) return sendProblem(reply, 'server_error')
    const ttl = check.scenario === 'unusual' ? String(checks.ttlSeconds) : checks.ttlSeconds
    const answer = {
      ...checks.describe(check), no_sim_change_period: simOf(check)?.no_sim_change_period,
      network_id: networkOf(check), ...product === 'phone_check' && { ttl }, _links: linksOf(parts.url(), check),
    }
    // In v0.1 this call makes tru.ID fetch the operator's result, which its own answer therefore does not have.
    if (version === 'v0.1' && check.walked) void checks.complete(check)
    return reply.type('application/hal+json').send(answer)
  }

  for (const product of products) {
    const onRequest = authorize(product)
    for (const version of versions) {
      const path = `/${product}/${version}/checks`
      app.post(path, { schema: { body: bodies[product][version] }, onRequest }, async ({ body }, reply) =>
        create(reply, product, version, body))
      app.get(`${path}/:id`, { schema: { params: CheckParams }, onRequest }, async ({ params }, reply) =>
        read(reply, product, version, params.id))
    }
  }
  await app.register(codeRoutes, parts)
}

const codeRoutes: FastifyPluginAsyncTypebox<Parts> = async (app, { checks, authorize }) => {
  app.removeAllContentTypeParsers()
  app.addContentTypeParser(
    'application/json-patch+json', { parseAs: 'string' }, app.getDefaultJsonParser('error', 'error'),
  )

  for (const product of products) {
    app.patch(`/${product}/v0.2/checks/:id`, {
      schema: { params: CheckParams, body: CodePatch }, onRequest: authorize(product),
    }, async (request, reply) => {
      const check = checks.find(product, 'v0.2', request.params.id)
      if (check !== undefined && check.failuresLeft-- > 0) return sendProblem(reply, 'server_error')
      // 404 before the device has opened the URL is documented. The answers to a used code (the same) and to a wrong
      // one (`bad_request`) are not.
      if (check?.status !== 'PENDING' || !check.walked) return sendProblem(reply, 'check_not_found')
      if (check.scenario === 'evidenceInvalid') return sendProblem(reply, 'check_not_found')
      if (request.body[0]?.value !== check.code) return sendProblem(reply, 'bad_request')
      const reported = checks.complete(check)
      if (check.scenario === 'reordered') await reported
      return reply.type('application/hal+json').send(checks.describe(check))
    })
  }
}
