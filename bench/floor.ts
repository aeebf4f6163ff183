import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import Fastify from 'fastify'
import { Redis } from 'ioredis'
import { createHmac, hash, randomBytes } from 'node:crypto'
import { pino, stdTimeFunctions } from 'pino'
import { Type } from 'typebox'
import { Pool } from 'undici'
import { viewVerification } from '../src/api/views/verification.ts'
import { createVerification, decide } from '../src/core/decide.ts'
import type { NewVerification, Verification } from '../src/core/verification.ts'
import { parsePhoneNumber } from '../src/phone.ts'
import { createMac, createSealer } from '../src/store/sealing.ts'
import { createWindowCounters } from '../src/store/window-counters.ts'
import { createRecordCodec } from '../src/verifications/record-codec.ts'
import type { Captured, Command } from './captured.ts'

// What the contract requires of a request, part by part: bare Fastify as a server, and the other parts each alone in
// this process. A message names a part; the response is its CPU in µs, all threads. The libraries have their defaults.

export const partNames = [
  'commands', 'call', 'phone', 'hash', 'seal', 'open', 'decide', 'view', 'lines', 'limit', 'signature',
] as const
export type PartName = (typeof partNames)[number]
/** `commands`, `lines`: those that one request repeats. */
export type PartRequest = { part: PartName, count: number } & Partial<Captured>

const redis = new Redis(process.env['REDIS_URL'] ?? '')
redis.defineCommand('answer', { lua: 'return { 1 }' })
const provider = new Pool(process.env['PROVIDER_URL'] ?? '')
const log = pino(
  { base: null, timestamp: stdTimeFunctions.isoTime },
  pino.destination({ dest: '/dev/null', sync: false, minLength: 8192 }),
)

const at = Date.now()
const request: NewVerification = {
  id: `ver_${randomBytes(22).toString('base64url')}`, appId: 'bench', phoneNumber: '+919000000000',
  reference: 'order-1', metadata: {}, locale: null, device: {}, returnUrl: null, includeProfile: false,
  minAssurance: 1,
  workflow: [
    { method: 'truecaller.web', timeoutMs: 60_000, options: {}, isRepeatable: false, continueWhenRejected: true },
  ],
  webhookEvents: [], expiresAt: at + 600_000,
  idempotency: { names: [randomBytes(16).toString('base64url')], hash: randomBytes(16).toString('base64url'), at },
  country: 'IN',
}
const url = `truecallersdk://truesdk/web_verify?requestNonce=${'x'.repeat(48)}&partnerKey=app-key&partnerName=Shop`

/** The steps of a create: the first attempt begins, and waits for the user. */
function start (): Verification {
  const { next } = createVerification(request, at, { startsHere: true })
  const started = decide(next, {
    type: 'attemptStarted', attempt: 0, state: {}, attemptsRemaining: null, resend: null,
    action: { type: 'openDeepLink', url, platforms: ['android'], notOpenedAfterMs: 3000 },
  }, at)
  if (started === null) throw new Error('not started')
  return started.next
}

const verification = start()
const { encode: encodeRecord, decode: decodeRecord } = createRecordCodec()
const record = encodeRecord(verification)
const sealer = createSealer(`k1:${randomBytes(32).toString('base64')}`)
const sealed = sealer.seal(record, request.id)
const mac = createMac(randomBytes(32))
const message = Buffer.from(request.id)
const counters = createWindowCounters({ sync: async (_name, count) => count, now: Date.now })
const body = JSON.stringify(viewVerification(verification, { attemptId: id => id }))
const attemptId = `att_${hash('sha256', request.id, 'base64url').slice(0, 16)}`

const inFlight = 50
async function many (count: number, work: (at: number) => Promise<unknown>): Promise<void> {
  let next = 0
  await Promise.all(Array.from({ length: inFlight }, async () => {
    for (let at = next++; at < count; at = next++) await work(at)
  }))
}

async function repeat (commands: Command[]): Promise<void> {
  for (const { name, values } of commands) {
    if (name === 'get') await redis.getBuffer('record')
    else {
      const [, keys, ...rest] = values.map(({ text, isBase64 }) => isBase64 ? Buffer.from(text, 'base64') : text)
      await answer(Number(keys), rest)
    }
  }
}

function answer (keys: number, rest: (string | Buffer)[]): Promise<unknown> {
  const command: unknown = Reflect.get(redis, 'answer')
  if (typeof command !== 'function') throw new TypeError('answer is not defined')
  return Reflect.apply(command, redis, [keys, ...rest])
}

/** `work` in batches, so that what it leaves to the event loop is done in between. */
async function loop (count: number, work: (at: number) => void): Promise<void> {
  for (let at = 0; at < count;) {
    for (const end = Math.min(count, at + inFlight); at < end; at += 1) work(at)
    await new Promise(resolve => setImmediate(resolve))
  }
}

const parts: Record<PartName, (request: PartRequest) => Promise<void>> = {
  commands: ({ count, commands = [] }) => many(count, () => repeat(commands)),
  call: ({ count }) => many(count, async () => {
    const headers = { 'content-type': 'application/json', authorization: 'Bearer token' }
    const check = JSON.stringify({ phone_number: request.phoneNumber, reference_id: request.id })
    const answer = await provider.request({ method: 'POST', path: '/phone_check/v0.2/checks', headers, body: check })
    await answer.body.json()
  }),
  phone: ({ count }) => loop(count, at => { parsePhoneNumber(`+9190000${String(10_000 + at % 90_000)}`) }),
  hash: ({ count }) => loop(count, () => { mac(message).toString('base64url', 0, 16) }),
  seal: ({ count }) => loop(count, () => { sealer.seal(encodeRecord(verification), request.id) }),
  open: ({ count }) => loop(count, () => { decodeRecord(sealer.open(sealed, request.id), request.id) }),
  decide: ({ count }) => loop(count, () => { start() }),
  view: ({ count }) => loop(count, () => {
    JSON.stringify(viewVerification(verification, { attemptId: () => attemptId }))
  }),
  lines: ({ count, lines = [] }) => loop(count, () => {
    for (const { msg, ...fields } of lines) log.info(fields, String(msg))
  }),
  limit: ({ count }) => loop(count, () => { counters.increment({ name: 'app', windowMs: 60_000, syncEvery: 1e9 }) }),
  signature: ({ count }) => loop(count, () => { createHmac('sha256', sealed).update(body).digest('base64') }),
}

process.on('message', async (asked: Partial<PartRequest>) => {
  const { part, count = 0, lines = [], ...rest } = asked
  if (part === undefined) return
  const wanted = { part, count, ...rest, lines: lines.map(({ level: _level, time: _time, ...fields }) => fields) }
  const before = process.cpuUsage()
  await parts[part](wanted)
  const { user, system } = process.cpuUsage(before)
  process.send?.({ part, micros: (user + system) / count })
})

/** The body of a create, with the parts of a schema that cost time: a pattern, a union, a maximum length. */
const Body = Type.Object({
  phoneNumber: Type.String({ pattern: '^\\+[1-9][0-9]{5,14}$' }),
  workflow: Type.Array(
    Type.Union([Type.String({ maxLength: 64 }), Type.Object({ method: Type.String({ maxLength: 64 }) })]),
    { maxItems: 10 },
  ),
  reference: Type.String({ maxLength: 256 }),
}, { additionalProperties: false })
const Created = Type.Object({ id: Type.String(), status: Type.Literal('pending'), createdAt: Type.String() })
const small = (): { id: string, status: 'pending', createdAt: string } =>
  ({ id: request.id, status: 'pending', createdAt: new Date().toISOString() })

const server = Fastify().withTypeProvider<TypeBoxTypeProvider>()
server.post('/verifications', { schema: { body: Body, response: { 201: Created } } }, async (_request, reply) =>
  reply.code(201).send(small()))
const Params = Type.Object({ id: Type.String({ maxLength: 64 }) })
server.get('/verifications/:id', { schema: { params: Params, response: { 200: Created } } }, async () => small())
await redis.set('record', sealed)
process.send?.({ listening: await server.listen({ port: 0, host: '127.0.0.1' }) })
