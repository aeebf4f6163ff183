import { createHmac, hash, randomBytes } from 'node:crypto'
import { Type } from 'typebox'
import { createExpiringMap } from '../../../src/sandbox/expiring-map.ts'
import { provenDigits, scenarioOf } from '../../../src/sandbox/scenarios.ts'
import type { Simulator, SimulatorContext } from '../../../src/sandbox/simulator.ts'

/**
 * The toy provider, and its documentation. Every request has the API key as its bearer token.
 * `POST /toy/checks` { kind: call | silent, number } → { id }; `GET` and `DELETE /toy/checks/{id}` → { id, status };
 * `POST /toy/checks/{id}/code` { code } → { id, status }. A status is pending, sms, proven, refused or wrong.
 * `GET /toy/authorize` sends the browser to `redirect_uri` with `code` and `state`; `POST /toy/token`
 * { code, verifier } → { token }; `GET /toy/number` with that token → { number }, or 202: not known yet.
 * Webhooks { id, event: sms | delivered | proven | refused, at }, signed in `x-toy-signature`.
 */

type Check = { id: string, provider: string, number: string, kind: string, status: string }
type Login = { number: string, challenge: string, token: string | null, reads: number }

const secret = 'toy-secret'
/** Provider id by API key: every instance of the gateway has an account of its own. */
const accounts: Record<string, string> = { 'toy-key': 'toy', 'toy-north-key': 'toy-north' }
const lifeMs = 3_600_000

const NewCheck = Type.Object({ kind: Type.Enum(['call', 'silent']), number: Type.String({ pattern: '^\\+\\d+$' }) })
const CheckParams = Type.Object({ id: Type.String() })
const AuthorizeQuery = Type.Object({
  redirect_uri: Type.String(), state: Type.String(), login_hint: Type.String(), code_challenge: Type.String(),
})

export const toySimulator: Simulator = {
  provider: 'toy',

  settings: url => ({
    TOY_KEY: 'toy-key', TOY_SECRET: secret, TOY_URL: url,
    TOY_INSTANCES: 'north', TOY_NORTH_KEY: 'toy-north-key', TOY_NORTH_SECRET: secret, TOY_NORTH_URL: url,
  }),

  async routes (app, { context }) {
    await app.register(checkRoutes, { context })
    await app.register(loginRoutes, { context })
  },
}

function send (context: SimulatorContext, { id, provider }: Check, event: string): Promise<void> {
  return context.callbacks.send({
    provider,
    url: context.callbackUrl(provider),
    body: { id, event, at: context.now() },
    headers: async body => ({ 'x-toy-signature': createHmac('sha256', secret).update(body).digest('base64url') }),
    retryDelaysMs: [],
    copies: 1,
  })
}

const keyOf = (authorization: string | undefined): string => authorization?.replace(/^Bearer /, '') ?? ''

const checkRoutes: Simulator['routes'] = async (app, { context }) => {
  const checks = createExpiringMap<Check>(context.now, lifeMs)

  app.post('/toy/checks', { schema: { body: NewCheck } }, async ({ headers, body: { kind, number } }, reply) => {
    const provider = accounts[keyOf(headers.authorization)]
    if (provider === undefined) return reply.code(401).send({})
    const id = randomBytes(8).toString('hex')
    checks.set(id, { id, provider, number, kind, status: 'pending' })
    return { id }
  })

  app.get('/toy/checks/:id', { schema: { params: CheckParams } }, async ({ params: { id } }, reply) => {
    const check = checks.get(id)
    return check === undefined ? reply.code(404).send({}) : { id, status: check.status }
  })

  app.delete('/toy/checks/:id', { schema: { params: CheckParams } }, async ({ params: { id } }, reply) => {
    const check = checks.get(id)
    return check === undefined ? reply.code(404).send({}) : { id, status: check.status }
  })

  app.post('/toy/checks/:id/code', {
    schema: { params: CheckParams, body: Type.Object({ code: Type.String() }) },
  }, async ({ params: { id }, body: { code } }, reply) => {
    const check = checks.get(id)
    if (check === undefined) return reply.code(404).send({})
    return { id, status: code === check.number.slice(-6) ? 'proven' : 'wrong' }
  })

  /** The person answers the call. The webhook can be left out, so that only polling sees it. */
  app.post('/handset/toy/answer/:id', {
    schema: { params: CheckParams, body: Type.Object({ by: Type.Enum(['poll', 'webhook']) }) },
  }, async ({ params: { id }, body: { by } }, reply) => {
    const check = checks.get(id)
    if (check === undefined) return reply.code(404).send({})
    check.status = scenarioOf(check.number, 'toy') === 'rejected' ? 'refused' : 'proven'
    if (by === 'webhook') await send(context, check, check.status)
    return reply.code(204).send()
  })

  /**
   * The phone opens the URL without mobile data: the provider sends a code instead, and reports its delivery by
   * webhooks, unless the URL has `quiet=true`.
   */
  app.get('/toy/open/:id', {
    schema: { params: CheckParams, querystring: Type.Object({ quiet: Type.Optional(Type.Literal('true')) }) },
  }, async ({ params: { id }, query: { quiet } }, reply) => {
    const check = checks.get(id)
    if (check === undefined) return reply.code(404).send({})
    check.status = 'sms'
    if (quiet === 'true') return reply.code(204).send()
    await send(context, check, 'sms')
    await send(context, check, 'delivered')
    return reply.code(204).send()
  })
}

const loginRoutes: Simulator['routes'] = async (app, { context }) => {
  const logins = createExpiringMap<Login>(context.now, lifeMs)
  const tokens = createExpiringMap<Login>(context.now, lifeMs)

  app.get('/toy/authorize', { schema: { querystring: AuthorizeQuery } }, async ({ query }, reply) => {
    const code = randomBytes(8).toString('hex')
    const number = `+${provenDigits(query.login_hint, 'toy')}`
    logins.set(code, { number, challenge: query.code_challenge, token: null, reads: 0 })
    const location = new URL(query.redirect_uri)
    location.search = new URLSearchParams({ code, state: query.state }).toString()
    return reply.redirect(location.href, 302)
  })

  app.post('/toy/token', {
    schema: { body: Type.Object({ code: Type.String(), verifier: Type.String() }) },
  }, async ({ body: { code, verifier } }, reply) => {
    const login = logins.get(code)
    const isFresh = login?.token === null && hash('sha256', verifier, 'base64url') === login.challenge
    if (login === undefined || !isFresh) return reply.code(400).send({})
    login.token = randomBytes(8).toString('hex')
    tokens.set(login.token, login)
    return { token: login.token }
  })

  app.get('/toy/number', async ({ headers }, reply) => {
    const login = tokens.get(keyOf(headers.authorization))
    if (login === undefined) return reply.code(401).send({})
    login.reads += 1
    // The first answer is "not yet".
    return login.reads === 1 ? reply.code(202).send({}) : { number: login.number }
  })
}
