import { answerCreate, Body, Created, openFastify, openRedis, serve } from './bare.ts'
import { defineScripts } from './scripts.ts'

// Baseline: Fastify, and one script that looks up the idempotency key and writes a record of eleven fields and two
// index keys, all with an expiry.
const { create } = defineScripts(openRedis())
const server = openFastify()
server.post('/verifications', { schema: { body: Body, response: { 201: Created } } }, async (request, reply) => {
  const created = answerCreate()
  await create(created.id, String(request.headers['idempotency-key']))
  return reply.code(201).send(created)
})
await serve(server)
