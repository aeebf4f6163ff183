import { execFileSync, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { Answered, Question, Usage } from './probe.ts'

/**
 * Which core the measured servers have for themselves, and which has all the rest; null: they run wherever the system
 * puts them.
 */
export type Cores = { server: string, rest: string } | null

/** A Node.js process that is measured, or that helps. It ends with this one. */
export type BenchProcess = {
  name: string
  pid: number
  /** What it said when it listened. Rejects when it ended before. */
  listening: Promise<string>
  usage (options?: { collect?: boolean }): Promise<Usage>
  /** What it sends but answers to `usage`. */
  onMessage (listener: (message: object) => void): void
  send (message: object): void
  stdout: ChildProcess['stdout']
  stop (): Promise<void>
}

const probe = new URL('./probe.ts', import.meta.url).href

/**
 * The two halves of the machine, where it has two cores and `taskset`; puts this process, and what it starts from now
 * on, on the second half.
 */
export function divideCores (): Cores {
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

/** Starts `node <script>` on its core, with the probe. */
export function launch (
  { name, script, core, cores, env = {}, nodeArgs = [], stdout = 'ignore' }: Launch,
): BenchProcess {
  const path = script instanceof URL ? fileURLToPath(script) : script
  const node = [process.execPath, '--import', probe, ...nodeArgs, path]
  const [command = '', ...args] = cores === null ? node : ['taskset', '-c', cores[core], ...node]
  const child = spawn(
    command, args, { env: { ...cleanEnvironment(), ...env }, stdio: ['ignore', stdout, 'inherit', 'ipc'] },
  )
  const exited = once(child, 'exit')
  exited.catch(() => {})
  const asked = new Map<number, (usage: Usage) => void>()
  const listeners: ((message: object) => void)[] = []
  let questions = 0
  const listening = new Promise<string>((resolve, reject) => {
    child.on('message', message => {
      if (typeof message !== 'object' || message === null) return
      if (isAnswer(message)) {
        asked.get(message.number)?.(message.usage)
        asked.delete(message.number)
      } else if ('listening' in message) resolve(String(message.listening))
      else for (const listener of listeners) listener(message)
    })
    exited.then(() => reject(new Error(`${name} ended before it listened`)), reject)
  })
  listening.catch(() => {})
  const ask = (question: Omit<Question, 'number'>): Promise<Usage> => new Promise((resolve, reject) => {
    const number = questions += 1
    asked.set(number, resolve)
    exited.then(() => reject(new Error(`${name} has ended`)), reject)
    child.send({ ...question, number })
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

const isAnswer = (message: object): message is Answered => 'usage' in message

/**
 * Nothing of whoever started the benchmark changes how the gateway runs. All that is compared has V8's young generation
 * as the image has it.
 */
const cleanEnvironment = (): Record<string, string | undefined> => ({
  PATH: process.env['PATH'], HOME: process.env['HOME'], TMPDIR: process.env['TMPDIR'], NODE_OPTIONS: '--max-semi-space-size=16',
})
