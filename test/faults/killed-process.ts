import type { Test } from 'tap'
import { clientOf, keys, type Client } from '../helpers/gateway.ts'
import type { GatewayProcess } from '../helpers/process.ts'
import { startProxy, type Proxy } from './proxy.ts'
import { runs, startWire, type Command, type Wire } from './wire.ts'
import type { Deployment } from './deployment.ts'

/**
 * A process that is to die in a window that the test holds open, by its way to Redis or by its way to the providers.
 */
export type KillableProcess = { gateway: GatewayProcess, redis: Wire, providers: Proxy, shop: Client }

/**
 * Starts one; nobody but the test knows its port. `prepare` comes first: what is to be held must be known before there
 * is anything to do.
 */
export async function startKillable (
  t: Test, { redisUrl, simulators, start }: Deployment, environment: Record<string, string>, prepare: (
    ways: Pick<KillableProcess, 'redis' | 'providers'>,
  ) => void = () => {},
): Promise<KillableProcess> {
  const [redis, providers] = await Promise.all(
    [startWire(t, Number(new URL(redisUrl).port)), startProxy(t, simulators.url)],
  )
  prepare({ redis, providers })
  const gateway = await start({ ...environment, PORT: '0', REDIS_URL: redis.url, ...pointedAt(providers) })
  return { gateway, redis, providers, shop: clientOf(await gateway.listening, keys.shop) }
}

/** What makes a process ask these. */
export const pointedAt = ({ url }: Pick<Proxy, 'url'>): Record<string, string> => ({
  OTPLESS_AUTH_URL: url, OTPLESS_USER_AUTH_URL: url, TRUECALLER_API_URL: url, TRUECALLER_PROFILE_URL: url, TRUECALLER_PROFILE_HOSTS: new URL(url).host,
})

/** What a command gives to the script that it runs. */
const valuesOf = (command: Command): Command => command.slice(3 + Number(command[2]))

/**
 * Whether a command writes a new record; or one that is announced like that: a verification with its revision, a
 * delivery with its status.
 */
export const creates = (command: Command): boolean => runs('write.lua')(command) && valuesOf(command)[0] === ''
export const announces = (what: string | number): (command: Command) => boolean => command =>
  runs('write.lua')(command) && (valuesOf(command)[6] ?? '').endsWith(` ${what}`)

/** Whether a command reads a verification, or a delivery. */
const readsOne = (prefix: string) => (
  [name = '', key = '']: Command,
): boolean => /^get$/i.test(name) && key.includes(`:r:${prefix}`)
export const reads = readsOne('ver_')
export const readsDelivery = readsOne('whd_')

/** Whether a command puts a job into this queue. */
export const enqueues = (queue: string): (command: Command) =>
  boolean => ([name = '', , , key = '']) => /^eval/i.test(name) && key.startsWith(`{vg}:${queue}:`)
