import { join } from 'node:path'
import { createContext, runInContext } from 'node:vm'
import { build } from 'esbuild'
import t from 'tap'
import { codeFor, numberEnding } from '../e2e/end-user.ts'
import { keys, startGateway } from '../helpers/gateway.ts'

/** What browsers and workers have, and nothing of Node.js. */
const {
  AbortController, AbortSignal, crypto, fetch, FormData, Headers, Request, Response, setTimeout, clearTimeout,
  TextDecoder, TextEncoder, URL, URLSearchParams,
} = globalThis
const web = {
  AbortController, AbortSignal, crypto, fetch, FormData, Headers, Request, Response, setTimeout, clearTimeout,
  TextDecoder, TextEncoder, URL, URLSearchParams,
}

t.test('the client needs nothing of Node.js', async t => {
  const { outputFiles: [bundle] } = await build({
    entryPoints: [join(import.meta.dirname, '../../packages/client/src/index.ts')], bundle: true, write: false,
    format: 'iife', globalName: 'client', platform: 'browser',
  })
  const { url } = await startGateway(t)
  const phoneNumber = numberEnding('02')
  const context = createContext({ ...web })
  const run = runInContext(`${bundle?.text}
    async ({ url, apiKey, phoneNumber, code }) => {
      const { id, clientSecret } = await new client.Verigate({ url, apiKey })
        .create({ phoneNumber, workflow: ['otpless.otp'] })
      const frontEnd = new client.Verigate({ url, clientSecret })
      const events = []
      for await (const { type } of frontEnd.events(id)) if (events.push(type) === 1) await frontEnd.check(id, { code })
      const wrong = await frontEnd.check(id, { code: '1' }).catch(error => error instanceof client.InvalidStateError)
      const forged = { 'webhook-id': 'a', 'webhook-timestamp': String(Math.floor(Date.now() / 1000)),
        'webhook-signature': 'v1,x' }
      let webhook
      try { client.verifyWebhook('{}', forged, 'whsec_AAAA') } catch (error) { webhook = error.name }
      return { status: (await frontEnd.waitForResult(id)).status, last: events.at(-1), wrong, webhook }
    }`, context)
  t.match(await run({ url, apiKey: keys.shop, phoneNumber, code: codeFor(phoneNumber) }), {
    status: 'verified', last: 'verification.verified', wrong: true, webhook: 'WebhookSignatureError',
  })
})
