import { createHash, randomUUID } from 'node:crypto'
import { SignJWT } from 'jose'
import type { SimulatorContext } from '../simulator.ts'
import { apiKey, applicationId, provider, signatureSecret } from './account.ts'
import type { VerifyRequest, WorkflowEvent } from './workflow.ts'

/** "Anything other than a 2xx code will cause the Vonage servers to re-attempt": when, is not published. */
const retryDelaysMs = [2000, 10_000, 30_000]

const iso = (at: number): string => new Date(at).toISOString()

export type Webhooks = ReturnType<typeof createWebhooks>

/**
 * The events of the application's status URL: one about each event of a workflow, one about a silent authentication
 * that waits for the phone, and a summary. Those about one request are sent one after another.
 * https://developer.vonage.com/en/verify/concepts/webhooks
 */
export function createWebhooks (context: SimulatorContext) {
  const { now, callbacks, retryScale, settings } = context
  const secret = new TextEncoder().encode(settings['VONAGE_SIGNATURE_SECRET'] || signatureSecret)
  /** The last webhook of each request, until it was sent. */
  const sending = new WeakMap<VerifyRequest, Promise<void>>()
  /** With the suffix 95: those that follow the summary. */
  const held = new WeakMap<VerifyRequest, object[]>()

  /** "A JWT in the authorization header, which is signed with your signature secret"; the hash is hexadecimal. */
  async function sign (body: string): Promise<Record<string, string>> {
    const payloadHash = createHash('sha256').update(body).digest('hex')
    const claims = { payload_hash: payloadHash, api_key: apiKey, application_id: applicationId }
    const token = await new SignJWT(claims).setProtectedHeader({ typ: 'JWT', alg: 'HS256' })
      .setIssuer('Vonage').setJti(randomUUID()).setIssuedAt(Math.floor(now() / 1000)).sign(secret)
    return { authorization: `Bearer ${token}` }
  }

  function send (request: VerifyRequest, body: object): void {
    const deliver = (): Promise<void> => callbacks.send({
      provider, url: context.callbackUrl(provider), body, headers: sign,
      retryDelaysMs: retryDelaysMs.map(delayMs => delayMs * retryScale),
      copies: request.scenario === 'repeated' ? 3 : 1,
    })
    sending.set(request, (sending.get(request) ?? Promise.resolve()).then(deliver))
  }

  function sendEvent (request: VerifyRequest, body: object): void {
    if (request.scenario !== 'reordered') return send(request, body)
    held.set(request, [...held.get(request) ?? [], body])
  }

  const aboutEvent = (request: VerifyRequest, { step, initiatedAt }: WorkflowEvent) => ({
    request_id: request.id, triggered_at: iso(initiatedAt ?? now()), type: 'event', channel: step.channel,
    channel_timeout: request.timeoutSeconds, ...clientRef(request),
  })

  return {
    /** The phone may open the URL. */
    actionPending (request: VerifyRequest, event: WorkflowEvent, checkUrl: string): void {
      sendEvent(request, {
        ...aboutEvent(request, event), status: 'action_pending', action: { type: 'check', check_url: checkUrl },
      })
    },

    eventEnded (request: VerifyRequest, event: WorkflowEvent): void {
      sendEvent(request, { ...aboutEvent(request, event), status: event.status, finalized_at: iso(now()) })
    },

    summary (request: VerifyRequest): void {
      send(request, {
        request_id: request.id, submitted_at: iso(request.submittedAt), status: request.status, type: 'summary',
        channel_timeout: request.timeoutSeconds, ...clientRef(request),
        workflow: request.events.map(({ step, status, initiatedAt }) => ({
          channel: step.channel, status, ...initiatedAt === null ? {} : { initiated_at: iso(initiatedAt) },
        })),
      })
      for (const body of held.get(request) ?? []) send(request, body)
      held.delete(request)
    },
  }
}

const clientRef = ({ clientRef }: VerifyRequest) => clientRef === undefined ? {} : { client_ref: clientRef }
