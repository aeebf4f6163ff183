import type { Test } from 'tap'
import { clientOf, keys, type Client } from '../helpers/gateway.ts'
import type { GatewayProcess } from '../helpers/process.ts'
import { startProxy, type Proxy } from './proxy.ts'
import { runs, startWire, type Command, type Wire } from './wire.ts'
import type { Deployment } from './deployment.ts'

/**
 * A gateway process that the test kills at an exact moment: proxies to Redis and to the providers hold a message back
 * until then.
 */
export type KillableProcess = { gateway: GatewayProcess, redis: Wire, providers: Proxy, shop: Client }

/**
 * Starts the process on a port of its own. `prepare` runs before it, so that no message passes before the hold is set.
 */
export async function startKillable (
  t: Test, { redisUrl, simulators, start }: Deployment, environment: Record<string, string>, prepare: (
    proxies: Pick<KillableProcess, 'redis' | 'providers'>,
  ) => void = () => {},
): Promise<KillableProcess> {
  const [redis, providers] = await Promise.all(
    [startWire(t, Number(new URL(redisUrl).port)), startProxy(t, simulators.url)],
  )
  prepare({ redis, providers })
  const gateway = await start({ ...environment, PORT: '0', REDIS_URL: redis.url, ...pointedAt(providers) })
  return { gateway, redis, providers, shop: clientOf(await gateway.listening, keys.shop) }
}

/** The settings that send a process's provider calls through this proxy. */
export const pointedAt = ({ url }: Pick<Proxy, 'url'>): Record<string, string> => ({
  OTPLESS_AUTH_URL: url, OTPLESS_USER_AUTH_URL: url, TRUECALLER_API_URL: url, TRUECALLER_PROFILE_URL: url,
  TRUECALLER_PROFILE_HOSTS: new URL(url).host,
})

/** The arguments of the script that a command runs. */
const valuesOf = (command: Command): Command => command.slice(3 + Number(command[2]))

/** Whether a command inserts a record. */
export const creates = (command: Command): boolean => runs('write.lua')(command) && valuesOf(command)[0] === ''
/** Whether a command writes a verification with this revision, which it publishes. */
export const announces = (revision: number): (command: Command) => boolean => command =>
  runs('write.lua')(command) && (valuesOf(command)[6] ?? '').endsWith(` ${revision}`)
/** Whether a command saves the result of a delivery's try. */
export const savesTry = (command: Command): boolean =>
  runs('write.lua')(command) && (command[3] ?? '').includes('}rwhd_') && valuesOf(command)[0] !== ''

/** Whether a command reads a record of this kind. */
const readsOne = (prefix: string) => (
  [name = '', key = '']: Command,
): boolean => /^get$/i.test(name) && key.includes(`}r${prefix}`)
export const reads = readsOne('ver_')
export const readsDelivery = readsOne('whd_')

/** Whether a command adds a job to this queue. */
export const enqueues = (queue: string): (command: Command) =>
  boolean => ([name = '', , , key = '']) => /^eval/i.test(name) && key.startsWith(`{vg}:${queue}:`)
