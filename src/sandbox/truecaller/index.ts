import { randomBytes } from 'node:crypto'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyError } from 'fastify'
import { Type } from 'typebox'
import { readDeepLink } from './deep-link.ts'
import { createExpiringMap } from '../expiring-map.ts'
import type { HandsetItem } from '../handset.ts'
import { type Scenario, provenDigits, scenarioOf } from '../scenarios.ts'
import { pushProfile, unusualProfile, webProfile } from './profile.ts'
import type { Simulator, SimulatorContext } from '../simulator.ts'

// Lifetimes as documented: "5 mins" between requests for one user, "10 minutes" for an access token.
const repeatLockMs = 5 * 60_000
const accessTokenMs = 10 * 60_000

/** Truecaller retries a callback without a 2xx, but does not document the schedule. */
const retryDelaysMs = [2000, 10_000, 30_000]

const forbidden = { code: 1008, message: 'Forbidden: It is forbidden to use sdk login for this phone number.' }
const badCredentials = { code: 404, message: 'Invalid partner credentials.' }
const unauthorized = { status: 40101, message: 'Unauthorized' }
const serverError = { code: 500, message: 'error message' }
const notFound = { code: 404, message: 'Not Found' }
const notInstalled = { code: 404, message: 'The Truecaller app is not installed on this phone.' }

const StartBody = Type.Object({
  phoneNumber: Type.Integer({ minimum: 1_000_000, maximum: 999_999_999_999_999 }),
  state: Type.Optional(Type.String()),
}, { additionalProperties: false })

const OpenBody = Type.Object({
  url: Type.String(),
  phoneNumber: Type.String({ pattern: '^\\+?[1-9][0-9]{6,14}$' }),
}, { additionalProperties: false })

const OpenQuery = Type.Object({
  endpoint: Type.Optional(Type.String()),
  status: Type.Optional(Type.String()),
}, { additionalProperties: false })

type Grant = {
  digits: string, scenario: Scenario, readProfile: (digits: string) => Record<string, unknown>, failuresLeft: number,
}
type Handover = { accessToken: string, endpoint?: string, state?: string | undefined }
type Grants = ReturnType<typeof createGrants>
type Handset = ReturnType<typeof createHandset>

const provider = 'truecaller'
const appKey = 'sandbox-app-key'

/**
 * Truecaller: the web sign-up push API of 2017, the handset of the mobile web SDK, and the profile host of both.
 * https://docs.truecaller.com/truecaller-sdk
 */
export const truecaller: Simulator = {
  provider,

  settings: url => ({
    TRUECALLER_APP_KEY: appKey,
    TRUECALLER_PARTNER_NAME: 'Sandbox',
    TRUECALLER_API_URL: url,
    TRUECALLER_PROFILE_URL: url,
    TRUECALLER_PROFILE_HOSTS: new URL(url).host,
  }),

  async routes (app, { context }) {
    const grants = createGrants(context.now)
    const handset = createHandset(context, grants)
    // The documentation has no answer to an invalid body; this one has the form of its errors.
    app.setErrorHandler<FastifyError>((error, _request, reply) => {
      const status = error.statusCode ?? 500
      return reply.code(status).send({ code: status, message: status < 500 ? 'Bad request' : serverError.message })
    })
    app.all('/v1/*', (_request, reply) => reply.code(404).send(notFound))
    await app.register(pushRoutes, { context, handset })
    await app.register(profileRoutes, { grants })
    await app.register(handsetRoutes, { context, handset })
  },
}

function createGrants (now: () => number) {
  const grants = createExpiringMap<Grant>(now, accessTokenMs)
  return {
    get: grants.get,
    issue (phoneNumber: string | number, readProfile: Grant['readProfile']): string {
      const accessToken = randomBytes(48).toString('base64url')
      const scenario = scenarioOf(phoneNumber, provider)
      const failuresLeft = scenario === 'flaky' ? 2 : 0
      grants.set(accessToken, { digits: provenDigits(phoneNumber, provider), scenario, readProfile, failuresLeft })
      return accessToken
    },
  }
}

/** The callback that hands over a token. An unusual one has the members that it does not need, too. */
function handOver (requestId: string, scenario: Scenario, handover: Handover): object {
  if (scenario !== 'unusual') return { requestId, ...handover }
  const { accessToken, state, endpoint } = handover
  return { requestId, accessToken, state: state ?? null, status: null, endpoint: endpoint === undefined ? null : '' }
}

/** What a user who does not agree makes the app say. `flow_cancelled` is not documented: integrations have seen it. */
const refusals: Partial<Record<Scenario, string>> = { rejected: 'user_rejected', dismissed: 'flow_cancelled' }

/** This API has no event for a user who does not agree. */
const pushPrompt: HandsetItem = {
  provider, kind: 'prompt', title: 'Truecaller', text: 'Sandbox wants to verify your number with your profile.',
  choices: [{ id: 'approve', label: 'Approve' }, { id: 'reject', label: 'Reject' }],
}

/** The person with the phone, whose decisions become callbacks. */
function createHandset (context: SimulatorContext, grants: Grants) {
  const { timers, handsetDelayMs, slowMs, retryScale } = context

  function post (body: object, scenario: Scenario): Promise<void> {
    return context.callbacks.send({
      provider,
      url: context.callbackUrl(provider, context.settings['TRUECALLER_CALLBACK_KEY']?.split(',')[0] || undefined),
      body,
      retryDelaysMs: retryDelaysMs.map(delayMs => delayMs * retryScale),
      copies: scenario === 'repeated' ? 3 : 1,
    })
  }

  return {
    async answerPush (
      requestId: string, phoneNumber: number, state: string | undefined, scenario: Scenario,
    ): Promise<void> {
      const approve = async (): Promise<void> => {
        const accessToken = grants.issue(phoneNumber, pushProfile)
        await post(handOver(requestId, scenario, { accessToken, state }), scenario)
      }
      const isManual = context.handset.isManual(String(phoneNumber))
      context.handset.show(String(phoneNumber), pushPrompt, async choice => {
        if (isManual && choice === 'approve') await approve()
      })
      if (isManual) return
      await timers.sleep(scenario === 'slow' ? slowMs : handsetDelayMs)
      await approve()
    },

    async answerDialog (
      requestId: string, phoneNumber: string, endpoint: string, status: string | undefined,
    ): Promise<void> {
      const scenario = scenarioOf(phoneNumber, provider)
      if (scenario === 'silent') return
      const opened = { requestId, status: 'flow_invoked', ...scenario === 'unusual' ? { accessToken: null } : {} }
      const refusal = status ?? refusals[scenario]
      await timers.sleep(handsetDelayMs)
      if (scenario !== 'reordered') await post(opened, scenario)
      await timers.sleep(scenario === 'slow' ? slowMs : handsetDelayMs)
      const decision = refusal === undefined
        ? handOver(requestId, scenario, { accessToken: grants.issue(phoneNumber, webProfile), endpoint })
        : { requestId, status: refusal }
      await post(decision, scenario)
      if (scenario === 'reordered') await post(opened, scenario)
    },
  }
}

const pushRoutes: FastifyPluginAsyncTypebox<{ context: SimulatorContext, handset: Handset }> = async (
  app, { context, handset },
) => {
  const lastRequests = createExpiringMap<true>(context.now, repeatLockMs)

  app.post('/v1/apps/requests', {
    schema: { body: StartBody },
    onRequest: async (request, reply) => {
      if (request.headers.appkey !== appKey) return reply.code(404).send(badCredentials)
    },
  }, async ({ body: { phoneNumber, state } }, reply) => {
    const scenario = scenarioOf(phoneNumber, provider)
    if (scenario === 'unsupported') return reply.code(403).send(forbidden)
    // One version of the documentation shows no body for bad credentials.
    if (scenario === 'startRefused') return reply.code(404).send()
    if (scenario === 'startHangs') return reply.hijack()
    if (scenario === 'error' || scenario === 'startFails') return reply.code(500).send(serverError)
    const requestId = randomBytes(20).toString('base64')
    if (scenario === 'malformed') return { id: requestId }
    if (lastRequests.get(String(phoneNumber)) === undefined) {
      lastRequests.set(String(phoneNumber), true)
      // This API has no event for a user who does not agree.
      if (scenario !== 'silent' && scenario !== 'rejected' && scenario !== 'dismissed') {
        void handset.answerPush(requestId, phoneNumber, state, scenario)
      }
    }
    return { requestId }
  })
}

const profileRoutes: FastifyPluginAsyncTypebox<{ grants: Grants }> = async (app, { grants }) => {
  app.get('/v1/default', async (request, reply) => {
    const [, accessToken] = /^Bearer (\S+)$/.exec(request.headers.authorization ?? '') ?? []
    const granted = accessToken === undefined ? undefined : grants.get(accessToken)
    if (granted === undefined || granted.scenario === 'evidenceExpired') return reply.code(401).send(unauthorized)
    if (granted.scenario === 'error' || granted.failuresLeft-- > 0) return reply.code(500).send(serverError)
    const { phoneNumbers, ...rest } = granted.readProfile(granted.digits)
    if (granted.scenario === 'unusual') return unusualProfile(granted.digits, rest)
    return granted.scenario === 'malformed' ? rest : { phoneNumbers, ...rest }
  })
}

const handsetRoutes: FastifyPluginAsyncTypebox<{ context: SimulatorContext, handset: Handset }> = async (
  app, { context, handset },
) => {
  /**
   * A person opens the deep link: 404 where the app is not installed. `?endpoint=` and `?status=` replace the content
   * of the callback.
   */
  app.post('/handset/open', { schema: { body: OpenBody, querystring: OpenQuery } }, async ({ body, query }, reply) => {
    const link = readDeepLink(body.url, appKey)
    if ('problem' in link) return reply.code(400).send({ code: 400, message: link.problem })
    if (scenarioOf(body.phoneNumber, provider) === 'unsupported') return reply.code(404).send(notInstalled)
    const endpoint = query.endpoint ?? `${context.url()}/v1/default`
    void handset.answerDialog(link.requestNonce, body.phoneNumber, endpoint, query.status)
    return reply.code(202).send({ requestId: link.requestNonce })
  })
}
