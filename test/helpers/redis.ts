import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { findRedis } from '../../scripts/redis.ts'
import { connectRedis, untilReady } from '../../src/store/redis.ts'
import type { RedisClient, RedisKind } from '../../src/store/redis.ts'

type Teardown = { teardown (run: () => unknown): void }

/** A Redis for one test: on loopback, on a free port, without persistence. */
export type TestRedis = {
  url: string
  port: number
  /** Freezes the server (SIGSTOP): connections stay open, and replies stop. */
  pause (): void
  resume (): void
  /** Kills the server, as a crash does. */
  stop (): Promise<void>
}

/**
 * A free loopback port, below the range that systems use for outgoing connections: such a connection could take it
 * before the server listens.
 */
export const freePort = async (tries = 50): Promise<number> => {
  const port = 10_000 + Math.floor(Math.random() * 22_000)
  const server = createServer().listen(port, '127.0.0.1')
  const isFree = await once(server, 'listening').then(() => true, () => false)
  if (!isFree && tries > 1) return freePort(tries - 1)
  if (!isFree) throw new Error('no port is free')
  server.close()
  await once(server, 'close')
  return port
}

/**
 * Waits until the condition is true. `timeoutMs` is a bound against hanging, not a measure: a busy machine may need
 * most of it.
 */
export const until = async (
  isTrue: () => boolean | Promise<boolean>, what: string, timeoutMs = 90_000,
): Promise<void> => {
  const deadline = performance.now() + timeoutMs
  while (!await isTrue()) {
    if (performance.now() > deadline) throw new Error(`not within ${timeoutMs} ms: ${what}`)
    await delay(20)
  }
}

// Another process may take the port before the server listens: then the server ends, and the next port is tried.
const spawnServer = async (args: string[], tries = 5): Promise<{ child: ChildProcess, port: number }> => {
  const port = await freePort()
  const child = spawn(
    await findRedis(), [
      ...args, '--port', String(port), '--bind', '127.0.0.1',
    ], { stdio: ['ignore', 'pipe', 'ignore'] },
  )
  const isReady = await new Promise<boolean>((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', () => resolve(false))
    createInterface(child.stdout).on(
      'line', (line) => { if (/Ready to accept connections|Sentinel ID is/.test(line)) resolve(true) },
    )
  })
  if (isReady) return { child, port }
  if (tries === 1) throw new Error('the Redis server does not start')
  return spawnServer(args, tries - 1)
}

const start = async (t: Teardown, args: string[]): Promise<TestRedis> => {
  const { child, port } = await spawnServer(args)
  const kill = (): void => { child.kill('SIGKILL') }
  process.once('exit', kill)
  const stop = async (): Promise<void> => {
    process.off('exit', kill)
    if (child.exitCode !== null || child.signalCode !== null) return
    const exited = once(child, 'exit')
    kill()
    await exited
  }
  t.teardown(stop)
  return {
    url: `redis://127.0.0.1:${port}`, port, stop, pause: () => { child.kill('SIGSTOP') },
    resume: () => { child.kill('SIGCONT') },
  }
}

const inFolder = async (t: Teardown): Promise<string> => {
  const folder = await mkdtemp(join(tmpdir(), 'verigate-redis-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  return folder
}

const keepNothing = ['--save', '', '--appendonly', 'no']

/** Starts a standalone Redis that ends with the test. */
export const startRedis = async (t: Teardown, args: string[] = []): Promise<TestRedis> =>
  start(t, [...keepNothing, '--dir', await inFolder(t), ...args])

/** Starts a Sentinel that watches this master under the name `mymaster` and ends with the test. */
export const startSentinel = async (t: Teardown, master: TestRedis, settings: string[] = []): Promise<TestRedis> => {
  const folder = await inFolder(t)
  const file = join(folder, 'sentinel.conf')
  await writeFile(
    file, [`dir ${folder}`, `sentinel monitor mymaster 127.0.0.1 ${master.port} 1`, ...settings, ''].join('\n'),
  )
  return start(t, [file, '--sentinel'])
}

/** Starts a Cluster of three masters that ends with the test. Takes over two seconds, after which a master serves. */
export const startCluster = async (
  t: Teardown, extraArgs: string[] = [],
): Promise<{ url: string, nodes: TestRedis[] }> => {
  const nodes = await Promise.all([0, 1, 2].map(async () => {
    const [folder, busPort] = await Promise.all([inFolder(t), freePort()])
    const args = [
      '--cluster-enabled', 'yes', '--cluster-port', String(busPort), '--cluster-node-timeout', '2000', '--dir', folder,
    ]
    return { ...await start(t, [...keepNothing, ...args, ...extraArgs]), busPort }
  }))
  const clients = nodes.map(({ port }) => new Redis({ port, retryStrategy: null }).on('error', () => {}))
  try {
    const third = 16384 / 3
    const firstSlot = (place: number): number => Math.ceil(place * third)
    await Promise.all(clients.map((client, place) =>
      client.call('CLUSTER', 'ADDSLOTSRANGE', String(firstSlot(place)), String(firstSlot(place + 1) - 1))))
    await Promise.all(nodes.slice(1).map(({ port, busPort }) =>
      clients[0]?.call('CLUSTER', 'MEET', '127.0.0.1', String(port), String(busPort))))
    await until(async () => {
      const infos = await Promise.all(clients.map((client) => client.cluster('INFO')))
      return infos.every(
        (info) => ['cluster_state:ok', 'cluster_known_nodes:3', 'cluster_size:3'].every((line) => info.includes(line)),
      )
    }, 'the cluster forms')
  } finally {
    for (const client of clients) client.disconnect()
  }
  return { url: `redis+cluster://${nodes.map(({ port }) => `127.0.0.1:${port}`).join(',')}`, nodes }
}

/** Connects as the gateway does, waits until the connection is ready, and closes it with the test. */
export const connectTo = async (t: Teardown, url: string, kind: RedisKind = 'api'): Promise<RedisClient> => {
  const redis = connectRedis(url, kind, { onError: () => {} })
  t.teardown(() => redis.disconnect())
  await untilReady(redis)
  return redis
}

/**
 * Reports every command that the server receives from now on; `source` is `lua` inside a script. Not by ioredis, which
 * confuses replies when commands arrive early.
 */
export const watchCommands = async (
  t: Teardown, port: number, onCommand: (args: string[], source: string) => void,
): Promise<void> => {
  const socket = connect(port, '127.0.0.1').setEncoding('latin1')
  t.teardown(() => socket.destroy())
  socket.write('MONITOR\r\n')
  await new Promise<void>((resolve, reject) => {
    socket.once('error', reject)
    createInterface(socket).on('line', (line) => {
      const [, source, text] = /^\+[\d.]+ \[\d+ ([^\]]+)\] (.*)$/.exec(line) ?? []
      if (source === undefined || text === undefined) return resolve()
      onCommand([
        ...text.matchAll(/"((?:[^"\\]|\\.)*)"/g),
      ].map(([, arg = '']) => arg.replace(/\\(x[0-9a-f]{2}|.)/g, (_, code: string) =>
        code.startsWith('x')
          ? String.fromCharCode(parseInt(code.slice(1), 16))
          : ({ n: '\n', r: '\r', t: '\t' })[code] ?? code)), source)
    })
  })
}
