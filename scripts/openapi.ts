import { writeFileSync } from 'node:fs'
import { Registry } from 'prom-client'
import { pino } from 'pino'
import type { Gateway } from '../src/verifications/gateway.ts'
import type { Ids } from '../src/store/ids.ts'
import { buildServer } from '../src/api/server.ts'
import { noTracing } from '../src/telemetry/tracing.ts'

const idle = (): never => { throw new Error('this server only describes itself') }
const gateway: Gateway = {
  create: idle, get: idle, listen: idle, check: idle, next: idle, resend: idle, cancel: idle, erase: idle, find: idle, receive: idle,
  readReturn: idle, providers: idle, resolve: idle, notify: idle, sweep: idle,
}
const ids: Ids = {
  newId: idle, checkId: idle, partitionOf: idle, deliveryId: idle, readDeliveryId: idle, callbackKey: idle, readCallbackKey: idle, clientSecret: idle,
  readClientSecret: idle, attemptId: idle,
}

/** The OpenAPI document, as text: `openapi/openapi.json`. Needs no store and no provider. */
export async function buildOpenapi (): Promise<string> {
  const server = await buildServer({
    gateway, deliveries: {
      list: idle, replay: idle, test: idle,
    }, ids, apps: { byKey: idle, all: idle }, windowCounters: { increment: idle },
    config: {
      publicUrl: 'http://localhost', role: 'api', sandbox: false, operations: null, trustedProxies: [],
      clientRequestsPerMinute: 1, ipRequestsPerMinute: 1,
    },
    metrics: {
      registry: new Registry(), registerRoute: () => {}, countRequest: idle, countRefused: idle,
    }, log: pino({ level: 'silent' }),
    tracing: noTracing, health: { live: idle, ready: idle, isDraining: idle }, now: idle,
  })
  await server.ready()
  const document = server.swagger()
  await server.close()
  return `${JSON.stringify(document, null, 2)}\n`
}

if (import.meta.main) writeFileSync(new URL('../openapi/openapi.json', import.meta.url), await buildOpenapi())
