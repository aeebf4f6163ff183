import { execFileSync, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { Usage, UsageRequest, UsageResponse } from './usage-reporter.ts'

/** The core of the measured servers, and the cores of everything else; null: processes are not pinned. */
export type Cores = { server: string, rest: string } | null

/** A Node.js process that is measured or supports the measurement. It ends with this process. */
export type BenchProcess = {
  name: string
  pid: number
  /** The address of its `listening` message. Rejects when it ends before. */
  listening: Promise<string>
  usage (options?: { collect?: boolean }): Promise<Usage>
  /** Receives all its messages except `listening` and the responses to `usage`. */
  onMessage (listener: (message: object) => void): void
  send (message: object): void
  stdout: ChildProcess['stdout']
  stop (): Promise<void>
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
  script: string | URL
  core: 'server' | 'rest'
  cores: Cores
  env?: Record<string, string>
  nodeArgs?: string[]
  /** `ignore` is /dev/null. */
  stdout?: 'ignore' | 'pipe'
}

/** Starts `node <script>` on its core, with the usage reporter. */
export function launch (
  { name, script, core, cores, env = {}, nodeArgs = [], stdout = 'ignore' }: Launch,
): BenchProcess {
  const path = script instanceof URL ? fileURLToPath(script) : script
  const node = [process.execPath, '--import', usageReporter, ...nodeArgs, path]
  const [command = '', ...args] = cores === null ? node : ['taskset', '-c', cores[core], ...node]
  const child = spawn(
    command, args, { env: { ...cleanEnvironment(), ...env }, stdio: ['ignore', stdout, 'inherit', 'ipc'] },
  )
  const exited = once(child, 'exit')
  exited.catch(() => {})
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
    exited.then(() => reject(new Error(`${name} ended before it listened`)), reject)
  })
  listening.catch(() => {})
  const ask = (request: Omit<UsageRequest, 'number'>): Promise<Usage> => new Promise((resolve, reject) => {
    const number = requests += 1
    requested.set(number, resolve)
    exited.then(() => reject(new Error(`${name} has ended`)), reject)
    child.send({ ...request, number })
  })
  return {
    name,
    pid: child.pid ?? 0,
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

const isUsageResponse = (message: object): message is UsageResponse => 'usage' in message

/** The environment without the variables of the caller, and with the `NODE_OPTIONS` of the image. */
const cleanEnvironment = (): Record<string, string | undefined> => ({
  PATH: process.env['PATH'], HOME: process.env['HOME'], TMPDIR: process.env['TMPDIR'],
  NODE_OPTIONS: '--max-semi-space-size=16',
})
