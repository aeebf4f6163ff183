import { Redis } from 'ioredis'

/** What a Redis has used and done so far. */
export type RedisUsage = { cpuMicros: number, commands: Record<string, number> }

/** A Redis, watched. */
export type RedisMeter = {
  url: string
  client: Redis
  usage (): Promise<RedisUsage>
  /** Bytes of what is stored, without buffers of connections and of the allocator. */
  datasetBytes (): Promise<number>
  flush (): Promise<void>
  version: string
  close (): void
}

/**
 * Connects to look. What it asks itself (`INFO`, `FLUSHALL`) is not counted, nor what a gateway asks every second or
 * two whatever it does (`TIME`, `HGETALL`).
 */
export async function watchRedis (url: string): Promise<RedisMeter> {
  const client = new Redis(url, { retryStrategy: null })
  client.on('error', () => {})
  const info = async (section: string): Promise<string> => String(await client.call('INFO', section))
  const number = (text: string, name: string): number =>
    Number(new RegExp(`^${name}:([\\d.]+)`, 'm').exec(text)?.[1] ?? NaN)
  const server = await info('server')
  return {
    url,
    client,
    version: /^(?:valkey_version|redis_version):(\S+)/m.exec(server)?.[1] ?? 'unknown',
    async usage () {
      const [cpu, stats] = await Promise.all([info('cpu'), info('commandstats')])
      const counted = [...stats.matchAll(/^cmdstat_(\S+?):calls=(\d+)/gm)].map(
        ([, name = '', calls]) => [name, Number(calls)] as const,
      )
      return {
        cpuMicros: (number(cpu, 'used_cpu_sys_main_thread') + number(cpu, 'used_cpu_user_main_thread')) * 1e6,
        commands: Object.fromEntries(
          counted.filter(([name]) => !['info', 'flushall', 'ping', 'monitor', 'time', 'hgetall'].includes(name)),
        ),
      }
    },
    datasetBytes: async () => number(await info('memory'), 'used_memory_dataset'),
    flush: async () => { await client.flushall('SYNC') },
    close: () => client.disconnect(),
  }
}

/** How often each command ran in between; what ran inside scripts is among it. */
export function countCommands (before: RedisUsage, after: RedisUsage): Record<string, number> {
  return Object.fromEntries(Object.entries(after.commands)
    .map(([name, calls]) => [name, calls - (before.commands[name] ?? 0)] as const)
    .filter(([, calls]) => calls > 0))
}
