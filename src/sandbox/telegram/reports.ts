import { createHash, createHmac } from 'node:crypto'
import type { SimulatorContext } from '../simulator.ts'
import { apiToken, provider } from './account.ts'
import type { Requests, VerificationRequest } from './requests.ts'

/** Documented: up to 10 more tries "with increasing delays". The delays are not. */
const retryDelaysMs = Array.from({ length: 10 }, (_none, index) => 1000 * 2 ** index)

/** The signing key is the hash of the token. https://core.telegram.org/gateway/api#checking-report-integrity */
const secretKey = createHash('sha256').update(apiToken).digest()

/** Delivery reports to the `callback_url` of a message: a RequestStatus, signed. */
export function createReports (context: SimulatorContext, requests: Requests) {
  const { callbacks, handset, handsetDelayMs, now, retryScale, slowMs, timers } = context

  async function report (request: VerificationRequest, body = requests.describe(request)): Promise<void> {
    const url = request.message?.callbackUrl
    if (url === undefined) return
    await callbacks.send({
      provider, url, body,
      headers: async text => {
        const timestamp = String(Math.floor(now() / 1000))
        return {
          'x-request-timestamp': timestamp,
          'x-request-signature': createHmac('sha256', secretKey).update(`${timestamp}\n${text}`).digest('hex'),
        }
      },
      retryDelaysMs: retryDelaysMs.map(delayMs => delayMs * retryScale),
      copies: request.scenario === 'repeated' ? 3 : 1,
    })
  }

  /** The message reaches the phone, and is read there. Resolves when the last report was sent. */
  async function arrive (request: VerificationRequest): Promise<void> {
    const { scenario, phoneNumber, message } = request
    if (message === undefined || ['silent', 'rejected', 'mismatch'].includes(scenario)) return
    await timers.sleep(scenario === 'slow' ? slowMs : 0)
    if (request.delivery?.status !== 'sent') return
    if (scenario === 'undelivered') {
      requests.expire(request)
      return report(request)
    }
    const reports = [requests.describe(request)]
    handset.show(phoneNumber, {
      provider, kind: 'message', title: 'Telegram: Verification Codes', text: `Your code is ${message.code}.`,
      code: message.code, choices: [],
    })
    for (const status of ['delivered', 'read'] as const) {
      requests.deliver(request, status)
      reports.push(requests.describe(request))
    }
    for (const body of scenario === 'reordered' ? reports.toReversed() : reports) {
      await timers.sleep(handsetDelayMs)
      await report(request, body)
    }
  }

  return { arrive }
}
