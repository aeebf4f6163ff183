import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import type { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { startChild } from '../scripts/child.ts'
import type { Usage, UsageRequest, UsageResponse } from './usage-reporter.ts'

/** The core of the measured servers, and the cores of everything else; null: processes are not pinned. */
export type Cores = { server: string, rest: string } | null

/** A process that is measured. It ends with this process. */
export type Measured = {
  name: string
  usage (options?: { collect?: boolean }): Promise<Usage>
  stdout: Readable | null
  /** Rejects when it ends before `stop`. */
  ended: Promise<never>
  stop (): Promise<void>
}

/** A Node.js process that exchanges messages with the benchmark. */
export type BenchProcess = Measured & {
  /** The address of its `listening` message. Rejects when it ends before. */
  listening: Promise<string>
  /** Receives all its messages except `listening` and the responses to `usage`. */
  onMessage (listener: (message: object) => void): void
  send (message: object): void
}

const usageReporter = new URL('./usage-reporter.ts', import.meta.url).href

/**
 * Reserves one core for the servers, if there are two cores and `taskset`, and pins this process and those that it
 * starts to the others.
 */
export function splitCores (): Cores {
  try {
    const allowed = /^Cpus_allowed_list:\s*(\S+)/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? ''
    const all = allowed.split(',').flatMap(range => {
      const [first = 0, last = first] = range.split('-').map(Number)
      return Array.from({ length: last - first + 1 }, (_, at) => first + at)
    })
    const [server, ...rest] = all
    if (server === undefined || rest.length === 0) return null
    const cores = { server: String(server), rest: rest.join(',') }
    execFileSync('taskset', ['-acp', cores.rest, String(process.pid)], { stdio: 'ignore' })
    return cores
  } catch {
    return null
  }
}

export type Launch = {
  name: string
  core: 'server' | 'rest'
  cores: Cores
  env?: Record<string, string>
  /** `ignore` is /dev/null. */
  stdout?: 'ignore' | 'pipe'
}

const pinned = (cores: Cores, core: Launch['core'], program: readonly string[]): [string, ...string[]] => {
  const [command = '', ...args] = program
  return cores === null ? [command, ...args] : ['taskset', '-c', cores[core], command, ...args]
}

/** Starts `node <script>` on its core, with the usage reporter. */
export function launch (
  { name, script, core, cores, env = {}, nodeArgs = [], stdout = 'ignore' }: Launch & {
    script: string | URL, nodeArgs?: string[],
  },
): BenchProcess {
  const path = script instanceof URL ? fileURLToPath(script) : script
  const [command, ...args] = pinned(cores, core, [process.execPath, '--import', usageReporter, ...nodeArgs, path])
  const child = spawn(
    command, args, { env: { ...cleanEnvironment(), ...env }, stdio: ['ignore', stdout, 'inherit', 'ipc'] },
  )
  const exited = once(child, 'exit')
  const ended = exited.then((): never => { throw new Error(`${name} has ended`) })
  ended.catch(() => {})
  const requested = new Map<number, (usage: Usage) => void>()
  const listeners: ((message: object) => void)[] = []
  let requests = 0
  const listening = new Promise<string>((resolve, reject) => {
    child.on('message', message => {
      if (typeof message !== 'object' || message === null) return
      if (isUsageResponse(message)) {
        requested.get(message.number)?.(message.usage)
        requested.delete(message.number)
      } else if ('listening' in message) resolve(String(message.listening))
      else for (const listener of listeners) listener(message)
    })
    ended.catch(reject)
  })
  listening.catch(() => {})
  const ask = (request: Omit<UsageRequest, 'number'>): Promise<Usage> => new Promise((resolve, reject) => {
    const number = requests += 1
    requested.set(number, resolve)
    ended.catch(reject)
    child.send({ ...request, number })
  })
  return {
    name,
    ended,
    listening,
    usage: ({ collect = false } = {}) => ask({ ask: 'usage', collect }),
    onMessage: listener => { listeners.push(listener) },
    send: message => { child.send(message) },
    stdout: child.stdout,
    async stop () {
      if (child.exitCode !== null || child.signalCode !== null) return
      child.kill('SIGTERM')
      const force = setTimeout(() => child.kill('SIGKILL'), 12_000)
      await exited
      clearTimeout(force)
    },
  }
}

/** Starts any program as it is, and measures it from outside (Linux only). */
export function launchProgram (
  { name, program, core, cores, env = {}, stdout = 'ignore', ...options }: Launch & {
    program: readonly string[], cwd?: string, uid?: number, gid?: number,
  },
): Measured {
  const [command, ...args] = pinned(cores, core, program)
  const child = startChild(
    command, args, { ...options, env: { ...cleanEnvironment(), ...env }, stdio: ['ignore', stdout, 'inherit'] },
  )
  const ended = child.ended.then((): never => { throw new Error(`${name} has ended`) })
  ended.catch(() => {})
  return {
    name, ended, usage: async () => readUsage(child.pid ?? 0), stdout: child.stdout,
    stop: async () => { await child.stop() },
  }
}

/** The CPU time of all its threads and child processes (https://docs.kernel.org/scheduler/sched-stats.html). */
function cpuNanosecondsOf (pid: number): number {
  return readdirSync(`/proc/${pid}/task`).reduce((sum, thread) => {
    const [spent = ''] = readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ')
    const children = readFileSync(`/proc/${pid}/task/${thread}/children`, 'utf8').split(' ').filter(Boolean)
    return sum + Number(spent) + children.reduce((sum, child) => sum + cpuNanosecondsOf(Number(child)), 0)
  }, 0)
}

/** `rss` without the child processes. */
function readUsage (pid: number): Usage {
  const [, kilobytes = ''] = /^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? []
  return { cpuMicros: cpuNanosecondsOf(pid) / 1000, rss: Number(kilobytes) * 1024, heapUsed: NaN }
}

const isUsageResponse = (message: object): message is UsageResponse => 'usage' in message

/** The `NODE_OPTIONS` of the image. */
export const imageNodeOptions = '--max-semi-space-size=16'

/** The environment without the variables of the caller. */
const cleanEnvironment = (): Record<string, string | undefined> => ({
  PATH: process.env['PATH'], HOME: process.env['HOME'], TMPDIR: process.env['TMPDIR'],
  NODE_OPTIONS: imageNodeOptions,
})
