import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import { createExpiringMap } from '../expiring-map.ts'
import type { SimulatorContext } from '../simulator.ts'
import { provider } from './account.ts'
import { type AuthRequest, addressOf } from './auth-request.ts'
import type { DeliveryStatus, Webhooks } from './webhooks.ts'

export type Message = { text: string, code?: string, url?: string }
export type Messages = ReturnType<typeof createMessages>['messages']

const titles: Readonly<Record<string, string>> = {
  WHATSAPP: 'WhatsApp', SMS: 'SMS', VIBER: 'Viber', VOICE_CALL: 'Voice call', EMAIL: 'E-mail',
}

/** The receipts of each channel in their usual order. Voice calls have none. */
const receipts: Readonly<Record<string, readonly DeliveryStatus[]>> = {
  WHATSAPP: ['SENT', 'DELIVERED', 'READ'], VIBER: ['SENT', 'DELIVERED', 'READ'], SMS: ['DELIVERED'],
  EMAIL: ['SENT', 'DELIVERED'],
}

const lifetimeMs = 60 * 60_000

/** Messages that reach a phone or a mailbox, with their receipts. */
export function createMessages (context: SimulatorContext, webhooks: Webhooks) {
  const { handsetDelayMs, handset, now, timers } = context
  const latest = createExpiringMap<Message & { channel: string }>(now, lifetimeMs)

  function arrive (request: AuthRequest, message: Message): void {
    const { channel, id, person } = request
    latest.set(id, { channel, ...message })
    if (person.digits === undefined) return
    const kind = channel === 'VOICE_CALL' ? 'call' : 'message'
    handset.show(addressOf(person), { provider, kind, title: titles[channel] ?? channel, ...message, choices: [] })
  }

  async function report (request: AuthRequest): Promise<void> {
    const usual = receipts[request.channel] ?? []
    for (const status of request.scenario === 'reordered' ? usual.toReversed() : usual) {
      await timers.sleep(handsetDelayMs)
      await webhooks.delivery(request, status)
    }
  }

  const messages = {
    /** Sends by the first channel that delivers. Resolves when the last webhook about it was sent. */
    async send (request: AuthRequest, channels: readonly string[], message: Message): Promise<void> {
      const [first = '', next] = channels
      const isDelivered = request.scenario !== 'undelivered'
      if (isDelivered) arrive(request, message)
      await webhooks.initiated(request)
      if (!isDelivered) {
        await timers.sleep(handsetDelayMs)
        await webhooks.delivery(request, 'FAILED')
        if (next === undefined) return
        request.channel = next
        arrive(request, message)
        await webhooks.fellBack(request, first, next)
      }
      await report(request)
    },
  }

  /** The latest message of a request: the only way to read what was sent to an e-mail address. */
  const routes: FastifyPluginAsyncTypebox = async app => {
    app.get('/control/otpless/messages', {
      schema: { querystring: Type.Object({ requestId: Type.String() }) },
    }, async ({ query: { requestId } }, reply) => {
      const message = latest.get(requestId)
      return message ?? reply.code(404).send({ message: 'No message' })
    })
  }

  return { messages, routes }
}
