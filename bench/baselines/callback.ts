import { createHmac, createSecretKey, randomBytes, timingSafeEqual } from 'node:crypto'
import { Queue } from 'bullmq'
import { Type } from 'typebox'
import { openFastify, openRedis, serve } from './bare.ts'

// Baseline: Fastify, a valid HMAC, and one BullMQ job.
const key = createSecretKey(randomBytes(32))
const queue = new Queue(
  'callbacks',
  {
    connection: openRedis(), prefix: '{baseline}',
    defaultJobOptions: { removeOnComplete: true, removeOnFail: true, attempts: 16, backoff: { type: 'exponential' } },
  },
)
const expected = createHmac('sha256', key).update('mark').digest()
const server = openFastify()
const schema = {
  body: Type.Object({ requestId: Type.String({ maxLength: 256 }), accessToken: Type.String({ maxLength: 2048 }) }),
  response: { 200: Type.Object({}) },
}
server.post('/callbacks/truecaller', { schema }, async (request, reply) => {
  const mac = createHmac('sha256', key).update('mark').digest()
  if (!timingSafeEqual(mac, expected)) return reply.code(200).send({})
  await queue.add('resolve', { id: request.body.requestId }, { jobId: `job-${request.body.requestId}` })
  return reply.code(200).send({})
})
await serve(server)
