import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyReply } from 'fastify'
import { Type } from 'typebox'
import { type Scenario, scenarioOf } from '../scenarios.ts'
import type { SimulatorContext } from '../simulator.ts'
import { waitUntilReady } from '../slow-answer.ts'
import { createAuthorize, provider } from './account.ts'
import { type NewRequest, readNewRequest, type Step } from './new-request.ts'
import { sendProblem } from './problems.ts'
import type { Requests } from './requests.ts'
import { checkPath } from './silent-auth.ts'
import { activeEvent, type VerifyRequest } from './workflow.ts'

const IdParams = Type.Object({ id: Type.String() })
/** One of the two. The token of "Silent Auth Advanced" comes from an SDK, and none is simulated. */
const CheckBody = Type.Union([
  Type.Object({ code: Type.String({ minLength: 4, maxLength: 10 }) }, { additionalProperties: false }),
  Type.Object({ token: Type.String({ minLength: 1 }) }, { additionalProperties: false }),
])

/** A number that cannot get a message is refused; a silent authentication says so by its own answer, or later. */
const messagesUnsupported: Scenario[] = ['unsupported', 'notCellular', 'otherDevice']

/** Answers a request that starts nothing; undefined: it starts. */
function answerStart ({ workflow }: NewRequest, reply: FastifyReply): FastifyReply | undefined {
  const { to, ...first } = workflow[0] as Step
  const scenario = scenarioOf(to, provider)
  const isSilent = first.channel === 'silent_auth'
  switch (scenario) {
    case 'startLimited': return sendProblem(reply, 'slowDown')
    case 'startRefused': return sendProblem(reply, 'unauthorized')
    case 'startHangs': return reply.hijack()
    case 'startFails': return sendProblem(reply, 'internal')
    case 'malformed': return reply.code(202).type('text/html').send('<html><body>Welcome</body></html>')
    case 'error': return isSilent ? undefined : sendProblem(reply, 'internal')
  }
  if (isSilent) {
    const isChecked = !('coverage_check' in first) || first.coverage_check !== false
    return scenario === 'unsupported' && isChecked ? sendProblem(reply, 'networkUnsupported') : undefined
  }
  if (!messagesUnsupported.includes(scenario)) return undefined
  const invalid = [{ name: 'workflow.0.to', reason: 'The number cannot be reached by this channel.' }]
  return sendProblem(reply, 'invalidParams', { invalid_parameters: invalid })
}

/** https://developer.vonage.com/en/api/verify.v2 */
export const verifyRoutes: FastifyPluginAsyncTypebox<{ context: SimulatorContext, requests: Requests }> = async (
  app, { context, requests },
) => {
  app.addHook('onRequest', createAuthorize(context.now))

  async function start ({ body }: { body: unknown }, reply: FastifyReply): Promise<FastifyReply> {
    const given = readNewRequest(body)
    if (Array.isArray(given)) return sendProblem(reply, 'invalidParams', { invalid_parameters: given })
    const answer = answerStart(given, reply)
    if (answer !== undefined) return answer
    const running = given.workflow.map(({ to }) => requests.findByNumber(to)).find(one => one !== undefined)
    if (running !== undefined) return sendProblem(reply, 'concurrent', { request_id: running.id })
    const request = requests.create(given)
    const isSilent = given.workflow[0]?.channel === 'silent_auth'
    const unusual = request.scenario === 'unusual' ? { check_url: null, status: null } : {}
    const checkUrl = isSilent ? { check_url: `${context.url()}${checkPath(request.checkId)}` } : {}
    return reply.code(202).send({ request_id: request.id, ...unusual, ...checkUrl })
  }
  for (const path of ['/v2/verify', '/v2/verify/']) app.post(path, start)

  const findLive = (id: string): VerifyRequest | undefined => {
    const request = requests.find(id)
    return request?.status === 'pending' ? request : undefined
  }

  app.post('/v2/verify/:id', {
    schema: { params: IdParams, body: CheckBody },
  }, async ({ params, body, raw }, reply) => {
    const request = requests.find(params.id)
    if (request?.isGone === true) return sendProblem(reply, 'gone')
    if (request?.status !== 'pending') return sendProblem(reply, 'notFound')
    if (request.failuresLeft-- > 0) return sendProblem(reply, 'internal')
    // The phone has already waited for a slow operator, so only the check of a message is slow.
    const isSilent = activeEvent(request)?.step.channel === 'silent_auth'
    if (!isSilent && !await waitUntilReady(context, request, raw)) return reply.hijack()
    if (findLive(params.id) === undefined) return sendProblem(reply, 'notFound')
    if (request.scenario === 'evidenceInvalid') return sendProblem(reply, 'invalidCode')
    if (request.scenario === 'evidenceExpired') return sendProblem(reply, 'notFound')
    const isUnusual = request.scenario === 'unusual'
    switch (requests.check(request, 'code' in body ? body.code : undefined)) {
      case 'noCode': return sendProblem(reply, 'noCode')
      case 'gone': return sendProblem(reply, 'gone')
      case 'wrong': return sendProblem(reply, 'invalidCode', isUnusual ? { status: 200 } : {})
      case 'completed': return isUnusual
        ? { request_id: null, status: 'completed', channel: null }
        : { request_id: request.id, status: 'completed' }
    }
  })

  app.post('/v2/verify/:id/next_workflow', {
    schema: { params: IdParams },
  }, async ({ params }, reply) => {
    const request = findLive(params.id)
    if (request === undefined) return sendProblem(reply, 'notFound')
    return requests.next(request) ? reply.code(200).send() : sendProblem(reply, 'noEvents')
  })

  /** The description has no error but 404 for a request that may not be canceled. */
  app.delete('/v2/verify/:id', { schema: { params: IdParams } }, async ({ params }, reply) => {
    const request = findLive(params.id)
    return request !== undefined && requests.cancel(request)
      ? reply.code(204).send()
      : sendProblem(reply, 'notFound')
  })
}
