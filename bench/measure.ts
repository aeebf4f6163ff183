import { closedLoop, type Load } from './load.ts'
import type { Measured } from './processes.ts'
import { countCommands, type RedisMeter } from './redis.ts'

/** A server under load, and its requests. */
export type Target = {
  name: string
  url: string
  processes: readonly Measured[]
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
  longestMs: number
  answered: number
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
    p50Ms: load.p50Ms, p99Ms: load.p99Ms, longestMs: load.longestMs, answered: load.answered,
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

/** The median, and the range. */
export type Spread = { median: number, min: number, max: number }

export function spreadOf (values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = (sorted.length - 1) / 2
  const median = ((sorted[Math.floor(middle)] ?? NaN) + (sorted[Math.ceil(middle)] ?? NaN)) / 2
  return { median, min: sorted[0] ?? NaN, max: sorted.at(-1) ?? NaN }
}

/** The ratio of each round, because neighbouring rounds ran under the same conditions. */
export function ratioOf (ours: readonly number[], other: readonly number[]): Spread {
  return spreadOf(ours.map((value, at) => value / (other[at] ?? NaN)))
}

/** Two identical copies of ours. */
export type Copies = { first: readonly number[], second: readonly number[] }

/** The mean of both copies, round by round. */
export const meanOf = ({ first, second }: Copies): number[] =>
  first.map((value, at) => (value + (second[at] ?? NaN)) / 2)

/** How far two identical copies are apart, as a share: a smaller difference is not a finding. */
export function noiseOf ({ first, second }: Copies): number {
  return Math.abs(spreadOf(first).median / spreadOf(second).median - 1)
}

export const medianOf = (values: readonly number[]): number => spreadOf(values).median

/** A figure of each round. */
export const pick = <Key extends string>(samples: readonly Record<Key, number>[], key: Key): number[] =>
  samples.map(sample => sample[key])
