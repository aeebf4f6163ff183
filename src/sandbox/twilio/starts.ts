import { isIP } from 'node:net'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyReply } from 'fastify'
import { type Static, Type } from 'typebox'
import { type Scenario, scenarioOf } from '../scenarios.ts'
import { provider } from './account.ts'
import { type ErrorCode, sendError } from './errors.ts'
import type { Parts } from './parts.ts'
import { type Channel, channels, maxSends, type Verification } from './verifications.ts'
import { viewVerification } from './views.ts'

const StartForm = Type.Object({
  To: Type.Optional(Type.String()),
  Channel: Type.Optional(Type.String()),
  CustomCode: Type.Optional(Type.String()),
  DeviceIp: Type.Optional(Type.String()),
  EnableSnaClientToken: Type.Optional(Type.String()),
  Tags: Type.Optional(Type.String()),
})
const SidParams = Type.Object({ sid: Type.String() })
const UpdateForm = Type.Object({ Status: Type.Optional(Type.String()) })

const isChannel = (text: string): text is Channel => channels.some(channel => channel === text)

/** The channel of a form that can be started; null: it was refused. `auto` begins with the silent check. */
function readForm (
  { To = '', Channel = '', CustomCode, DeviceIp, EnableSnaClientToken, Tags }: Static<typeof StartForm>,
  reply: FastifyReply,
): Channel | null {
  const refuse = (code: ErrorCode, parameter?: string): null => {
    sendError(reply, code, parameter)
    return null
  }
  if (!/^\+[1-9]\d{6,14}$/.test(To)) return refuse(60200, 'To')
  if (Channel === 'email') return refuse(60223)
  const channel = Channel === 'auto' ? 'sna' : Channel
  if (!isChannel(channel)) return refuse(60200, 'Channel')
  if (CustomCode !== undefined) return refuse(60204)
  if (DeviceIp !== undefined && isIP(DeviceIp) === 0) return refuse(60200, 'DeviceIp')
  if (EnableSnaClientToken !== undefined && !/^(true|false)$/i.test(EnableSnaClientToken)) {
    return refuse(60200, 'EnableSnaClientToken')
  }
  return Tags === undefined || isTags(Tags) ? channel : refuse(60200, 'Tags')
}

/** "The object may contain up to 10 tags. Keys and values can each be up to 128 characters in length." */
function isTags (text: string): boolean {
  try {
    const tags: unknown = JSON.parse(text)
    const entries = typeof tags === 'object' && tags !== null && !Array.isArray(tags) ? Object.entries(tags) : null
    return entries !== null && entries.length <= 10
      && entries.flat().every(word => typeof word === 'string' && word.length <= 128)
  } catch {
    return false
  }
}

/** Answers a create that starts nothing; undefined: it starts. A silent check fails later, where the device is. */
function answerStart (scenario: Scenario, channel: Channel, reply: FastifyReply): FastifyReply | undefined {
  switch (scenario) {
    case 'unsupported': return sendError(reply, channel === 'sna' ? 60008 : channel === 'sms' ? 60205 : 60410)
    case 'error': return channel === 'sna' ? undefined : sendError(reply, 20500)
    case 'startFails': return sendError(reply, 20500)
    case 'startLimited': return sendError(reply, 20429)
    case 'startRefused': return sendError(reply, 20003)
    case 'startHangs': return reply.hijack()
    // No SID.
    case 'malformed': return reply.code(201).send({ status: 'pending', valid: false })
    default: return undefined
  }
}

const titles = { sms: 'SMS', call: 'Voice call', whatsapp: 'WhatsApp' }

/** https://www.twilio.com/docs/verify/api/verification */
export const startRoutes: FastifyPluginAsyncTypebox<Parts> = async (app, { context, verifications }) => {
  function deliver ({ to, scenario, code }: Verification, channel: Exclude<Channel, 'sna'>): void {
    if (['silent', 'rejected', 'mismatch'].includes(scenario)) return
    context.handset.show(to, {
      provider, kind: channel === 'call' ? 'call' : 'message', title: titles[channel],
      text: `Your verification code is: ${code}`, code, choices: [],
    })
  }

  app.post('/Verifications', { schema: { body: StartForm } }, async ({ body }, reply) => {
    const channel = readForm(body, reply)
    if (channel === null) return reply
    const { To: to = '' } = body
    const answer = answerStart(scenarioOf(to, provider), channel, reply)
    if (answer !== undefined) return answer
    if (verifications.isBlocked(to)) return sendError(reply, 60202)
    const verification = verifications.find(to) ?? verifications.create(to)
    if (verification.attempts.length >= maxSends) return sendError(reply, 60203)
    verifications.addAttempt(verification, channel, /^true$/i.test(body.EnableSnaClientToken ?? ''))
    if (channel !== 'sna') deliver(verification, channel)
    return reply.code(201).send(viewVerification(verification, context.url()))
  })

  app.get('/Verifications/:sid', { schema: { params: SidParams } }, async ({ params: { sid } }, reply) => {
    const verification = verifications.find(sid)
    return verification === undefined ? sendError(reply, 20404) : viewVerification(verification, context.url())
  })

  app.post('/Verifications/:sid', {
    schema: { params: SidParams, body: UpdateForm },
  }, async ({ params: { sid }, body: { Status } }, reply) => {
    if (Status !== 'canceled' && Status !== 'approved') return sendError(reply, 60200, 'Status')
    const verification = verifications.find(sid)
    if (verification === undefined) return sendError(reply, 20404)
    verifications.end(verification, Status)
    return viewVerification(verification, context.url())
  })
}
