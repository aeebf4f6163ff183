import { betterAuth } from 'better-auth'
import { getMigrations } from 'better-auth/db/migration'
import { toNodeHandler } from 'better-auth/node'
import { phoneNumber } from 'better-auth/plugins'
import { Redis } from 'ioredis'
import { createServer } from 'node:http'
import { DatabaseSync } from 'node:sqlite'
import pg from 'pg'
import { Pool } from 'undici'

// better-auth with its phone-number plugin: codes in Redis, users in PostgreSQL (without one, in SQLite in memory), its
// rate limit off, no session.

const redis = new Redis(process.env.REDIS_URL)
const sink = new Pool(process.env.SINK_URL)
const { POSTGRES_URL: connectionString } = process.env
const options = {
  baseURL: 'http://127.0.0.1', secret: 'of the benchmark, 32 characters or more',
  database: connectionString ? new pg.Pool({ connectionString, max: 20 }) : new DatabaseSync(':memory:'),
  secondaryStorage: {
    get: key => redis.get(key),
    set: (key, value, ttl) => ttl ? redis.set(key, value, 'EX', ttl) : redis.set(key, value),
    delete: key => redis.del(key),
    getAndDelete: key => redis.getdel(key),
  },
  rateLimit: { enabled: false }, telemetry: { enabled: false }, logger: { disabled: true },
  plugins: [phoneNumber({
    async sendOTP ({ phoneNumber, code }) {
      const { body } = await sink.request({
        method: 'POST', path: '/code', headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ phoneNumber, code }),
      })
      await body.dump()
    },
    signUpOnVerification: { getTempEmail: number => `${number.slice(1)}@example.com` },
  })],
}
await (await getMigrations(options)).runMigrations()
const server = createServer(toNodeHandler(betterAuth(options)))
server.keepAliveTimeout = 600_000
server.listen(0, '127.0.0.1', () => process.send?.({ listening: `http://127.0.0.1:${server.address().port}` }))
