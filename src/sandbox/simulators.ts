import { deflateSync, gzipSync } from 'node:zlib'
import Fastify, { type FastifyReply, type FastifyRequest } from 'fastify'
import { acme } from './acme/index.ts'
import { camara } from './camara/index.ts'
import { createCallbackSender } from './callback-sender.ts'
import { createCellular } from './cellular.ts'
import { allowLocalPages } from './cors.ts'
import { firebase } from './firebase/index.ts'
import { createHandset } from './handset.ts'
import { createPage } from './page.ts'
import { otpless } from './otpless/index.ts'
import type { Simulator, SimulatorContext } from './simulator.ts'
import { telegram } from './telegram/index.ts'
import { createTimers } from './timers.ts'
import { truecaller } from './truecaller/index.ts'
import { truid } from './truid/index.ts'
import { twilio } from './twilio/index.ts'
import { vonage } from './vonage/index.ts'
import { createWebhookSink, sinkPath, sinkSecret } from './webhook-sink.ts'

/** Every simulator. A line here adds one to the sandbox. */
export const simulators: readonly Simulator[] = [
  truecaller, truid, otpless, camara, twilio, vonage, telegram, firebase, acme,
]

export type SimulatorOptions = {
  port?: number
  host?: string
  /** Origin of the gateway, to which callbacks with a registered URL go. */
  gatewayUrl: string | (() => string)
  /** Default: all. */
  simulators?: readonly Simulator[]
  /** Settings that the gateway has besides those of the simulators, such as `TRUECALLER_CALLBACK_KEY`. */
  settings?: Readonly<Record<string, string | undefined>>
  /** How long a simulated person takes to act, default 1000. */
  handsetDelayMs?: number
  /** How long the suffix 93 takes, default 20 000. */
  slowMs?: number
  /** How long a silent operator keeps a browser waiting, default 15 000. */
  silenceMs?: number
  /** Factor on the pauses between tries of a callback, default 1. */
  retryScale?: number
  now?: () => number
  onError?: (message: string) => void
}

/** One request that a provider received; the path has no query. */
export type ProviderRequest = { provider: string, method: string, path: string, at: number }

/**
 * Replaces the next `times` (1) answers of a provider: no answer, a reset connection, a redirect to the same URL, or a
 * bare status (429 and 503 with `Retry-After: 1`). `path` limits it to paths that begin with it.
 */
export type Fault = {
  provider: string, answer: 'hang' | 'reset' | 'redirect' | number, path?: string, times?: number,
}

export type Simulators = {
  /** Origin that serves all of them. */
  url: string
  /** The environment variables that point a gateway at them. */
  settings: Record<string, string>
  /** The latest requests, oldest first; at most 10 000 are kept. */
  requests: ProviderRequest[]
  fail: (fault: Fault) => void
  /** An endpoint that receives webhooks, and shows them at the same URL. */
  webhook: { url: string, secret: string }
  /** The page of the sandbox, for a server of the gateway. */
  page: ReturnType<typeof createPage>
  close: () => Promise<void>
}

const maxRequests = 10_000

/** Starts the simulators on one origin. scenarios.ts says what they do with a number. */
export async function startSimulators (options: SimulatorOptions): Promise<Simulators> {
  const { port = 0, host = '127.0.0.1', now = Date.now, onError = () => {}, simulators: chosen = simulators } = options
  const requests: ProviderRequest[] = []
  const faults = createFaults()
  const timers = createTimers()
  const callbacks = createCallbackSender({ timers, onError })
  const { handset, routes: handsetRoutes } = createHandset(now)
  const gatewayUrl = (): string => typeof options.gatewayUrl === 'string' ? options.gatewayUrl : options.gatewayUrl()
  let url = ''
  const context: SimulatorContext = {
    url: () => url,
    callbackUrl (provider, key) {
      return `${gatewayUrl().replace(/\/$/, '')}/callbacks/${provider}${key === undefined ? '' : `/${key}`}`
    },
    settings: options.settings ?? {},
    now,
    timers,
    callbacks,
    handset,
    handsetDelayMs: options.handsetDelayMs ?? 1000,
    slowMs: options.slowMs ?? 20_000,
    silenceMs: options.silenceMs ?? 15_000,
    retryScale: options.retryScale ?? 1,
  }
  const app = createServer(onError)
  allowLocalPages(app, ['/handset/', sinkPath], gatewayUrl)
  await app.register(handsetRoutes)
  await app.register(createWebhookSink(now))
  await app.register(createCellular({ simulatorsUrl: () => url, gatewayUrl }))

  const receive = (provider: string) => async (request: FastifyRequest, reply: FastifyReply) => {
    const path = request.url.replace(/\?.*$/, '')
    if (/^\/(handset|control)\//.test(path)) return undefined
    requests.push({ provider, method: request.method, path, at: now() })
    if (requests.length > maxRequests) requests.shift()
    const answer = faults.take(provider, path)
    return answer === undefined ? undefined : sendFault(answer, request, reply, url)
  }
  for (const { provider, routes } of chosen) {
    await app.register(async scope => {
      scope.addHook('onRequest', receive(provider))
      await scope.register(routes, { context })
    })
  }

  async function close (): Promise<void> {
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
  const settings = Object.assign(
    { ALLOW_INSECURE_PROVIDERS: 'true' }, ...chosen.map(simulator => simulator.settings(url)),
  )
  const webhook = { url: `${url}${sinkPath}`, secret: sinkSecret }
  return { url, settings, requests, fail: faults.add, webhook, page: createPage({ url, webhook }), close }
}

function createServer (onError: (message: string) => void) {
  const app = Fastify({
    forceCloseConnections: true,
    bodyLimit: 65_536,
    ajv: { customOptions: { removeAdditional: false, coerceTypes: false } },
    // Fastify's own answers repeat the path and the query, in which a client may have put a secret.
    frameworkErrors: (_error, _request, reply: FastifyReply) => void reply.code(400).send({ message: 'Bad request' }),
  })
  app.setNotFoundHandler((_request, reply) => reply.code(404).send({ message: 'Not found' }))
  app.removeContentTypeParser('text/plain')
  app.addHook('onSend', compress)
  app.addHook('onError', async (request, _reply, error) => {
    if ((error.statusCode ?? 500) >= 500) onError(`${request.method} ${request.routeOptions.url}: ${error.name}`)
  })
  return app
}

const encoders = { gzip: gzipSync, deflate: deflateSync }

/** Compresses an answer for a client that says it can read that, as the hosts of vendors do. */
async function compress (request: FastifyRequest, reply: FastifyReply, payload: unknown): Promise<unknown> {
  const codings = String(request.headers['accept-encoding'] ?? '').split(',').map(part => part.trim())
  const accepted = codings.filter(part => !/;\s*q=0(\.0*)?$/.test(part))
  const encoding = (['gzip', 'deflate'] as const).find(one => accepted.some(part => part.startsWith(one)))
  if (encoding === undefined || typeof payload !== 'string' || payload === '') return payload
  reply.headers({ 'content-encoding': encoding, vary: 'accept-encoding' })
  return encoders[encoding](payload)
}

function createFaults () {
  const faults: Required<Fault>[] = []
  return {
    add: ({ path = '', times = 1, ...fault }: Fault): void => void faults.push({ ...fault, path, times }),
    take (provider: string, path: string): Fault['answer'] | undefined {
      const fault = faults.find(one => one.provider === provider && one.times > 0 && path.startsWith(one.path))
      if (fault === undefined) return undefined
      fault.times -= 1
      if (fault.times <= 0) faults.splice(faults.indexOf(fault), 1)
      return fault.answer
    },
  }
}

function sendFault (answer: Fault['answer'], request: FastifyRequest, reply: FastifyReply, url: string): FastifyReply {
  if (answer === 'redirect') return reply.redirect(`${url}${request.url}`, 307)
  if (answer === 'reset') request.raw.socket.resetAndDestroy()
  if (answer === 'hang' || answer === 'reset') return reply.hijack()
  if (answer === 429 || answer === 503) reply.header('retry-after', '1')
  return reply.code(answer).send()
}
