import { answerCreate, Body, Created, openFastify, openRedis, serve } from './bare.ts'
import { defineScripts } from './scripts.ts'

// A1: A0 and one script, which looks up the idempotency key, writes the record of eleven fields and two index keys, all
// with a lifetime.
const { create } = defineScripts(openRedis())
const server = openFastify()
server.post('/verifications', { schema: { body: Body, response: { 201: Created } } }, async (request, reply) => {
  const created = answerCreate()
  await create(created.id, String(request.headers['idempotency-key']))
  return reply.code(201).send(created)
})
await serve(server)
