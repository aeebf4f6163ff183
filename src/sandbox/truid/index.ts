import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import { createExpiringMap, type ExpiringMap } from '../expiring-map.ts'
import {
  type Check, type CheckSettings, type Checks, type Version, createChecks, networkOf, provider, scenarioIn,
} from './checks.ts'
import { type Problem, sendProblem } from './problems.ts'
import { createCallbackSigner, type SignatureForm, signatureFormNames } from './signature.ts'
import { accessTokenSeconds, truidToken } from './token.ts'
import type { Scenario } from '../scenarios.ts'
import type { Simulator, SimulatorContext } from '../simulator.ts'

const WebUrl = Type.String({ format: 'uri', pattern: '^https?://' })

const newCheck = {
  // All samples are without `+`; the vendor's own pages send it.
  phone_number: Type.String({ pattern: '^\\+?[1-9][0-9]{6,14}$' }),
  phone_ip: Type.Optional(Type.Union([Type.String({ format: 'ipv4' }), Type.String({ format: 'ipv6' })])),
  reference_id: Type.Optional(Type.String()),
  callback_url: Type.Optional(WebUrl),
}
const NewCheckV1 = Type.Object(newCheck, { additionalProperties: false })
const NewCheckV2 = Type.Object({ ...newCheck, redirect_url: Type.Optional(WebUrl) }, { additionalProperties: false })

const CodePatch = Type.Array(Type.Object({
  op: Type.Literal('add'),
  path: Type.Literal('/code'),
  value: Type.String({ minLength: 1 }),
}, { additionalProperties: false }), { minItems: 1, maxItems: 1 })

const CheckParams = Type.Object({ id: Type.String() })
const WalkParams = Type.Object({ id: Type.String(), walk: Type.String() })

const FormBody = Type.Object({ form: Type.Enum(signatureFormNames) }, { additionalProperties: false })
const BalanceBody = Type.Object({ balance: Type.Number() }, { additionalProperties: false })

const errorDescriptions = {
  mno_not_supported: 'Mobile Network Operator Not Supported', mno_server_error: 'MNO server error',
  not_mobile_ip: 'Not a mobile IP', ip_msisdn_mismatch: 'ip_msisdn_mismatch',
}
/** Products of tru.ID, of which only PhoneCheck and its token are simulated. */
const products = ['phone_check', 'subscriber_check', 'sim_check', 'mo_check', 'coverage', 'public', 'oauth2', 'oidc']

const clientId = 'sandbox-truid-client'
const clientSecret = 'sandbox-truid-secret'
const hourMs = 60 * 60_000
const requestsPerHour = 1_000_000

type Hook = (request: FastifyRequest, reply: FastifyReply) => Promise<FastifyReply | undefined>
type Parts = { context: SimulatorContext, checks: Checks, authorize: Hook }

/**
 * tru.ID: OAuth2 token, PhoneCheck v0.1 and v0.2, the operator's redirects, signed callbacks and their keys.
 * https://github.com/tru-ID/api-definitions
 */
export function createTruid (
  { signatureForm = 'documented', ttlSeconds = 120 }: { signatureForm?: SignatureForm } & Partial<CheckSettings> = {},
): Simulator {
  return {
    provider,

    settings: url => ({
      TRUID_CLIENT_ID: clientId, TRUID_CLIENT_SECRET: clientSecret, TRUID_API_URL: url, TRUID_API_VERSION: 'v0.2,v0.1',
    }),

    async routes (app, { context }) {
      const signer = createCallbackSigner({ now: context.now, form: signatureForm })
      const tokens = createExpiringMap<string[]>(context.now, accessTokenSeconds * 1000)
      const parts: Parts = {
        context, checks: createChecks(context, signer.headers, { ttlSeconds }), authorize: createAuthorize(tokens),
      }

      app.addHook('onRequest', createRateHeaders(context.now))
      app.addHook('onRequest', allowEveryOrigin)
      app.setErrorHandler<FastifyError>((error, _request, reply) => {
        const first = error.validation?.[0]
        if (error.statusCode === undefined) return sendProblem(reply, 'server_error')
        if (error.statusCode === 415) return sendProblem(reply, 'unsupported_media_type')
        return sendProblem(reply, first?.instancePath === '/phone_number' ? 'phone_format_invalid' : 'bad_request')
      })
      app.get('/.well-known/jwks.json', () => signer.jwks())
      /** Another key signs from now on; both are published. */
      app.post('/control/truid/rotate-key', async (_request, reply) => {
        signer.rotate()
        return reply.code(204).send()
      })
      /** Signatures have another legal form from now on. */
      app.post('/control/truid/signature-form', { schema: { body: FormBody } }, async ({ body }, reply) => {
        signer.use(body.form)
        return reply.code(204).send()
      })
      /** What the workspace has left. */
      app.post('/control/truid/balance', { schema: { body: BalanceBody } }, async ({ body }, reply) => {
        parts.checks.setBalance(body.balance)
        return reply.code(204).send()
      })
      for (const product of products) app.all(`/${product}/*`, (_request, reply) => sendProblem(reply, 'not_found'))
      await app.register(truidToken, { clientId, clientSecret, tokens })
      await app.register(createRoutes, parts)
      await app.register(readRoutes, parts)
      await app.register(redirectRoutes, parts)
      await app.register(codeRoutes, parts)
    },
  }
}

export const truid = createTruid()

function createRateHeaders (now: () => number): Hook {
  const rate = { used: 0, resetAt: now() + hourMs }
  return async (_request, reply) => {
    if (now() >= rate.resetAt) Object.assign(rate, { used: 0, resetAt: now() + hourMs })
    rate.used = Math.min(rate.used + 1, requestsPerHour)
    reply.headers({
      'x-ratelimit-limit': requestsPerHour,
      'x-ratelimit-remaining': requestsPerHour - rate.used,
      'x-ratelimit-reset': Math.ceil(rate.resetAt / 1000),
    })
    return undefined
  }
}

/** Documented for the checks of v0.1, not for the URL that the phone opens, and for nothing of v0.2. */
async function allowEveryOrigin ({ url }: FastifyRequest, reply: FastifyReply): Promise<undefined> {
  if (url.startsWith('/phone_check/v0.1/') && !url.includes('/redirect')) {
    reply.header('access-control-allow-origin', '*')
  }
}

function createAuthorize (tokens: ExpiringMap<string[]>): Hook {
  return async (request, reply) => {
    const [, token] = /^Bearer (\S+)$/.exec(request.headers.authorization ?? '') ?? []
    const granted = token === undefined ? undefined : tokens.get(token)
    if (granted === undefined) return sendProblem(reply, 'unauthorized')
    return granted.includes('phone_check') ? undefined : sendProblem(reply, 'forbidden')
  }
}

function describe ({ context, checks }: Parts, check: Check) {
  const self = { href: `${context.url()}/phone_check/${check.version}/checks/${check.id}` }
  const _links = { self, check_url: { href: `${self.href}/redirect` } }
  const ttl = check.scenario === 'unusual' ? String(checks.ttlSeconds) : checks.ttlSeconds
  return { ...checks.describe(check), network_id: networkOf(check), ttl, _links }
}

const createProblems: Partial<Record<Scenario, Problem>> = {
  startFails: 'server_error', startLimited: 'too_many_requests', startRefused: 'forbidden',
}
/** What the address of the device makes tru.ID answer: to the create that announces it, or when it opens the URL. */
const addressProblems: Partial<Record<Scenario, Problem>> = {
  notCellular: 'not_mobile_ip', otherDevice: 'ip_msisdn_mismatch',
}

const createRoutes: FastifyPluginAsyncTypebox<Parts> = async (app, parts) => {
  const { checks, authorize: onRequest } = parts

  function create (reply: FastifyReply, version: Version, body: {
    phone_number: string, phone_ip?: string, reference_id?: string, callback_url?: string, redirect_url?: string
  }): FastifyReply {
    const scenario = scenarioIn(version, body.phone_number)
    if (scenario === 'startHangs') return reply.hijack()
    const problem = createProblems[scenario] ?? (body.phone_ip === undefined ? undefined : addressProblems[scenario])
    if (problem !== undefined) return sendProblem(reply, problem)
    reply.code(201).type('application/hal+json')
    if (scenario === 'malformed') return reply.send({ status: 'ACCEPTED', ttl: String(checks.ttlSeconds) })
    const check = checks.create({
      version,
      phoneNumber: body.phone_number,
      referenceId: body.reference_id,
      callbackUrl: body.callback_url,
      redirectUrl: body.redirect_url,
    })
    return reply.send({ ...describe(parts, check), snapshot_balance: checks.balance() })
  }

  app.post('/phone_check/v0.1/checks', { schema: { body: NewCheckV1 }, onRequest }, async (request, reply) =>
    create(reply, 'v0.1', request.body))
  app.post('/phone_check/v0.2/checks', { schema: { body: NewCheckV2 }, onRequest }, async (request, reply) =>
    create(reply, 'v0.2', request.body))
}

const readRoutes: FastifyPluginAsyncTypebox<Parts> = async (app, parts) => {
  const { checks, authorize: onRequest } = parts
  for (const version of ['v0.1', 'v0.2'] as const) {
    app.get(`/phone_check/${version}/checks/:id`, {
      schema: { params: CheckParams }, onRequest,
    }, async (request, reply) => {
      const check = checks.find(version, request.params.id)
      if (check === undefined) return sendProblem(reply, 'check_not_found')
      if (check.failuresLeft-- > 0) return sendProblem(reply, 'server_error')
      const answer = describe(parts, check)
      // In v0.1 this call makes tru.ID fetch the operator's result, which its own answer therefore does not have.
      if (version === 'v0.1' && check.walked) void checks.complete(check)
      return reply.type('application/hal+json').send(answer)
    })
  }
}

/** The next redirect of the operator, with the cookie that operators set. */
function hop (reply: FastifyReply, walk: string, location: string): FastifyReply {
  return reply.header('set-cookie', `operator=${walk}; Path=/; HttpOnly`).redirect(location, 302)
}

const redirectRoutes: FastifyPluginAsyncTypebox<Parts> = async (app, { context, checks }) => {
  for (const version of ['v0.1', 'v0.2'] as const) {
    const path = `/phone_check/${version}/checks/:id/redirect`

    app.get(path, { schema: { params: CheckParams } }, async (request, reply) => {
      const check = checks.find(version, request.params.id)
      if (check === undefined || (check.status !== 'ACCEPTED' && check.status !== 'PENDING')) {
        return sendProblem(reply, 'check_not_found')
      }
      const walk = checks.startWalk(check)
      const problem = addressProblems[check.scenario]
      if (problem !== undefined) {
        await checks.endWalk(check)
        return check.redirectUrl === undefined ? sendProblem(reply, problem) : sendEndV2(check, reply)
      }
      return hop(reply, walk, `${context.url()}/operator/${version}/identify/${check.id}/${walk}`)
    })

    app.get(`/operator/${version}/identify/:id/:walk`, {
      schema: { params: WalkParams },
    }, async ({ params: { id, walk } }, reply) =>
      hop(reply, walk, `${context.url()}/operator/${version}/consent/${id}/${walk}`))

    app.get(`/operator/${version}/consent/:id/:walk`, {
      schema: { params: WalkParams },
    }, async ({ params: { id, walk } }, reply) =>
      hop(reply, walk, `${context.url()}/phone_check/${version}/checks/${id}/redirect/${walk}`))

    app.get(`${path}/:walk`, { schema: { params: WalkParams } }, async (request, reply) => {
      const check = checks.find(version, request.params.id)
      if (check?.walk !== request.params.walk) return sendProblem(reply, 'check_not_found')
      await checks.endWalk(check)
      return version === 'v0.1' ? sendEndV1(check, reply) : sendEndV2(check, reply)
    })
  }
}

/** The end of v0.1 is documented for refusals only; a client must not read anything else. */
function sendEndV1 (check: Check, reply: FastifyReply): FastifyReply {
  return check.errorCode === 'mno_not_supported'
    ? sendProblem(reply, 'mno_not_supported')
    : reply.type('text/html').send('')
}

function sendEndV2 (check: Check, reply: FastifyReply): FastifyReply {
  if (check.status !== 'PENDING' && check.errorCode === undefined) return sendProblem(reply, 'check_not_found')
  const end = check.errorCode === undefined
    ? { check_id: check.id, code: check.code, reference_id: check.referenceId }
    : { check_id: check.id, error: check.errorCode, error_description: errorDescriptions[check.errorCode] }
  if (check.redirectUrl === undefined) return reply.send(end)
  const location = new URL(check.redirectUrl)
  for (const [name, value] of Object.entries(end)) if (value !== undefined) location.searchParams.set(name, value)
  return reply.redirect(location.href, 302)
}

const codeRoutes: FastifyPluginAsyncTypebox<Parts> = async (app, { checks, authorize }) => {
  app.removeAllContentTypeParsers()
  app.addContentTypeParser(
    'application/json-patch+json', { parseAs: 'string' }, app.getDefaultJsonParser('error', 'error'),
  )

  app.patch('/phone_check/v0.2/checks/:id', {
    schema: { params: CheckParams, body: CodePatch }, onRequest: authorize,
  }, async (request, reply) => {
    const check = checks.find('v0.2', request.params.id)
    if (check !== undefined && check.failuresLeft-- > 0) return sendProblem(reply, 'server_error')
    // 404 before the device has opened the URL is documented. The answers to a used code (the same) and to a wrong one
    // (`bad_request`) are not.
    if (check?.status !== 'PENDING' || !check.walked) return sendProblem(reply, 'check_not_found')
    if (check.scenario === 'evidenceInvalid') return sendProblem(reply, 'check_not_found')
    if (request.body[0]?.value !== check.code) return sendProblem(reply, 'bad_request')
    const reported = checks.complete(check)
    if (check.scenario === 'reordered') await reported
    return reply.type('application/hal+json').send(checks.describe(check))
  })
}
