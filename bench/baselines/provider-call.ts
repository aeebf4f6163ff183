import { Pool } from 'undici'
import { answerCreate, Body, Created, openFastify, openRedis, serve } from './bare.ts'
import { defineScripts } from './scripts.ts'

// Baseline: Fastify, one script, one call of the provider, and a second script.
const { create, link } = defineScripts(openRedis())
const provider = new Pool(process.env['PROVIDER_URL'] ?? '')
const headers = { 'content-type': 'application/json', authorization: 'Bearer token' }
const server = openFastify()
server.post('/verifications', { schema: { body: Body, response: { 201: Created } } }, async (request, reply) => {
  const created = answerCreate()
  await create(created.id, String(request.headers['idempotency-key']))
  const body = JSON.stringify({ phone_number: request.body.phoneNumber, reference_id: created.id })
  const answer = await provider.request({ method: 'POST', path: '/phone_check/v0.2/checks', headers, body })
  const check: unknown = await answer.body.json()
  const id = typeof check === 'object' && check !== null && 'check_id' in check ? String(check.check_id) : ''
  await link(created.id, id)
  return reply.code(201).send(created)
})
await serve(server)
