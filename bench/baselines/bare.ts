import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import Fastify from 'fastify'
import { Redis } from 'ioredis'
import { Type } from 'typebox'

/** The body of a create, with the parts of a schema that cost time: a pattern, a union, a maximum length. */
export const Body = Type.Object({
  phoneNumber: Type.Optional(Type.String({ pattern: '^\\+[1-9][0-9]{5,14}$' })),
  workflow: Type.Optional(
    Type.Array(
      Type.Union([Type.String({ maxLength: 64 }), Type.Object({ method: Type.String({ maxLength: 64 }) })]),
      { maxItems: 10 },
    ),
  ),
  reference: Type.Optional(Type.String({ maxLength: 256 })),
}, { additionalProperties: false })

/** The response to a create. */
export const Created = Type.Object(
  {
    id: Type.String(), status: Type.Union([Type.Literal('pending'), Type.Literal('verified')]),
    createdAt: Type.String(),
  },
)

/** Fastify with its defaults, without a log. */
export const openFastify = () => Fastify().withTypeProvider<TypeBoxTypeProvider>()

/** ioredis with its defaults. */
export const openRedis = (): Redis => new Redis(process.env['REDIS_URL'] ?? '')

/** Listens on a free port, and sends the address to the benchmark. */
export async function serve (
  server: { listen (options: { port: number, host: string }): Promise<string> },
): Promise<void> {
  process.send?.({ listening: await server.listen({ port: 0, host: '127.0.0.1' }) })
}

let last = 0
/** The cheapest response to a create. */
export const answerCreate = (): { id: string, status: 'pending', createdAt: string } => (
  { id: `ver_${last += 1}`, status: 'pending', createdAt: new Date().toISOString() }
)

/** Baseline: Fastify, and a POST with schemas. */
if (import.meta.main) {
  const server = openFastify()
  server.post(
    '/verifications', { schema: { body: Body, response: { 201: Created } } },
    async (_request, reply) => reply.code(201).send(answerCreate()),
  )
  await serve(server)
}
