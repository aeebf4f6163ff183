import { writeFileSync } from 'node:fs'
import { Registry } from 'prom-client'
import { pino } from 'pino'
import type { Gateway } from '../src/verifications/gateway.ts'
import type { Ids } from '../src/store/ids.ts'
import { createDocsServer } from '../src/api/openapi/docs-server.ts'
import { buildServer } from '../src/api/server.ts'
import manifest from '../package.json' with { type: 'json' }
import { noTracing } from '../src/telemetry/tracing.ts'

const unused = (): never => { throw new Error('the document does not need this function') }
const gateway: Gateway = {
  create: unused, get: unused, listen: unused, check: unused, next: unused, resend: unused, cancel: unused,
  erase: unused, find: unused, receive: unused, readReturn: unused, providers: unused, eligibility: unused,
  resolve: unused, notify: unused, isSweepDue: unused, sweep: unused,
}
const ids: Ids = {
  newId: unused, checkId: unused, partitionOf: unused, deliveryId: unused, readDeliveryId: unused, callbackKey: unused,
  readCallbackKey: unused, clientSecret: unused, readClientSecret: unused, attemptId: unused,
}

/** The text of `openapi/openapi.json`. Needs neither Redis nor providers. */
export async function buildOpenapi (): Promise<string> {
  const server = await buildServer({
    config: {
      publicUrl: 'http://localhost', role: 'api', sandbox: false, operations: null, trustedProxies: [],
      clientRequestsPerMinute: 1, ipRequestsPerMinute: 1,
      privateIpRequestsPerMinute: 1, idleConnectionsPerIp: 1, queueLimitMs: 1,
    },
    health: { live: unused, ready: unused, isDraining: false },
    telemetry: {
      metrics: {
        registry: new Registry(), registerRoute: () => {}, countRequest: unused, countRefused: unused,
        recordQueue: unused, recordWait: unused,
      },
      log: pino({ level: 'silent' }), tracing: noTracing,
    },
    access: {
      apps: { byKey: unused, all: unused }, ids, windowCounters: { count: unused, increment: unused }, now: unused,
      addressTag: unused,
    },
    gateway, deliveries: { list: unused, replay: unused, test: unused },
  })
  const docs = await createDocsServer(server.documented, { version: manifest.version, sandbox: false, url: null })
  const document = docs.swagger()
  await Promise.all([server.close(), docs.close()])
  return `${JSON.stringify(document, null, 2)}\n`
}

if (import.meta.main) {
  const text = await buildOpenapi()
  writeFileSync(new URL('../openapi/openapi.json', import.meta.url), text)
  const { writeTypes } = await import('../packages/client/generate.ts')
  await writeTypes(text)
}
