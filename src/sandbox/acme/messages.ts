import { randomUUID } from 'node:crypto'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import { type Scenario, scenarioOf } from '../scenarios.ts'
import type { SimulatorContext } from '../simulator.ts'
import { authorize, errors, provider, sendError } from './service.ts'

const MessageBody = Type.Object({
  /** E.164 with `+`. */
  to: Type.String({ pattern: '^\\+[1-9][0-9]{6,14}$' }),
  text: Type.String({ minLength: 1, maxLength: 1600 }),
  /** Where the receipts of this message go. */
  callback: Type.Optional(Type.String({ pattern: '^https?://', maxLength: 2048 })),
}, { additionalProperties: false })

type Status = 'sent' | 'delivered' | 'failed'

const retryDelaysMs = [2000, 10_000, 30_000]

/** The first number in a text that is long enough for a code. */
const codeIn = (text: string): string | undefined => /(?<![0-9])[0-9]{4,10}(?![0-9])/.exec(text)?.[0]

/** The text with another code of the same length: each of its digits is one more. */
function withOtherCode (text: string): string {
  const code = codeIn(text)
  return code === undefined
    ? text
    : text.replaceAll(code, code.replace(/[0-9]/g, digit => String((Number(digit) + 1) % 10)))
}

/**
 * `POST /acme/messages` `{ "to", "text", "callback"? }` answers 202 `{ "messages": [{ "id" }] }`. Receipts
 * `{ "id", "status": "sent" | "delivered" | "failed" }` are posted to the callback URL: they have no signature, so the
 * URL must contain a secret.
 *
 * The service knows nothing of codes. `mismatch` delivers a text whose code is another one, `silent` and `rejected` say
 * that a message was accepted and deliver nothing, `undelivered` reports that, and `flaky` concerns no call of
 * this service: the message arrives.
 */
export const messageRoutes: FastifyPluginAsyncTypebox<{ context: SimulatorContext }> = async (app, { context }) => {
  const { callbacks, handset, handsetDelayMs, retryScale, slowMs, timers } = context

  const report = (id: string, status: Status, url: string | undefined, copies: number): Promise<void> =>
    url === undefined ? Promise.resolve() : callbacks.send({
      provider, url, body: { id, status }, retryDelaysMs: retryDelaysMs.map(delayMs => delayMs * retryScale), copies,
    })

  function show (to: string, text: string): void {
    const code = codeIn(text)
    handset.show(to, {
      provider, kind: 'message', title: 'SMS', text, ...code === undefined ? {} : { code }, choices: [],
    })
  }

  /** Delivers the message and reports how far it has come. Resolves after the last receipt. */
  async function deliver (id: string, scenario: Scenario, to: string, text: string, url?: string): Promise<void> {
    if (scenario === 'silent' || scenario === 'rejected') return
    if (scenario === 'slow') await timers.sleep(slowMs)
    if (scenario !== 'undelivered') show(to, scenario === 'mismatch' ? withOtherCode(text) : text)
    const usual: Status[] = ['sent', scenario === 'undelivered' ? 'failed' : 'delivered']
    for (const status of scenario === 'reordered' ? usual.toReversed() : usual) {
      await timers.sleep(handsetDelayMs)
      await report(id, status, url, scenario === 'repeated' ? 3 : 1)
    }
  }

  app.post('/acme/messages', {
    schema: { body: MessageBody }, onRequest: authorize,
  }, async ({ body: { to, text, callback } }, reply) => {
    const scenario = scenarioOf(to, provider)
    switch (scenario) {
      case 'unsupported': return sendError(reply, errors.unreachable)
      case 'error': case 'startFails': return sendError(reply, errors.failed)
      case 'startLimited': return sendError(reply, errors.limited)
      case 'startRefused': return sendError(reply, errors.unauthorized)
      case 'startHangs': return reply.hijack()
      case 'malformed': return reply.code(202).type('text/html').send('<html><body>Welcome</body></html>')
    }
    const id = randomUUID()
    void deliver(id, scenario, to, text, callback)
    reply.code(202)
    // A member `code` that is null is not an error.
    if (scenario === 'unusual') return { messages: [{ id, status: null }], code: null, warnings: null }
    return { messages: [{ id }] }
  })
}
