import { createHash } from 'node:crypto'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import type { Authorize } from './access.ts'
import { type Check, type Checks, products, versions } from './checks.ts'
import { sendProblem } from './problems.ts'

const TracesParams = Type.Object({ id: Type.String() })
const TraceParams = Type.Object({ id: Type.String(), trace: Type.String() })
/** Documented: seven days. */
const keptMs = 7 * 86_400_000

/** The traces of a check: its creation, and its end. */
function tracesOf (check: Check, self: string) {
  const price = { amount: 1, currency: 'API' }
  const log = (at: number, message: string, attributes?: object) =>
    ({ timestamp: new Date(at).toISOString(), message, attributes })
  const created = [
    log(check.createdAt, 'Check create: phone number is reachable'),
    log(check.createdAt, 'Check balance: authorized', price),
    log(check.createdAt, 'Check create: accepted'),
  ]
  const isOver = check.status !== 'ACCEPTED' && check.status !== 'PENDING'
  const word = check.status === 'COMPLETED' ? 'confirmed' : 'released'
  const ended = isOver ? [[log(check.updatedAt, `Check balance: ${word}`, price)]] : []
  return [created, ...ended].map((logs, place) => {
    const trace_id = createHash('sha256').update(`${check.id} ${place}`).digest('hex').slice(0, 16)
    return { trace_id, logs, _links: { self: { href: `${self}/${trace_id}` } } }
  })
}

/** What happened to a check, for a developer who looks for a fault. */
export const traceRoutes: FastifyPluginAsyncTypebox<{
  url: () => string, now: () => number, checks: Checks, authorize: Authorize,
}> = async (app, { url, now, checks, authorize }) => {
  for (const product of products) {
    const onRequest = authorize(product)
    for (const version of versions) {
      const path = `/${product}/${version}/checks/:id/traces`
      /** The traces; undefined: no such check. */
      const find = (id: string) => {
        const check = checks.find(product, version, id)
        const self = `${url()}/${product}/${version}/checks/${id}/traces`
        if (check === undefined) return undefined
        return { self, isGone: check.createdAt + keptMs <= now(), traces: tracesOf(check, self) }
      }

      app.get(path, { schema: { params: TracesParams }, onRequest }, async ({ params }, reply) => {
        const found = find(params.id)
        if (found === undefined) return sendProblem(reply, 'check_not_found')
        if (found.isGone) return sendProblem(reply, 'trace_gone')
        const { self, traces } = found
        return reply.type('application/hal+json').send({ _embedded: { traces }, _links: { self: { href: self } } })
      })

      app.get(`${path}/:trace`, { schema: { params: TraceParams }, onRequest }, async ({ params }, reply) => {
        const found = find(params.id)
        if (found === undefined) return sendProblem(reply, 'check_not_found')
        if (found.isGone) return sendProblem(reply, 'trace_gone')
        const trace = found.traces.find(one => one.trace_id === params.trace)
        if (trace === undefined) return sendProblem(reply, 'trace_not_found')
        return reply.type('application/hal+json').send(trace)
      })
    }
  }
}
