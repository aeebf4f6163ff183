import { createHash, randomBytes } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { scopes, type App } from '../src/apps/apps.ts'
import { request } from 'undici'
import { setTimeout as delay } from 'node:timers/promises'

/** The API key of the only app. */
export const apiKey = 'vgk_bench'
export const webhookSecret = `whsec_${Buffer.alloc(32, 'of the benchmark').toString('base64')}`

/** A limit that is counted but never reached; a limit that is off would cost nothing. */
const huge = 1_000_000_000
const limits = {
  requestsPerMinute: huge, createsPerMinute: huge, createsPerNumberPerHour: huge, wrongCodesPerNumberPerHour: huge,
  createsPerPrefixPerHour: huge, wrongCodesPerNumberPerDay: huge,
}

export type GatewayOptions = {
  redisUrl: string
  providerUrl: string
  dir: string
  role?: 'all' | 'api' | 'worker'
  port?: number
  publicUrl?: string
  webhookUrl?: string
  environment?: Record<string, string>
}

/** The environment of a gateway as in production, except that its providers are on loopback. */
export async function gatewayEnvironment (
  { redisUrl, providerUrl, dir, role = 'api', port, publicUrl, webhookUrl, environment = {} }: GatewayOptions,
): Promise<{ url: string, environment: Record<string, string> }> {
  const chosen = port ?? await freePort()
  const url = `http://127.0.0.1:${chosen}`
  const app: App = {
    id: 'bench', name: 'Benchmark', limits,
    keys: [{ sha256: createHash('sha256').update(apiKey).digest('hex'), scopes: [...scopes] }],
    unverifiedBudget: { mode: 'enforce', leastPerDay: huge },
    ...webhookUrl === undefined
      ? {}
      : { webhook: { url: webhookUrl, secrets: [webhookSecret], events: ['verification.verified'] } },
  }
  await mkdir(dir, { recursive: true })
  const appsFile = join(dir, `apps-${chosen}.json`)
  await writeFile(appsFile, JSON.stringify([app]))
  const provider = new URL(providerUrl)
  return {
    url,
    environment: {
      PORT: String(chosen), HOST: '127.0.0.1', PUBLIC_URL: publicUrl ?? url, REDIS_URL: redisUrl,
      APPS_FILE: appsFile, ROLE: role,
      SEAL_KEYS: `k1:${randomBytes(32).toString('base64')}`, ALLOW_INSECURE_PROVIDERS: 'true',
      MESSAGES_PER_NUMBER_PER_HOUR: '999999999', MESSAGES_PER_NUMBER_PER_DAY: '999999999',
      IDLE_CONNECTIONS_PER_IP: '999999999',
      TRUECALLER_APP_KEY: 'app-key', TRUECALLER_API_URL: provider.origin, TRUECALLER_PROFILE_URL: provider.origin,
      TRUECALLER_PROFILE_HOSTS: provider.host,
      TRUID_CLIENT_ID: 'client', TRUID_CLIENT_SECRET: 'secret', TRUID_API_URL: provider.origin,
      OTPLESS_CLIENT_ID: 'client', OTPLESS_CLIENT_SECRET: 'secret', OTPLESS_AUTH_URL: provider.origin,
      OTPLESS_USER_AUTH_URL: provider.origin,
      ...environment,
    },
  }
}

/** Waits until `/readyz` returns 200. */
export async function untilReady (url: string): Promise<void> {
  const deadline = performance.now() + 20_000
  for (;;) {
    const status = await request(`${url}/readyz`).then(async ({ statusCode, body }) => {
      await body.dump()
      return statusCode
    }, () => 0)
    if (status === 200) return
    if (performance.now() > deadline) throw new Error('the gateway is not ready after 20 s')
    await delay(5)
  }
}

/** A free loopback port. */
export async function freePort (): Promise<number> {
  const server = createServer()
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  await new Promise(resolve => server.close(resolve))
  if (address === null || typeof address === 'string') throw new Error('no free port')
  return address.port
}
