import { createHmac, createSecretKey, randomBytes } from 'node:crypto'
import { Queue, Worker } from 'bullmq'
import { Redis } from 'ioredis'
import { Pool } from 'undici'
import { defineScripts } from './baselines/scripts.ts'

// The operations of a lifecycle, each measured alone, in a separate process on the core of the servers. A message over
// IPC names the operation; the reply contains the CPU µs of one.

const url = process.env['REDIS_URL'] ?? ''
const redis = new Redis(url)
const provider = new Pool(process.env['PROVIDER_URL'] ?? '')

/** CPU µs of this process per call, of `count` calls with `inFlight` at once. */
async function time (count: number, inFlight: number, work: (at: number) => Promise<unknown>): Promise<number> {
  let next = 0
  const before = process.cpuUsage()
  await Promise.all(Array.from({ length: inFlight }, async () => {
    for (let at = next++; at < count; at = next++) await work(at)
  }))
  const { user, system } = process.cpuUsage(before)
  return (user + system) / count
}

const queue = new Queue(
  'parts',
  {
    connection: redis, prefix: '{parts}', skipVersionCheck: true,
    defaultJobOptions: { removeOnComplete: true, removeOnFail: true },
  },
)
const workerRedis = new Redis(url, { maxRetriesPerRequest: null })

/** Adds jobs and runs them at the same time. */
async function timeJobs (count: number, inFlight: number): Promise<number> {
  const waiting = new Map<string, () => void>()
  const worker = new Worker('parts', async ({ data }: { data: { id: string } }) => {
    waiting.get(data.id)?.()
    waiting.delete(data.id)
  }, { connection: workerRedis, prefix: '{parts}', concurrency: 50 })
  await worker.waitUntilReady()
  const run = randomBytes(4).toString('hex')
  const micros = await time(count, inFlight, at => new Promise<void>((resolve, reject) => {
    const id = `${run}-${at}`
    waiting.set(id, resolve)
    queue.add('job', { id }, { jobId: `job-${id}` }).catch(reject)
  }))
  await worker.close()
  return micros
}

const { create, link } = defineScripts(redis)
const key = createSecretKey(randomBytes(32))
const body = JSON.stringify({ phoneNumber: 919000000000, state: 'x'.repeat(48) })
const run = randomBytes(4).toString('hex')

const operations: Record<string, (count: number, inFlight: number) => Promise<number>> = {
  script: (count, inFlight) =>
    time(
      count, inFlight,
      async at => {
        await (at % 2 === 0 ? create(`${run}${at}`, `${run}${at}`) : link(`${run}${at - 1}`, 'reference'))
      },
    ),
  get: (count, inFlight) => time(count, inFlight, async () => { await redis.getBuffer('part') }),
  call: (count, inFlight) => time(count, inFlight, async () => {
    const answer = await provider.request(
      { method: 'POST', path: '/phone_check/v0.2/checks', headers: { 'content-type': 'application/json' }, body },
    )
    await answer.body.text()
  }),
  hmac: (count, inFlight) =>
    time(count, inFlight, async () => { createHmac('sha256', key).update(body).digest('base64') }),
  job: timeJobs,
  stream: (count, inFlight) =>
    time(count, inFlight, async () => { await redis.xadd('stream', 'MAXLEN', '~', 10_000, '*', 'id', 'x'.repeat(34)) }),
  streamRead: async count => await time(Math.ceil(count / 10), 1, async () => {
    const found: unknown = await redis.call(
      'XREADGROUP', 'GROUP', 'group', 'reader', 'COUNT', '10', 'STREAMS', 'stream', '>',
    )
    const entries = Array.isArray(found) && Array.isArray(found[0]) && Array.isArray(found[0][1]) ? found[0][1] : []
    const ids = entries.flatMap((entry: unknown) => Array.isArray(entry) ? [String(entry[0])] : [])
    if (ids.length > 0) await redis.xack('stream', 'group', ...ids)
  }) / 10,
}

process.on('message', async (message: { operation?: string, count?: number, inFlight?: number }) => {
  const { operation, count = 0, inFlight = 50 } = message
  if (operation === undefined) return
  if (operation === 'stream') await redis.xgroup('CREATE', 'stream', 'group', '$', 'MKSTREAM').catch(() => {})
  await operations[operation]?.(Math.ceil(count / 2), inFlight)
  const micros = await operations[operation]?.(count, inFlight)
  process.send?.({ operation, micros })
})
await redis.set('part', 'x'.repeat(600))
process.send?.({ listening: 'operations' })
