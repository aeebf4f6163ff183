import { Redis } from 'ioredis'
import { createHmac, hash, randomBytes } from 'node:crypto'
import { pino, stdTimeFunctions } from 'pino'
import { Pool } from 'undici'
import { viewVerification } from '../src/api/views/verification.ts'
import { createVerification, decide } from '../src/core/decide.ts'
import type { NewVerification, Verification } from '../src/core/verification.ts'
import { parsePhoneNumber } from '../src/phone.ts'
import { createMac, createSealer } from '../src/store/sealing.ts'
import { createWindowCounters } from '../src/store/window-counters.ts'
import { createRecordCodec } from '../src/verifications/record-codec.ts'
import type { Captured, Command } from './captured.ts'

// What the contract requires of a request besides HTTP, part by part. The libraries have their defaults.

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

let numbers = 0

/** The parts that wait for nothing. */
export const parts = {
  limit: () => { counters.increment({ name: 'app', windowMs: 60_000, syncEvery: 1e9 }) },
  phone: () => { parsePhoneNumber(`+9190000${String(10_000 + (numbers += 1) % 90_000)}`) },
  hash: () => { mac(message).toString('base64url', 0, 16) },
  decide: () => { start() },
  open: () => { decodeRecord(sealer.open(sealed, request.id), request.id) },
  seal: () => { sealer.seal(encodeRecord(verification), request.id) },
  signature: () => { createHmac('sha256', sealed).update(body).digest('base64') },
  view: () => { JSON.stringify(viewVerification(verification, { attemptId: () => attemptId })) },
} as const satisfies Record<string, () => void>
export const partNames = Object.keys(parts) as (keyof typeof parts)[]

/** Sends the commands one after the other. */
export async function repeat (commands: readonly Command[]): Promise<void> {
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

/** Calls the provider. */
export async function call (): Promise<void> {
  const headers = { 'content-type': 'application/json', authorization: 'Bearer token' }
  const check = JSON.stringify({ phone_number: request.phoneNumber, reference_id: request.id })
  const answer = await provider.request({ method: 'POST', path: '/phone_check/v0.2/checks', headers, body: check })
  await answer.body.json()
}

export function write (lines: Captured['lines']): void {
  for (const { level: _level, time: _time, msg, ...fields } of lines) log.info(fields, String(msg))
}

/** A small answer. */
export const small = (): { id: string, status: 'pending', createdAt: string } =>
  ({ id: request.id, status: 'pending', createdAt: new Date().toISOString() })

await redis.set('record', sealed)
