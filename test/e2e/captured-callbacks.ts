import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import type { Test } from 'tap'
import type { SimulatorOptions } from '../../src/sandbox/simulators.ts'
import { startGateway } from '../helpers/gateway.ts'
import { scrape, sumOf } from '../helpers/metrics.ts'
import { until } from '../helpers/redis.ts'
import { startReceiver, type Received } from '../sandbox/receiver.ts'
import { openDeepLink, post } from './end-user.ts'
import { callbackResults, type CallbackResult } from '../../src/core/vocabulary.ts'

type Counts = Partial<Record<CallbackResult, number>>
/** The headers that a provider signs or authenticates with. */
const signed = ['authorization', 'date', 'digest', 'x-tru-callback', 'x-signature']

/** Starts a gateway whose providers send their callbacks to the test, which delivers them when and how it wants. */
export async function startCapturing (
  t: Test, environment: Record<string, string> = {}, simulatorOptions: Partial<SimulatorOptions> = {}, publicPath = '',
) {
  const receiver = await startReceiver(t)
  const gateway = await startGateway(t, {
    simulatorOptions: { gatewayUrl: receiver.url, ...simulatorOptions }, environment: {
      PUBLIC_URL: `${receiver.url}${publicPath}`, ...environment,
    },
  })
  const { url, shop, simulators } = gateway
  const capture = async (isWanted: (one: Received) => boolean): Promise<Received> => {
    let found: Received | undefined
    await until(() => (found = receiver.received.find(isWanted)) !== undefined, 'the callback arrives')
    if (found === undefined) throw new Error('no callback')
    return found
  }
  const counts = async (provider = 'truecaller'): Promise<[CallbackResult, number][]> => {
    const series = await scrape(url)
    return callbackResults.map(result =>
      [result, sumOf(series, 'verigate_callbacks_total', { provider, result }) ?? 0])
  }
  return {
    ...gateway, capture,
    /** Counts the callbacks that arrive during `work`, by result. */
    async counted (work: () => Promise<unknown>, provider?: string): Promise<Counts> {
      const before = new Map(await counts(provider))
      await work()
      const after = await counts(provider)
      return Object.fromEntries(
        after.map(
          ([result, count]) => [result, count - (before.get(result) ?? 0)] as const,
        ).filter(([, more]) => more > 0),
      )
    },
    /** Delivers a callback as it was captured, or changed, with the headers that were signed. */
    deliver: async ({ path, text, headers = {} }: Pick<Received, 'path' | 'text'> & Partial<Received>) =>
      post(
        `${url}${path}`, text,
        Object.fromEntries(signed.flatMap(name => typeof headers[name] === 'string' ? [[name, headers[name]]] : [])),
      ),
    say: async (body: unknown, path = '/callbacks/truecaller') => post(`${url}${path}`, body),
    revisionOf: async (id: string): Promise<number> => (
      await shop.call('GET', `/verifications/${id}`)
    ).body['revision'],
    /**
     * Creates a Truecaller verification that waits for its callback; `grant` is that callback, with a token for
     * `phone`.
     */
    async approve (phone: string, request: object = {}) {
      const { body } = await shop.create({ workflow: ['truecaller.web'], ...request })
      const nonce = new URL(body['nextAction'].url).searchParams.get('requestNonce') ?? ''
      await openDeepLink(simulators, body['nextAction'].url, phone)
      return {
        id: String(body['id']), revision: Number(body['revision']), nonce,
        grant: await capture(one => one.body['requestId'] === nonce && 'accessToken' in one.body),
      }
    },
  }
}
export type Capturing = Awaited<ReturnType<typeof startCapturing>>

/**
 * A server that answers like Truecaller and accepts every token; `start` returns the status for a push request, with
 * the same id each time.
 */
export async function startFakeTruecaller (
  t: Test, phoneNumber: string, start: (body: Record<string, unknown>) => Promise<number> = async () => 200,
) {
  const readBody = async (request: IncomingMessage): Promise<Record<string, unknown>> =>
    JSON.parse((await request.toArray()).join('') || '{}')
  let count = 0
  const server = createServer(async (request, response) => {
    count += 1
    const status = request.method === 'POST' ? await start(await readBody(request)) : 200
    const body = { requestId: 'r', phoneNumbers: [Number(phoneNumber.slice(1))] }
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  const address = server.address()
  return { port: typeof address === 'object' ? address?.port ?? 0 : 0, count: () => count }
}
