import { createHmac } from 'node:crypto'
import type { SimulatorContext } from '../simulator.ts'
import { provider } from './account.ts'
import { type AuthRequest, addressOf } from './auth-request.ts'
import { describeSnaError } from './errors.ts'
import { describePhone, networkSteps, operator } from './operator.ts'
import { splitNumber } from './phone-number.ts'

export const webhookSecret = 'sandbox-otpless-webhook-secret'

/** The documentation says only "The system implements retries". */
const retryDelaysMs = [2000, 10_000, 30_000]

export type DeliveryStatus = 'SENT' | 'DELIVERED' | 'READ' | 'FAILED' | 'CLICKED'
export type Webhooks = ReturnType<typeof createWebhooks>

/**
 * The events of the application's one webhook URL: deliveries, authentications, silent authentications. The calls about
 * one request are sent one after another.
 * https://otpless.com/docs/knowledge-base/webhook-v2
 */
export function createWebhooks (context: SimulatorContext) {
  const { now, callbacks, retryScale, settings } = context
  const secret = settings['OTPLESS_WEBHOOK_SECRET'] || webhookSecret
  /** The last event of each request, until it was sent. */
  const sending = new WeakMap<AuthRequest, Promise<void>>()

  function send (request: AuthRequest, eventType: string, data: object, timestamp: number): Promise<void> {
    const deliver = () => callbacks.send({
      provider,
      url: context.callbackUrl(provider),
      body: { data, eventType, timestamp: request.scenario === 'unusual' ? String(timestamp) : timestamp },
      headers: async body => ({ 'x-signature': createHmac('sha256', secret).update(body).digest('base64') }),
      retryDelaysMs: retryDelaysMs.map(delayMs => delayMs * retryScale),
      copies: request.scenario === 'repeated' ? 3 : 1,
    })
    const sent = (sending.get(request) ?? Promise.resolve()).then(deliver)
    sending.set(request, sent)
    return sent
  }

  const seconds = (): number => Math.floor(now() / 1000)
  const idsOf = ({ authSessionId, traceId }: AuthRequest) => ({ authSessionId, traceId })

  const sendInitiated = (request: AuthRequest): Promise<void> => send(
    request, 'AUTH', { ...idsOf(request), status: 'INITIATED', authenticationDetails: detailsOf(request) }, seconds(),
  )

  /** Silent authentications also have an event of their own. */
  async function sendEnd (request: AuthRequest): Promise<void> {
    if (request.method !== 'SILENT_AUTH') return
    const { authSessionId, correlationId = null, error, metadata } = request
    const status = error === undefined ? 'SUCCESS' : 'FAILED'
    await send(request, 'SNA', {
      correlationId, authSessionId, status, ...error === undefined ? {} : { error: describeWebhookError(error) },
      operator, phoneDetail: describePhone(request), networkDetail: networkSteps,
      authenticationDetails: detailsOf(request), metaData: metadata,
    }, seconds())
  }

  return {
    /** With the suffix 95, INITIATED arrives after SUCCESS. */
    async initiated (request: AuthRequest): Promise<void> {
      if (request.scenario !== 'reordered') await sendInitiated(request)
    },

    async succeeded (request: AuthRequest, token: string): Promise<void> {
      const details = detailsOf(request)
      const data = { ...idsOf(request), token, status: 'SUCCESS', authenticationDetails: details }
      await Promise.all([sendEnd(request), send(request, 'AUTH', data, seconds())])
      if (request.scenario === 'reordered') await sendInitiated(request)
    },

    failed: sendEnd,

    /** The timestamp of this event is in milliseconds. */
    fellBack: (request: AuthRequest, fromChannel: string, toChannel: string): Promise<void> => send(
      request, 'AUTH', { requestId: request.id, ...idsOf(request), status: 'FALLBACK', fromChannel, toChannel }, now(),
    ),

    /** `metaData` is documented as an object without members: here it has those of the request. */
    delivery: (request: AuthRequest, status: DeliveryStatus): Promise<void> => send(request, 'DLR', {
      requestId: request.id, ...idsOf(request), status, channel: request.channel, identity: addressOf(request.person),
      metaData: request.metadata,
    }, now()),
  }
}

function detailsOf ({ id, method, channel, person: { digits, email } }: AuthRequest): object {
  const how = { requestId: id, method, channel: [channel] }
  if (digits === undefined) return { email: { ...how, email } }
  const { phoneNumber, countryCode } = splitNumber(digits)
  return { phone: { ...how, phoneNumber, countryCode }, email: {} }
}

/** `errorMessage` here, `message` in the API. */
function describeWebhookError (code: NonNullable<AuthRequest['error']>): object {
  const { errorCode, message } = describeSnaError(code)
  return { errorCode, errorMessage: message }
}
