import type { FastifyError } from 'fastify'
import { acceptForms } from '../forms.ts'
import type { Simulator } from '../simulator.ts'
import { apiKey, apiSecret, authorize, provider, serviceSid } from './account.ts'
import { checkRoutes } from './checks.ts'
import { deviceRoutes } from './device.ts'
import { sendError } from './errors.ts'
import type { Parts } from './parts.ts'
import { startRoutes } from './starts.ts'
import { createVerifications } from './verifications.ts'
import { viewService } from './views.ts'

/**
 * Twilio Verify v2: codes by SMS, call and WhatsApp, and Silent Network Auth.
 * https://www.twilio.com/docs/verify/api
 */
export const twilio: Simulator = {
  provider,

  settings: url => ({
    TWILIO_API_KEY: apiKey, TWILIO_API_SECRET: apiSecret, TWILIO_SERVICE_SID: serviceSid, TWILIO_API_URL: url,
  }),

  async routes (app, { context }) {
    const parts: Parts = { context, verifications: createVerifications(context) }
    app.removeAllContentTypeParsers()
    acceptForms(app)
    // Twilio reads forms only: any other body has no parameters.
    app.addContentTypeParser('*', { parseAs: 'string' }, async () => ({}))
    app.setErrorHandler<FastifyError>((error, _request, reply) => {
      if (error.validation !== undefined) return sendError(reply, 60200)
      return sendError(reply, (error.statusCode ?? 500) < 500 ? 60200 : 20500)
    })
    await app.register(deviceRoutes, parts)
    await app.register(async api => {
      api.addHook('onRequest', authorize)
      // A request without a body has no parameters.
      api.addHook('preValidation', async request => { request.body ??= {} })
      api.all('/*', (_request, reply) => sendError(reply, 20404))
      api.get(`/${serviceSid}`, () => viewService(context.url()))
      await api.register(async service => {
        await service.register(startRoutes, parts)
        await service.register(checkRoutes, parts)
      }, { prefix: `/${serviceSid}` })
    }, { prefix: '/v2/Services' })
  },
}
