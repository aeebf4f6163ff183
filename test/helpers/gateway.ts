import { createHash, randomBytes } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { request } from 'undici'
import { startApp, type AppOptions, type RunningApp } from '../../src/app.ts'
import { scopes, type App } from '../../src/apps/apps.ts'
import { readConfig } from '../../src/config.ts'
import { createLogger } from '../../src/telemetry/logger.ts'
import { otpless } from '../../src/sandbox/otpless/index.ts'
import { startSimulators, type SimulatorOptions, type Simulators } from '../../src/sandbox/simulators.ts'
import { truecaller } from '../../src/sandbox/truecaller/index.ts'
import { truid } from '../../src/sandbox/truid/index.ts'
import { freePort, startRedis, until } from './redis.ts'

type Teardown = { teardown (run: () => unknown): void }

/** A response of the API; `body` is parsed JSON, or `text`. */
export type Answer = {
  status: number, headers: Record<string, string | string[] | undefined>, body: Record<string, any>,
}

/** A caller of the API over real HTTP, with one credential. */
export type Client = {
  call (method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Answer>
  create (body: unknown, headers?: Record<string, string>): Promise<Answer>
  /** Long-polls until the verification is final, or until it matches. */
  waitFor (id: string, isWanted?: (verification: Record<string, any>) => boolean): Promise<Record<string, any>>
}

export const keys = { shop: 'vgk_test_shop', bank: 'vgk_test_bank', reader: 'vgk_test_reader' }
const hash = (key: string): string => createHash('sha256').update(key).digest('hex')

/** Tests use the same few numbers repeatedly. */
const noLimits = {
  createsPerNumberPerHour: null, wrongCodesPerNumberPerHour: null, wrongCodesPerNumberPerDay: null,
  createsPerPrefixPerHour: null, createsPerMinute: null, requestsPerMinute: null,
}
const noBudget = { mode: 'off' } as const
const manyMessages = { MESSAGES_PER_NUMBER_PER_HOUR: '999999', MESSAGES_PER_NUMBER_PER_DAY: '999999' }

/** Two apps that cannot see each other's verifications, and a key with read access only. */
export const testApps: App[] = [
  {
    id: 'shop', name: 'Shop', limits: noLimits, unverifiedBudget: noBudget, includeProfile: true, allowedOrigins: [
      'https://shop.example',
    ], allowedReturnUrls: ['https://shop.example/verified', 'https://shop.example/app/', 'com.example.app:/verify'],
    keys: [
      { sha256: hash(keys.shop), scopes: [...scopes] }, { sha256: hash(keys.reader), scopes: ['verifications:read'] },
    ],
  },
  {
    id: 'bank', name: 'Bank', limits: noLimits, unverifiedBudget: noBudget,
    keys: [{ sha256: hash(keys.bank), scopes: [...scopes] }],
  },
]

export const webhookSecret = `whsec_${Buffer.alloc(32, 'of the shop').toString('base64')}`

/** The two apps, the first with a webhook; `events` default to those that every app gets. */
export const withWebhook = (url: string, events?: NonNullable<App['webhook']>['events']): App[] => testApps.map(app =>
  app.id === 'shop'
    ? { ...app, webhook: { url, secrets: [webhookSecret], ...(events === undefined ? {} : { events }) } }
    : app)

/** How often a request that the server shed is repeated: a bound against hanging. */
const maxShed = 60

export function clientOf (url: string, credential: string | null): Client {
  const send: Client['call'] = async (method, path, body, headers = {}) => {
    const answer = await request(new URL(path, url), {
      method: method as 'GET',
      headers: {
        ...(credential === null ? {} : { authorization: `Bearer ${credential}` }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers,
      },
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    })
    const text = await answer.body.text()
    let parsed: Record<string, any>
    try { parsed = JSON.parse(text) } catch { parsed = { text } }
    return { status: answer.statusCode, headers: answer.headers, body: parsed }
  }
  /** On a busy machine a gateway may shed load, which is not what the tests are about: those requests are repeated. */
  const call: Client['call'] = async (...request) => {
    for (let tries = 1; ; tries += 1) {
      const answer = await send(...request)
      const isShed = answer.body['code'] === 'overloaded' && !/stopping|same time|streams/.test(answer.body['detail'])
      if (!isShed || tries === maxShed) return answer
      await delay(Number(answer.headers['retry-after']) * 1_000)
    }
  }
  return {
    call,
    create: (body, headers) => call('POST', '/verifications', body, headers),
    async waitFor (id, isWanted = ({ status }) => status !== 'pending') {
      let seen: Record<string, any> = {}
      await until(async () => {
        seen = (await call('GET', `/verifications/${id}?wait=2&revision=${seen['revision'] ?? 0}`)).body
        return isWanted(seen)
      }, `the verification matches; last seen ${JSON.stringify(seen)}`)
      return seen
    },
  }
}

/** The environment of a test gateway: a Redis of its own, the simulators, and two apps unless the test has its own. */
export async function testEnvironment (
  t: Teardown, { redisUrl, simulatorOptions = {}, environment = {}, apps = testApps }: {
    redisUrl?: string, simulatorOptions?: Partial<SimulatorOptions>, environment?: Record<string, string>, apps?: App[],
  } = {},
): Promise<{ environment: Record<string, string>, url: string, simulators: Simulators }> {
  const port = await freePort()
  const url = `http://127.0.0.1:${port}`
  const folder = await mkdtemp(join(tmpdir(), 'verigate-apps-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const appsFile = join(folder, 'apps.json')
  await writeFile(appsFile, JSON.stringify(apps))
  const simulators = await startSimulators({
    gatewayUrl: url, handsetDelayMs: 100, slowMs: 1_500, simulators: [truecaller, truid, otpless], ...simulatorOptions,
  })
  t.teardown(() => simulators.close())
  return {
    url, simulators,
    environment: {
      PORT: String(port), HOST: '127.0.0.1', PUBLIC_URL: url, REDIS_URL: redisUrl ?? (
        await startRedis(t)
      ).url, APPS_FILE: appsFile,
      SEAL_KEYS: `k1:${randomBytes(32).toString('base64')}`, ...simulators.settings, ...manyMessages, ...environment,
    },
  }
}

export type TestGateway = {
  url: string
  app: RunningApp
  simulators: Simulators
  /** The log lines. */
  logs: string[]
  environment: Record<string, string>
  shop: Client
  bank: Client
}

/**
 * Starts a gateway in this process, with real HTTP, Redis and simulators; it ends with the test. `now` is its clock.
 */
export async function startGateway (
  t: Teardown, options: Parameters<typeof testEnvironment>[1] & Omit<AppOptions, 'log'> = {},
): Promise<TestGateway> {
  const { environment, simulators } = await testEnvironment(t, options)
  return { ...await startIn(t, environment, options), simulators, environment }
}

type StartOptions = Omit<AppOptions, 'log'>

/** Starts a second gateway on the Redis, simulators and apps of another one. */
export async function startBeside (
  t: Teardown, { environment, simulators }: TestGateway, options: StartOptions = {},
): Promise<TestGateway> {
  const PORT = String(await freePort())
  return { ...await startIn(t, { ...environment, PORT }, options), simulators, environment }
}

async function startIn (
  t: Teardown, environment: Record<string, string>, options: StartOptions,
): Promise<Omit<TestGateway, 'simulators' | 'environment'>> {
  const logs: string[] = []
  const log = createLogger('debug', { write: line => { logs.push(line) } })
  const config = readConfig(environment)
  // A test that compares counts scrapes often.
  const app = await startApp(config, { renderMetricsEveryMs: 0, ...options, log })
  t.teardown(() => app.close())
  const url = await app.server.listen({ port: config.port, host: config.host })
  return { url, app, logs, shop: clientOf(url, keys.shop), bank: clientOf(url, keys.bank) }
}
