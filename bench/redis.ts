import { Redis } from 'ioredis'

/** CPU and commands of a Redis since its start. */
export type RedisUsage = { cpuMicros: number, commands: Record<string, number> }

/** A Redis that is measured. */
export type RedisMeter = {
  url: string
  client: Redis
  usage (): Promise<RedisUsage>
  /** Bytes of the stored data, without connection buffers and allocator overhead. */
  datasetBytes (): Promise<number>
  /** Bytes of the append-only file. */
  appendOnlyBytes (): Promise<number>
  flush (): Promise<void>
  version: string
  close (): void
}

/**
 * Connects to a Redis. The counts leave out the meter's own commands (`INFO`, `FLUSHALL`) and those that an idle
 * gateway sends every second or two (`TIME`, `HGETALL`).
 */
export async function openRedisMeter (url: string): Promise<RedisMeter> {
  const client = new Redis(url, { retryStrategy: null })
  client.on('error', () => {})
  const info = async (section: string): Promise<string> => String(await client.call('INFO', section))
  const number = (text: string, name: string): number =>
    Number(new RegExp(`^${name}:([\\d.]+)`, 'm').exec(text)?.[1] ?? NaN)
  const server = await info('server')
  return {
    url,
    client,
    appendOnlyBytes: async () => number(await info('persistence'), 'aof_current_size'),
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

/** How often each command ran in between, including those in scripts. */
export function countCommands (before: RedisUsage, after: RedisUsage): Record<string, number> {
  return Object.fromEntries(Object.entries(after.commands)
    .map(([name, calls]) => [name, calls - (before.commands[name] ?? 0)] as const)
    .filter(([, calls]) => calls > 0))
}
