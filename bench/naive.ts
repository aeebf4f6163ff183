import { createHmac } from 'node:crypto'
import { Queue, Worker } from 'bullmq'
import { Redis } from 'ioredis'
import { openFastify, openRedis, serve } from './baselines/bare.ts'
import { Type } from 'typebox'

// The lifecycle in a straightforward first implementation: `fetch`, single commands instead of scripts, a queue for
// callbacks and one for webhooks, HMAC with a Buffer. It verifies, deduplicates callbacks and signs its webhooks. It
// has no API keys, limits, sealing, log or metrics, no expiry except that of its keys, and no protection from two
// writers.

const redis = openRedis()
const providerUrl = process.env['PROVIDER_URL'] ?? ''
const webhookUrl = process.env['WEBHOOK_URL'] ?? ''
const secret = Buffer.alloc(32, 'of the reference')
const options = {
  prefix: '{naive}',
  defaultJobOptions: {
    removeOnComplete: true, removeOnFail: true, attempts: 5, backoff: { type: 'exponential', delay: 500 },
  },
}
const resolving = new Queue<{ id: string, token: string }>('resolve', { connection: openRedis(), ...options })
const notifying = new Queue<{ id: string }>('notify', { connection: openRedis(), ...options })
const lifeSeconds = 86_400

const server = openFastify()
const Created = Type.Object({ id: Type.String(), status: Type.String() })
const body = Type.Object({
  phoneNumber: Type.String({ pattern: '^\\+[1-9][0-9]{5,14}$' }),
  workflow: Type.Array(Type.String({ maxLength: 64 })),
  reference: Type.String({ maxLength: 256 }),
}, { additionalProperties: false })

server.post('/verifications', { schema: { body, response: { 201: Created } } }, async (request, reply) => {
  const id = crypto.randomUUID()
  const { phoneNumber, reference } = request.body
  await redis.set(`naive:key:${String(request.headers['idempotency-key'])}`, id, 'EX', lifeSeconds, 'NX')
  await redis.hset(
    `naive:${id}`, { id, status: 'pending', phoneNumber, reference, createdAt: new Date().toISOString() },
  )
  await redis.expire(`naive:${id}`, lifeSeconds)
  const answer = await fetch(`${providerUrl}/v1/apps/requests`, {
    method: 'POST', headers: { 'content-type': 'application/json', appKey: 'app-key' }, body: JSON.stringify(
      { phoneNumber: Number(phoneNumber.slice(1)), state: id },
    ),
  })
  const { requestId }: { requestId?: string } = JSON.parse(await answer.text())
  await redis.hset(`naive:${id}`, 'requestId', String(requestId))
  return reply.code(201).send({ id, status: 'pending' })
})

const callback = {
  body: Type.Object(
    {
      requestId: Type.String({ maxLength: 256 }), accessToken: Type.String({ maxLength: 2048 }),
      state: Type.String({ maxLength: 64 }),
    },
  ),
}
server.post('/callbacks/truecaller', { schema: callback }, async request => {
  const { state: id, accessToken: token } = request.body
  const isFirst = await redis.set(`naive:seen:${id}`, '1', 'EX', lifeSeconds, 'NX')
  if (isFirst !== null) await resolving.add('resolve', { id, token })
  return {}
})

server.get('/verifications/:id', { schema: { params: Type.Object({ id: Type.String() }) } }, async (request, reply) => {
  const record = await redis.hgetall(`naive:${request.params.id}`)
  return record['id'] === undefined ? reply.code(404).send({}) : reply.send(record)
})

const work = { prefix: options.prefix, concurrency: 50 }
const openWorkerRedis = (): Redis => new Redis(process.env['REDIS_URL'] ?? '', { maxRetriesPerRequest: null })

const resolver = new Worker<{ id: string, token: string }>('resolve', async ({ data: { id, token } }) => {
  const record = await redis.hgetall(`naive:${id}`)
  if (record['status'] !== 'pending') return
  const answer = await fetch(`${providerUrl}/v1/default`, { headers: { authorization: `Bearer ${token}` } })
  const { phoneNumbers }: { phoneNumbers?: number[] } = JSON.parse(await answer.text())
  const status = `+${phoneNumbers?.[0]}` === record['phoneNumber'] ? 'verified' : 'failed'
  await redis.hset(`naive:${id}`, { status, verifiedAt: new Date().toISOString() })
  await redis.expire(`naive:${id}`, lifeSeconds)
  await redis.del(`naive:seen:${id}`)
  await notifying.add('notify', { id })
}, { connection: openWorkerRedis(), ...work })

const notifier = new Worker<{ id: string }>('notify', async ({ data: { id } }) => {
  const record = await redis.hgetall(`naive:${id}`)
  const text = JSON.stringify({ type: 'verification.verified', timestamp: new Date().toISOString(), data: record })
  const timestamp = Math.floor(Date.now() / 1000)
  const signature = createHmac('sha256', secret).update(`${id}.${timestamp}.${text}`).digest('base64')
  const answer = await fetch(webhookUrl, {
    method: 'POST', body: text, headers: {
      'content-type': 'application/json', 'webhook-id': id, 'webhook-timestamp': String(timestamp),
      'webhook-signature': `v1,${signature}`,
    },
  })
  await answer.body?.cancel()
  if (!answer.ok) throw new Error(`webhook returned ${answer.status}`)
}, { connection: openWorkerRedis(), ...work })

for (const worker of [resolver, notifier]) worker.on(
  'failed', (_job, error) => console.error('naive job', error.message),
)
await serve(server)
