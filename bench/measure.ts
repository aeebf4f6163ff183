import { closedLoop, type Load } from './load.ts'
import type { BenchProcess } from './processes.ts'
import { countCommands, type RedisMeter } from './redis.ts'

/** A server under load, and what is asked of it. */
export type Target = {
  name: string
  url: string
  processes: readonly BenchProcess[]
  status: number
  /** Makes a round ready, for at most so many requests, and returns where its requests come from. */
  prepare: (most: number) => (() => string | null) | Promise<() => string | null>
  /** How many requests a round has at most, where each needs something that was made before. */
  most?: number
}

/** One round of one target. */
export type Sample = {
  /** CPU of the server per request, all threads. */
  cpuMicros: number
  redisMicros: number
  /** Commands that Redis ran per request, those inside scripts among them. */
  redisCommands: number
  ratePerSecond: number
  p50Ms: number
  p99Ms: number
  answered: number
  longestPauseMs: number
}

/** `keeps`: Redis is not emptied before each round. */
export type Rounds = { rounds: number, roundMs: number, warmupRequests: number, connections?: number, keeps?: boolean }

/** On a machine that is busy with other things warming up takes long; then it is cut off. */
const longestWarmupMs = 20_000

type Length = { durationMs: number, least?: number, mostMs?: number, connections?: number }

/**
 * Loads the target once, and says what a request came to. Throws when it answered anything else than what was wanted.
 */
export async function measure (
  target: Target, redis: RedisMeter, { connections = 50, ...length }: Length
): Promise<Sample> {
  const next = await target.prepare(target.most ?? Infinity)
  const asked = await Promise.all([redis.usage(), ...target.processes.map(process => process.usage())])
  const load = await closedLoop({ url: target.url, connections, status: target.status, next, ...length })
  const answered = await Promise.all([redis.usage(), ...target.processes.map(process => process.usage())])
  refuseOthers(target, load)
  const [redisBefore, ...before] = asked
  const [redisAfter, ...after] = answered
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

/** Of a machine that is busy with other things. */
const mostOthers = 0.02

/** Figures of answers that nobody wanted are worth nothing. */
export function refuseOthers ({ name, status }: Pick<Target, 'name' | 'status'>, { statuses, answered }: Load): void {
  const others = Object.entries(statuses).filter(([other]) => Number(other) !== status)
  const count = others.reduce((sum, [, count]) => sum + count, 0)
  if (count > answered * mostOthers) throw new Error(
    `${name} answered ${others.map(([other, count]) => `${other} (${count} times)`).join(', ')}, not ${status} (${answered} times)`,
  )
  if (answered === 0) throw new Error(`${name} answered nothing`)
}

export type Samples<Name extends string> = Record<Name, Sample[]>

/** What is measured is what the compiler makes of it in the end, which needs requests, not time. */
export async function warmUp (target: Target, redis: RedisMeter, requests: number): Promise<void> {
  const until = performance.now() + longestWarmupMs
  for (let left = requests; left > 0 && performance.now() < until;) {
    left -= (
      await measure(target, redis, { durationMs: 0, least: left, mostMs: Math.max(100, until - performance.now()) })
    ).answered
  }
}

/**
 * Warms all of them up, then measures them in turn, A B A B …, so that whatever else the machine does falls on all of
 * them alike.
 */
export async function alternate<Name extends string> (
  targets: Record<Name, Target>, redis: RedisMeter, {
    rounds, roundMs, warmupRequests, connections = 50, keeps = false,
  }: Rounds,
): Promise<Samples<Name>> {
  const samples: Partial<Samples<Name>> = {}
  const names = Object.keys(targets).filter((name): name is Name => name in targets)
  for (const name of names) await warmUp(targets[name], redis, warmupRequests)
  for (let round = 0; round < rounds; round += 1) {
    for (const name of names) {
      if (!keeps) await redis.flush()
      samples[name] = [
        ...samples[name] ?? [], await measure(targets[name], redis, { durationMs: roundMs, connections }),
      ]
    }
  }
  return names.reduce((all, name) => ({ ...all, [name]: samples[name] ?? [] }), Object.create(null) as Samples<Name>)
}

/** The middle, and what lay around it. */
export type Spread = { median: number, min: number, max: number }

export function spreadOf (values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = (sorted.length - 1) / 2
  const median = ((sorted[Math.floor(middle)] ?? NaN) + (sorted[Math.ceil(middle)] ?? NaN)) / 2
  return { median, min: sorted[0] ?? NaN, max: sorted.at(-1) ?? NaN }
}

/** Round by round: neighbours in time are compared. */
export function ratioOf (anchor: readonly number[], ours: readonly number[]): Spread {
  return spreadOf(anchor.map((value, at) => value / (ours[at] ?? NaN)))
}

/** One figure of each round. */
export const pick = <Key extends keyof Sample>(samples: readonly Sample[], key: Key): number[] =>
  samples.map(sample => sample[key])
