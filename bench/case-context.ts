import { hash } from 'node:crypto'
import { join } from 'node:path'
import { launchRedis, type RunningRedis } from '../scripts/redis.ts'
import type { FigureName } from './figures.ts'
import { gatewayEnvironment, untilReady, type GatewayOptions } from './gateway.ts'
import type { GoalId } from './goals.ts'
import type { Spread, Target } from './measure.ts'
import type { Options } from './options.ts'
import { launch, launchProgram, type BenchProcess, type Cores, type Launch, type Measured } from './processes.ts'
import { openRedisMeter, type RedisMeter } from './redis.ts'
import type { Finding } from './report.ts'

/** A gateway process under measurement. */
export type RunningGateway = { url: string, process: BenchProcess }

/** `database`: of its Redis (0). Gateways in different databases do not share jobs. `redis`: default is the run's. */
export type StartGatewayOptions = Omit<GatewayOptions, 'redisUrl' | 'dir'> & { database?: number, redis?: RedisMeter }

type LaunchOf<Start extends (launch: never) => unknown> = Omit<Parameters<Start>[0], 'cores'>

/** The tools of a case. Every process that it starts ends with the case. */
export type CaseContext = {
  options: Options
  redis: RedisMeter
  dir: string
  /** The script that the image starts. */
  main: string
  startProcess (wanted: LaunchOf<typeof launch>): BenchProcess
  startProgram (wanted: LaunchOf<typeof launchProgram>): Measured
  /** As `startProcess`, and waits until the process listens. */
  start (wanted: LaunchOf<typeof launch>): Promise<{ url: string, process: BenchProcess }>
  startRedis (options?: { persistent?: boolean }): Promise<RedisMeter>
  startProvider (): Promise<{ url: string, process: BenchProcess }>
  /** Starts what the image starts, with its log discarded, and waits until it is ready. */
  startGateway (
    gateway: StartGatewayOptions & { core?: Launch['core'], stdout?: Launch['stdout'] },
  ): Promise<RunningGateway>
  environmentOf (gateway: StartGatewayOptions): ReturnType<typeof gatewayEnvironment>
  target (
    name: string, started: { url: string, process: Measured }, rest: Omit<Target, 'name' | 'url' | 'processes'>,
  ): Target
  /** Adds a figure that has a goal. */
  addFinding (goal: GoalId, spread: Spread, more?: Partial<Pick<Finding, 'note' | 'noise'>>): void
  /** Adds a figure that the documentation shows. */
  addFigure (name: FigureName, value: number): void
  /** Records the samples behind the figures. */
  record (name: string, samples: unknown): void
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
  redisBinary: string
  cores: Cores
  dir: string
  main: string
  findings: Finding[]
  figures: Partial<Record<FigureName, number>>
  samples: Record<string, unknown>
  say: (line: string) => void
}

/** All gateways of a run can read each other's records. */
const sealKeys = `k1:${hash('sha256', 'of the benchmark', 'base64')}`

/** Runs a case in a new context, and then stops its processes. */
export async function runCase (current: Case, parts: RunCaseOptions): Promise<void> {
  const { options, redis, redisBinary, cores, dir, main, findings, figures, samples, say } = parts
  const started: Measured[] = []
  const servers: { meter: RedisMeter, server: RunningRedis }[] = []
  const keep = <Process extends Measured>(process: Process): Process => {
    started.push(process)
    return process
  }
  const startProcess: CaseContext['startProcess'] = wanted => keep(launch({ ...wanted, cores }))
  const start: CaseContext['start'] = async wanted => {
    const process = startProcess(wanted)
    return { url: await process.listening, process }
  }
  const environmentOf: CaseContext['environmentOf'] = ({ database = 0, redis: own = redis, ...gateway }) =>
    gatewayEnvironment({
      ...gateway, redisUrl: `${own.url}/${database}`, dir,
      environment: { SEAL_KEYS: sealKeys, ...gateway.environment },
    })
  const context: CaseContext = {
    options, redis, dir, main, startProcess, start, environmentOf, say,
    startProgram: wanted => keep(launchProgram({ ...wanted, cores })),
    async startRedis ({ persistent = false } = {}) {
      const server = await launchRedis({ binary: redisBinary, dir: join(dir, `redis-${servers.length}`), persistent })
      const meter = await openRedisMeter(server.url)
      servers.push({ meter, server })
      return meter
    },
    startProvider: () => start(
      { name: 'provider', script: new URL('./provider.ts', import.meta.url), core: 'rest' },
    ),
    async startGateway ({ core = 'server', stdout = 'ignore', ...gateway }) {
      const { url, environment } = await environmentOf(gateway)
      const nodeArgs = options.profileDir === null
        ? []
        : ['--cpu-prof', `--cpu-prof-dir=${join(options.profileDir, current.name)}`]
      const process = startProcess(
        { name: `gateway (${gateway.role ?? 'api'})`, script: main, core, env: environment, nodeArgs, stdout },
      )
      await Promise.race([untilReady(url), process.ended])
      return { url, process }
    },
    target: (name, { url, process }, rest) => ({ name, url, processes: [process], ...rest }),
    addFinding: (goal, { median, min, max }, more = {}) => { findings.push({ goal, median, min, max, ...more }) },
    addFigure: (name, value) => { figures[name] = value },
    record: (name, value) => { samples[`${current.name}: ${name}`] = value },
  }
  try {
    await redis.flush()
    await current.run(context)
  } finally {
    await Promise.all(started.map(process => process.stop()))
    for (const { meter } of servers) meter.close()
    await Promise.all(servers.map(({ server }) => server.stop()))
  }
}
