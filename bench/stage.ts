import { join } from 'node:path'
import { gatewayEnvironment, untilReady, type GatewayWish } from './gateway.ts'
import type { GoalId } from './goals.ts'
import type { Target } from './measure.ts'
import type { Spread } from './measure.ts'
import type { Options } from './options.ts'
import { launch, type BenchProcess, type Cores, type Launch } from './processes.ts'
import type { RedisMeter } from './redis.ts'
import type { Finding } from './report.ts'

/** A gateway process under measurement. */
export type RunningGateway = { url: string, process: BenchProcess }

/** `database`: of the run's Redis, for gateways that shall not see each other's jobs (0). */
export type GatewayAsked = Omit<GatewayWish, 'redisUrl' | 'dir'> & { database?: number }

/** What a case works with. Everything that it starts ends with the case. */
export type Stage = {
  options: Options
  redis: RedisMeter
  startProcess (wish: Omit<Launch, 'cores'>): BenchProcess
  /** The same, and waits until it listens. */
  start (wish: Omit<Launch, 'cores'>): Promise<{ url: string, process: BenchProcess }>
  /** A server of `anchors/`. */
  startAnchor (name: string, environment?: Record<string, string>): Promise<{ url: string, process: BenchProcess }>
  startProvider (options?: { delayMs?: number }): Promise<{ url: string, process: BenchProcess }>
  /** `node src/main.ts`, its log going to /dev/null. */
  startGateway (wish: GatewayAsked & { core?: Launch['core'] }): Promise<RunningGateway>
  environmentOf (wish: GatewayAsked): ReturnType<typeof gatewayEnvironment>
  target (
    name: string, started: { url: string, process: BenchProcess }, wish: Omit<Target, 'name' | 'url' | 'processes'>,
  ): Target
  /** Tells a figure that has a goal. */
  find (goal: GoalId, spread: Spread, note?: string): void
  /** Tells figures that have none. */
  note (name: string, figures: unknown): void
  say (line: string): void
}

/** One thing to measure, with the goals it tells of. */
export type Case = {
  name: string
  goals: readonly GoalId[]
  /** Only when it is asked for by name. */
  isAsked?: boolean
  run (stage: Stage): Promise<void>
}

export type StageParts = {
  options: Options, redis: RedisMeter, cores: Cores, dir: string, findings: Finding[], figures: Record<string, unknown>, say: (line: string) => void
}

const main = new URL('../src/main.ts', import.meta.url)
/** All gateways of a run open each other's records. */
const sealKeys = `k1:${Buffer.alloc(32, 'of the benchmark').toString('base64')}`

/** Runs a case on a stage of its own, and clears it. */
export async function perform (
  performed: Case, { options, redis, cores, dir, findings, figures, say }: StageParts,
): Promise<void> {
  const started: BenchProcess[] = []
  const startProcess: Stage['startProcess'] = wish => {
    const process = launch({ ...wish, cores })
    started.push(process)
    return process
  }
  const start: Stage['start'] = async wish => {
    const process = startProcess(wish)
    return { url: await process.listening, process }
  }
  const environmentOf: Stage['environmentOf'] = ({ database = 0, ...wish }) =>
    gatewayEnvironment(
      { ...wish, redisUrl: `${redis.url}/${database}`, dir, environment: { SEAL_KEYS: sealKeys, ...wish.environment } },
    )
  const stage: Stage = {
    options, redis, startProcess, start, environmentOf, say,
    startAnchor: (name, environment = {}) => start({
      name, script: new URL(
        `./anchors/${name}.ts`, import.meta.url,
      ), core: 'server', env: { REDIS_URL: redis.url, ...environment },
    }),
    startProvider: ({ delayMs = 0 } = {}) => start({
      name: 'provider', script: new URL('./provider.ts', import.meta.url), core: 'rest', env: {
        PROVIDER_DELAY_MS: String(delayMs),
      },
    }),
    async startGateway ({ core = 'server', ...wish }) {
      const { url, environment } = await environmentOf(wish)
      const nodeArgs = options.profileDir === null
        ? []
        : ['--cpu-prof', `--cpu-prof-dir=${join(options.profileDir, performed.name)}`]
      const process = startProcess(
        { name: `gateway (${wish.role ?? 'api'})`, script: main, core, env: environment, nodeArgs },
      )
      await untilReady(url)
      return { url, process }
    },
    target: (name, { url, process }, wish) => ({ name, url, processes: [process], ...wish }),
    find: (goal, spread, note) => { findings.push({ goal, ...spread, ...(note === undefined ? {} : { note }) }) },
    note: (name, value) => { figures[`${performed.name}: ${name}`] = value },
  }
  try {
    await redis.flush()
    await performed.run(stage)
  } finally {
    await Promise.all(started.map(process => process.stop()))
  }
}
