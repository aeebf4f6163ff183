import { hash } from 'node:crypto'
import { join } from 'node:path'
import { gatewayEnvironment, untilReady, type GatewayOptions } from './gateway.ts'
import type { GoalId } from './goals.ts'
import type { Spread, Target } from './measure.ts'
import type { Options } from './options.ts'
import { launch, type BenchProcess, type Cores, type Launch } from './processes.ts'
import type { RedisMeter } from './redis.ts'
import type { Finding } from './report.ts'

/** A gateway process under measurement. */
export type RunningGateway = { url: string, process: BenchProcess }

/** `database`: of the run's Redis (0). Gateways in different databases do not share jobs. */
export type StartGatewayOptions = Omit<GatewayOptions, 'redisUrl' | 'dir'> & { database?: number }

/** The tools of a case. Every process that it starts ends with the case. */
export type CaseContext = {
  options: Options
  redis: RedisMeter
  startProcess (launch: Omit<Launch, 'cores'>): BenchProcess
  /** As `startProcess`, and waits until the process listens. */
  start (launch: Omit<Launch, 'cores'>): Promise<{ url: string, process: BenchProcess }>
  /** Starts a server of `baselines/`. */
  startBaseline (name: string, environment?: Record<string, string>): Promise<{ url: string, process: BenchProcess }>
  startProvider (options?: { delayMs?: number }): Promise<{ url: string, process: BenchProcess }>
  /** Starts `node src/main.ts` with its log discarded, and waits until it is ready. */
  startGateway (gateway: StartGatewayOptions & { core?: Launch['core'] }): Promise<RunningGateway>
  environmentOf (gateway: StartGatewayOptions): ReturnType<typeof gatewayEnvironment>
  target (
    name: string, started: { url: string, process: BenchProcess }, rest: Omit<Target, 'name' | 'url' | 'processes'>,
  ): Target
  /** Adds a figure that has a goal. */
  addFinding (goal: GoalId, spread: Spread, note?: string): void
  /** Records figures without a goal. */
  record (name: string, figures: unknown): void
  say (line: string): void
}

/** One thing to measure, and its goals. */
export type Case = {
  name: string
  goals: readonly GoalId[]
  /** Runs only when `--only` names it. */
  isOnlyByName?: boolean
  run (context: CaseContext): Promise<void>
}

export type RunCaseOptions = {
  options: Options
  redis: RedisMeter
  cores: Cores
  dir: string
  findings: Finding[]
  figures: Record<string, unknown>
  say: (line: string) => void
}

const main = new URL('../src/main.ts', import.meta.url)
/** All gateways of a run can read each other's records. */
const sealKeys = `k1:${hash('sha256', 'of the benchmark', 'base64')}`

/** Runs a case in a new context, and then stops its processes. */
export async function runCase (
  current: Case, { options, redis, cores, dir, findings, figures, say }: RunCaseOptions,
): Promise<void> {
  const started: BenchProcess[] = []
  const startProcess: CaseContext['startProcess'] = wanted => {
    const process = launch({ ...wanted, cores })
    started.push(process)
    return process
  }
  const start: CaseContext['start'] = async wanted => {
    const process = startProcess(wanted)
    return { url: await process.listening, process }
  }
  const environmentOf: CaseContext['environmentOf'] = ({ database = 0, ...gateway }) =>
    gatewayEnvironment({
      ...gateway, redisUrl: `${redis.url}/${database}`, dir,
      environment: { SEAL_KEYS: sealKeys, ...gateway.environment },
    })
  const context: CaseContext = {
    options, redis, startProcess, start, environmentOf, say,
    startBaseline: (name, environment = {}) => start({
      name, script: new URL(`./baselines/${name}.ts`, import.meta.url), core: 'server',
      env: { REDIS_URL: redis.url, ...environment },
    }),
    startProvider: ({ delayMs = 0 } = {}) => start({
      name: 'provider', script: new URL('./provider.ts', import.meta.url), core: 'rest',
      env: { PROVIDER_DELAY_MS: String(delayMs) },
    }),
    async startGateway ({ core = 'server', ...gateway }) {
      const { url, environment } = await environmentOf(gateway)
      const nodeArgs = options.profileDir === null
        ? []
        : ['--cpu-prof', `--cpu-prof-dir=${join(options.profileDir, current.name)}`]
      const process = startProcess(
        { name: `gateway (${gateway.role ?? 'api'})`, script: main, core, env: environment, nodeArgs },
      )
      await untilReady(url)
      return { url, process }
    },
    target: (name, { url, process }, rest) => ({ name, url, processes: [process], ...rest }),
    addFinding: (goal, spread, note) => { findings.push({ goal, ...spread, ...(note === undefined ? {} : { note }) }) },
    record: (name, value) => { figures[`${current.name}: ${name}`] = value },
  }
  try {
    await redis.flush()
    await current.run(context)
  } finally {
    await Promise.all(started.map(process => process.stop()))
  }
}
