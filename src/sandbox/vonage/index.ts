import type { FastifyError } from 'fastify'
import type { Simulator } from '../simulator.ts'
import { applicationId, applicationKey, brand, provider, signatureSecret, whatsappFrom } from './account.ts'
import { showMessage } from './messages.ts'
import { sendProblem } from './problems.ts'
import { createRequests } from './requests.ts'
import { checkPath, silentAuthRoutes } from './silent-auth.ts'
import { verifyRoutes } from './verify.ts'
import { createWebhooks } from './webhooks.ts'

/**
 * Vonage Verify v2: silent authentication, and codes by SMS, WhatsApp and voice call, with signed webhooks.
 * https://developer.vonage.com/en/api/verify.v2
 */
export const vonage: Simulator = {
  provider,

  settings: url => ({
    VONAGE_APPLICATION_ID: applicationId,
    VONAGE_PRIVATE_KEY: applicationKey().export({ type: 'pkcs8', format: 'der' }).toString('base64'),
    VONAGE_SIGNATURE_SECRET: signatureSecret,
    VONAGE_API_URL: url,
    VONAGE_BRAND: brand,
    VONAGE_WHATSAPP_FROM: whatsappFrom,
  }),

  async routes (app, { context }) {
    const webhooks = createWebhooks(context)
    const requests = createRequests(context, {
      begun (request, event) {
        if (event.step.channel !== 'silent_auth') return showMessage(context, request, event)
        webhooks.actionPending(request, event, `${context.url()}${checkPath(request.checkId)}`)
      },
      ended: webhooks.eventEnded,
      finished: webhooks.summary,
    })

    // Official clients send `next_workflow` as JSON, with an empty body.
    app.removeContentTypeParser('application/json')
    app.addContentTypeParser('application/json', { parseAs: 'string' }, async (_request: unknown, text: string) =>
      text === '' ? undefined : JSON.parse(text))
    app.setErrorHandler<FastifyError>((error, _request, reply) => {
      const isInternal = error.statusCode === undefined && !(error instanceof SyntaxError)
      if (isInternal) return sendProblem(reply, 'internal')
      const name = error.validation?.[0]?.instancePath.slice(1) || 'body'
      return sendProblem(reply, 'invalidParams', { invalid_parameters: [{ name, reason: 'The value is invalid.' }] })
    })
    app.all('/v2/verify/*', (_request, reply) => sendProblem(reply, 'notFound'))
    await app.register(silentAuthRoutes, { context, requests })
    await app.register(verifyRoutes, { context, requests })
  },
}
