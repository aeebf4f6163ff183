import { Type } from 'typebox'
import { openFastify, openRedis, serve } from './bare.ts'

// Baseline: Fastify, and one GET of a text that is sent unchanged.
const redis = openRedis()
const server = openFastify()
server.get('/verifications/:id', {
  schema: { params: Type.Object({ id: Type.String({ maxLength: 64 }) }) },
}, async (request, reply) => {
  const text = await redis.getBuffer(`raw:${request.params.id}`)
  return text === null ? reply.code(404).send({}) : reply.type('application/json').send(text)
})
await serve(server)
