import Fastify, { type FastifyReply, type FastifyRequest } from 'fastify'
import { createCallbackSender } from './callback-sender.ts'
import { otpless } from './otpless/index.ts'
import { createTimers } from './timers.ts'
import { truecaller } from './truecaller/index.ts'
import { truid } from './truid/index.ts'
import { createCallbackSigner, type DigestEncoding } from './truid/signature.ts'
import type { SimulatorContext } from './context.ts'

export type Provider = 'truecaller' | 'truid' | 'otpless'

export type SimulatorOptions = {
  port?: number
  host?: string
  /**
   * Where callbacks of the registered kind go: `${gatewayUrl}/callbacks/otpless`, and `…/truecaller` with
   * `/${callbackKey}` if there is one.
   */
  gatewayUrl: string | (() => string)
  callbackKey?: string
  /** How long a simulated person takes to act, default 1000. */
  handsetDelayMs?: number
  /** How long suffix 93 takes, default 20 000. */
  slowMs?: number
  /** Factor on the pauses between tries of a callback, default 1. */
  retryScale?: number
  /** How tru.ID's `Digest` is written: the documentation says both. Default base64. */
  truidDigest?: DigestEncoding
  now?: () => number
  onError?: (message: string) => void
}

/** One request that a provider was asked; paths have no query. */
export type ProviderRequest = { provider: Provider, method: string, path: string, at: number }

/**
 * What the next `times` (1) answers of a provider are instead of its own: never, a reset connection, a redirect back to
 * the same URL, or
 * a bare status (429 and 503 with `Retry-After: 1`). `path` limits it to paths that begin so; what the handset does is
 * never disturbed.
 */
export type Fault = {
  provider: Provider, answer: 'hang' | 'reset' | 'redirect' | number, path?: string, times?: number,
}

export type Simulators = {
  /** Origin that serves all three. */
  url: string
  /** The environment variables that point a gateway at them. */
  settings: Record<string, string>
  /** The latest requests, oldest first; at most 10 000 are kept. */
  requests: ProviderRequest[]
  fail: (fault: Fault) => void
  /** tru.ID signs its callbacks with another key from now on, and publishes both. */
  rotateTruidKey: () => void
  close: () => Promise<void>
}

const credentials = {
  TRUECALLER_APP_KEY: 'sandbox-app-key',
  TRUECALLER_PARTNER_NAME: 'Sandbox',
  TRUID_CLIENT_ID: 'sandbox-truid-client',
  TRUID_CLIENT_SECRET: 'sandbox-truid-secret',
  OTPLESS_CLIENT_ID: 'sandbox-otpless-client',
  OTPLESS_CLIENT_SECRET: 'sandbox-otpless-secret',
  OTPLESS_APP_ID: 'SANDBOXAPPID',
  OTPLESS_WEBHOOK_SECRET: 'sandbox-otpless-webhook-secret'
}
const maxRequests = 10_000

/** Starts the simulators of all three providers on one origin. What they do with a number is in scenarios.ts. */
export async function startSimulators(options: SimulatorOptions): Promise<Simulators> {
  const { port = 0, host = '127.0.0.1', now = Date.now, onError = () => {} } = options
  const requests: ProviderRequest[] = []
  const faults: Required<Fault>[] = []
  const timers = createTimers()
  const callbacks = createCallbackSender({ timers, onError })
  const signer = createCallbackSigner({ now, digestEncoding: options.truidDigest ?? 'base64' })
  let url = ''
  const world: SimulatorContext = {
    url: () => url,
    now,
    timers,
    callbacks,
    handsetDelayMs: options.handsetDelayMs ?? 1000,
    slowMs: options.slowMs ?? 20_000,
    retryScale: options.retryScale ?? 1
  }

  const app = Fastify({
    forceCloseConnections: true,
    bodyLimit: 65_536,
    ajv: { customOptions: { removeAdditional: false, coerceTypes: false } }
  })
  app.removeContentTypeParser('text/plain')
  app.addHook('onError', async (request, _reply, error) => {
    if ((error.statusCode ?? 500) >= 500) onError(`${request.method} ${request.routeOptions.url}: ${error.name}`)
  })

  function takeFault(provider: Provider, path: string): Fault['answer'] | undefined {
    const fault = faults.find((one) => one.provider === provider && one.times > 0 && path.startsWith(one.path))
    if (fault === undefined) return undefined
    fault.times -= 1
    if (fault.times <= 0) faults.splice(faults.indexOf(fault), 1)
    return fault.answer
  }

  function receive(provider: Provider) {
    return async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply | undefined> => {
      const path = request.url.replace(/\?.*$/, '')
      if (path.startsWith('/handset/')) return undefined
      requests.push({ provider, method: request.method, path, at: now() })
      if (requests.length > maxRequests) requests.shift()
      const answer = takeFault(provider, path)
      if (answer === 'hang') return reply.hijack()
      if (answer === 'reset') {
        request.raw.socket.resetAndDestroy()
        return reply.hijack()
      }
      if (answer === 'redirect') return reply.redirect(`${url}${request.url}`, 307)
      if (answer === undefined) return undefined
      if (answer === 429 || answer === 503) reply.header('retry-after', '1')
      return reply.code(answer).send()
    }
  }

  function callbackUrl(path: string): string {
    const gatewayUrl = typeof options.gatewayUrl === 'string' ? options.gatewayUrl : options.gatewayUrl()
    return `${gatewayUrl.replace(/\/$/, '')}/callbacks/${path}`
  }
  const truecallerPath = options.callbackKey === undefined ? 'truecaller' : `truecaller/${options.callbackKey}`

  await app.register(async (scope) => {
    scope.addHook('onRequest', receive('truecaller'))
    await scope.register(
      truecaller, { world, appKey: credentials.TRUECALLER_APP_KEY, callbackUrl: () => callbackUrl(truecallerPath) },
    )
  })
  await app.register(async (scope) => {
    scope.addHook('onRequest', receive('truid'))
    const { TRUID_CLIENT_ID: clientId, TRUID_CLIENT_SECRET: clientSecret } = credentials
    await scope.register(truid, { world, clientId, clientSecret, signer })
  })
  await app.register(async (scope) => {
    scope.addHook('onRequest', receive('otpless'))
    const {
      OTPLESS_CLIENT_ID: clientId, OTPLESS_CLIENT_SECRET: clientSecret, OTPLESS_WEBHOOK_SECRET: webhookSecret,
    } = credentials
    await scope.register(
      otpless, { world, clientId, clientSecret, webhookUrl: () => callbackUrl('otpless'), webhookSecret },
    )
  })

  async function close(): Promise<void> {
    timers.stop()
    await app.close()
    await callbacks.close()
  }

  try {
    const reachable = host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host
    const listening = new URL(await app.listen({ port, host }))
    url = `http://${reachable.includes(':') ? `[${reachable}]` : reachable}:${listening.port}`
  } catch (error) {
    await close()
    throw error
  }

  return {
    url,
    settings: {
      ...credentials,
      TRUECALLER_API_URL: url,
      TRUECALLER_PROFILE_URL: url,
      TRUECALLER_PROFILE_HOSTS: new URL(url).host,
      TRUID_API_URL: url,
      OTPLESS_AUTH_URL: url,
      OTPLESS_USER_AUTH_URL: url,
      ALLOW_INSECURE_PROVIDERS: 'true'
    },
    requests,
    fail: ({ path = '', times = 1, ...fault }) => void faults.push({ ...fault, path, times }),
    rotateTruidKey: signer.rotate,
    close
  }
}
