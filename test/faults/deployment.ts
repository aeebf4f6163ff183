import type { Test } from 'tap'
import type { App } from '../../src/apps/apps.ts'
import type { SimulatorOptions, Simulators } from '../../src/sandbox/simulators.ts'
import { clientOf, keys, testEnvironment, withWebhook, type Client } from '../helpers/gateway.ts'
import { startProcess, type GatewayProcess } from '../helpers/process.ts'
import { startRedis } from '../helpers/redis.ts'
import { startReceiver, type Received, type Receiver } from '../sandbox/receiver.ts'
import { createOracle, type Oracle } from './oracle.ts'

/**
 * What surrounds the gateway processes: Redis, providers, an app with a webhook, and the oracle. The test starts the
 * processes.
 */
export type Deployment = {
  redisUrl: string
  url: string
  simulators: Simulators
  receiver: Receiver
  shop: Client
  anybody: Client
  oracle: Oracle
  /** Starts a process, of this version unless `main` names another one; the oracle reads its logs. */
  launch (environment: Record<string, string>, options?: { main?: string }): GatewayProcess
  /** Starts a process and waits until it listens. */
  start (environment: Record<string, string>, options?: { main?: string }): Promise<GatewayProcess>
  /** Environments: of a process with all roles, of an api (at `url`), and of a worker. */
  all: Record<string, string>
  api: Record<string, string>
  worker: Record<string, string>
}

export type DeploymentOptions = {
  /** Default: an empty Redis for this test, without persistence. */
  redisUrl?: string
  simulatorOptions?: Partial<SimulatorOptions>
  environment?: Record<string, string>
  /**
   * The fault loses writes that no replica had. What they ended ends again, and is logged again; apps and webhooks saw
   * nothing of the first end.
   */
  losesUnreplicated?: boolean
  events?: NonNullable<App['webhook']>['events']
  /** The status of the app's response to each webhook; undefined: no response. */
  answer?: (received: Received) => number | undefined
}

export async function startDeployment (
  t: Test,
  { redisUrl, simulatorOptions, environment: extra = {}, losesUnreplicated = false, events, answer }: DeploymentOptions
  = {},
): Promise<Deployment> {
  const receiver = await startReceiver(t, answer)
  const redis = redisUrl ?? (await startRedis(t)).url
  const { environment, url, simulators } = await testEnvironment(t, {
    redisUrl: redis, apps: withWebhook(receiver.url, events),
    // Receipts of messages are changes that no test causes.
    environment: { OTPLESS_WEBHOOK_SECRET: '', ...extra },
    // Long enough that on a busy machine, too, the callback rarely overtakes the response to the start.
    simulatorOptions: { retryScale: 0.1, handsetDelayMs: 200, ...simulatorOptions },
  })
  const shop = clientOf(url, keys.shop)
  const processes: GatewayProcess[] = []
  const launch: Deployment['launch'] = (environment, options) => {
    const started = startProcess(t, environment, options)
    processes.push(started)
    return started
  }
  return {
    redisUrl: redis, url, simulators, receiver, shop, anybody: clientOf(url, null),
    oracle: await createOracle(t, {
      shop, redisUrl: redis, receiver, logs: () => losesUnreplicated ? [] : processes.flatMap(({ logs }) => logs),
    }),
    launch,
    async start (environment, options) {
      const started = launch(environment, options)
      await started.listening
      return started
    },
    all: environment, api: { ...environment, ROLE: 'api' }, worker: { ...environment, ROLE: 'worker', PORT: '0' },
  }
}

/** `npm run test:all` runs the long form of the fault tests, `npm test` the short form. */
export const isLong = process.env['FAULTS'] === 'long'
export const longOrShort = (full: number, short: number): number => isLong ? full : short
