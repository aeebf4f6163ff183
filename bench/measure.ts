import { closedLoop, type Load } from './load.ts'
import type { BenchProcess } from './processes.ts'
import { countCommands, type RedisMeter } from './redis.ts'

/** A server under load, and its requests. */
export type Target = {
  name: string
  url: string
  processes: readonly BenchProcess[]
  status: number
  /** Prepares a round of at most `maxRequests` requests, and returns the function that makes the next one. */
  prepare: (maxRequests: number) => (() => string | null) | Promise<() => string | null>
  /** The most requests of a round, if each one needs preparation. */
  maxRequests?: number
}

/** One round of one target. */
export type Sample = {
  /** CPU of the server per request, all threads. */
  cpuMicros: number
  redisMicros: number
  /** Redis commands per request, including those in scripts. */
  redisCommands: number
  ratePerSecond: number
  p50Ms: number
  p99Ms: number
  answered: number
  longestPauseMs: number
}

/** `keepData`: Redis is not flushed before each round. */
export type Rounds = {
  rounds: number, roundMs: number, warmupRequests: number, connections?: number, keepData?: boolean,
}

/** A busy machine stops its warm-up after this time. */
const maxWarmupMs = 20_000

type Length = { durationMs: number, minRequests?: number, maxMs?: number, connections?: number }

/** Loads the target once, and returns the cost of a request. Throws when too many responses had another status. */
export async function measure (
  target: Target, redis: RedisMeter, { connections = 50, ...length }: Length
): Promise<Sample> {
  const next = await target.prepare(target.maxRequests ?? Infinity)
  const start = await Promise.all([redis.usage(), ...target.processes.map(process => process.usage())])
  const load = await closedLoop({ url: target.url, connections, status: target.status, next, ...length })
  const end = await Promise.all([redis.usage(), ...target.processes.map(process => process.usage())])
  assertStatuses(target, load)
  const [redisBefore, ...before] = start
  const [redisAfter, ...after] = end
  const cpu = after.reduce((sum, { cpuMicros }, at) => sum + cpuMicros - (before[at]?.cpuMicros ?? 0), 0)
  const commands = Object.values(countCommands(redisBefore, redisAfter)).reduce((sum, count) => sum + count, 0)
  return {
    cpuMicros: cpu / load.answered,
    redisMicros: (redisAfter.cpuMicros - redisBefore.cpuMicros) / load.answered,
    redisCommands: commands / load.answered,
    ratePerSecond: load.answered / load.durationMs * 1000,
    p50Ms: load.p50Ms, p99Ms: load.p99Ms, answered: load.answered,
    longestPauseMs: Math.max(...after.map(({ pauses }) => pauses.longestMs)),
  }
}

/** A busy machine causes a few timeouts. */
const maxOtherShare = 0.02

/** Throws when more than 2 % of the responses did not have the expected status. */
export function assertStatuses ({ name, status }: Pick<Target, 'name' | 'status'>, { statuses, answered }: Load): void {
  const others = Object.entries(statuses).filter(([other]) => Number(other) !== status)
  const count = others.reduce((sum, [, count]) => sum + count, 0)
  if (count > answered * maxOtherShare) throw new Error(
    `${name} returned ${others.map(([other, count]) => `${other} (${count} times)`).join(', ')} `
      + `instead of ${status} (${answered} times)`,
  )
  if (answered === 0) throw new Error(`${name} returned no response`)
}

export type Samples<Name extends string> = Record<Name, Sample[]>

/** Sends requests until the server runs optimized code. V8 optimizes by the number of calls, not by time. */
export async function warmUp (target: Target, redis: RedisMeter, requests: number): Promise<void> {
  const until = performance.now() + maxWarmupMs
  for (let left = requests; left > 0 && performance.now() < until;) {
    left -= (
      await measure(
        target, redis, { durationMs: 0, minRequests: left, maxMs: Math.max(100, until - performance.now()) },
      )
    ).answered
  }
}

/** Warms all targets up, then measures them alternately, A B A B …, so that other load affects all of them alike. */
export async function alternate<Name extends string> (
  targets: Record<Name, Target>, redis: RedisMeter, {
    rounds, roundMs, warmupRequests, connections = 50, keepData = false,
  }: Rounds,
): Promise<Samples<Name>> {
  const samples: Partial<Samples<Name>> = {}
  const names = Object.keys(targets).filter((name): name is Name => name in targets)
  for (const name of names) await warmUp(targets[name], redis, warmupRequests)
  for (let round = 0; round < rounds; round += 1) {
    for (const name of names) {
      if (!keepData) await redis.flush()
      samples[name] = [
        ...samples[name] ?? [], await measure(targets[name], redis, { durationMs: roundMs, connections }),
      ]
    }
  }
  return names.reduce((all, name) => ({ ...all, [name]: samples[name] ?? [] }), Object.create(null) as Samples<Name>)
}

/** The median, and the range. */
export type Spread = { median: number, min: number, max: number }

export function spreadOf (values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = (sorted.length - 1) / 2
  const median = ((sorted[Math.floor(middle)] ?? NaN) + (sorted[Math.ceil(middle)] ?? NaN)) / 2
  return { median, min: sorted[0] ?? NaN, max: sorted.at(-1) ?? NaN }
}

/** The ratio of each round, because neighbouring rounds ran under the same conditions. */
export function ratioOf (baseline: readonly number[], ours: readonly number[]): Spread {
  return spreadOf(baseline.map((value, at) => value / (ours[at] ?? NaN)))
}

/** A figure of each round. */
export const pick = <Key extends keyof Sample>(samples: readonly Sample[], key: Key): number[] =>
  samples.map(sample => sample[key])
