import Fastify, { type FastifyBaseLogger } from 'fastify'
import t from 'tap'
import { auditAction, auditRefusal } from '../../../src/api/plugins/audit.ts'
import type { Caller } from '../../../src/api/plugins/auth.ts'
import { tagAddresses } from '../../../src/api/plugins/client-address.ts'
import { createLogger } from '../../../src/telemetry/logger.ts'

t.test('an audit line says who called, by ids and tags, and which route', async t => {
  const lines: string[] = []
  const loggerInstance: FastifyBaseLogger = createLogger('info', { write: line => { lines.push(line) } })
  const server = Fastify({ loggerInstance, disableRequestLogging: true })
  t.teardown(() => server.close())
  server.decorateRequest('caller', null)
  server.decorateRequest('verificationId', null)
  tagAddresses(server, network => `tag of ${network}`)
  const app = { id: 'shop', name: 'Shop', keys: [] }
  const caller: Caller = { app, keyId: 'main', scopes: new Set() }
  server.delete('/verifications/:id', async request => {
    Object.assign(request, { caller, verificationId: 'ver_x' })
    auditAction(request, 'verification_erased')
    return {}
  })
  server.get('/verifications/:id', async request => {
    auditRefusal(request, 'unauthenticated', undefined)
    auditRefusal(request, 'message_limit', 'tag of a number')
    return {}
  })
  await server.inject({ method: 'DELETE', url: '/verifications/ver_x' })
  await server.inject('/verifications/secret')
  const stranger = { app: null, keyId: null, addressTag: 'tag of 127.0.0.1', route: '/verifications/:id' }
  t.match(lines.map(line => JSON.parse(line)), [
    {
      audit: 'operator_action', action: 'verification_erased', app: 'shop', keyId: 'main',
      addressTag: 'tag of 127.0.0.1', verificationId: 'ver_x', msg: 'audit',
    },
    { audit: 'refused', cause: 'unauthenticated', ...stranger, level: 40 },
    { audit: 'refused', cause: 'message_limit', numberTag: 'tag of a number', ...stranger },
  ])
  t.notMatch(lines.join(), 'verifications/secret', 'never the path')
})
