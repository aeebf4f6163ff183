import type { Counters } from '../store/counters.ts'
import { createTrafficTable, type Traffic, type TrafficCount, type TrafficTable } from './traffic-table.ts'

/**
 * `share`: unverified verifications that each verified one allows; `leastPerDay`: those that are always allowed. Only
 * verifications that sent a message count.
 */
export type BudgetRule = { share: number, leastPerDay: number }
export const defaultRule: BudgetRule = { share: 1, leastPerDay: 500 }

const hourMs = 3_600_000
/** One hour may use a sixth of the day's budget. */
const hoursOfBudget = 6
const syncEveryMs = 2_000
/** A table that was not used for this long is dropped. */
const idleMs = 2 * hourMs

/**
 * How many unverified verifications of a country an app may have: as many as its verified traffic allows, of this hour,
 * of the last 24 hours or of its best day, and never fewer than a minimum that lets a new country start. The design is
 * that of authgear's fraud protection (docs/specs/fraud-protection.md there).
 */
export function budgetOf (
  { hour, day, bestDay }: Traffic, { share, leastPerDay }: BudgetRule,
): { perDay: number, perHour: number } {
  const perDay = Math.max(leastPerDay, share * bestDay, share * day.verified)
  return { perDay, perHour: Math.max(perDay / hoursOfBudget, share * hour.verified) }
}

/** The used share of the hour's or the day's budget, whichever is more. At 1 or above nothing more is allowed. */
export function usedShare (traffic: Traffic, rule: BudgetRule): number {
  const { perDay, perHour } = budgetOf(traffic, rule)
  const shareOf = ({ created, verified }: TrafficCount, budget: number): number =>
    budget === 0 ? Infinity : Math.max(0, created - verified) / budget
  return Math.max(shareOf(traffic.day, perDay), shareOf(traffic.hour, perHour))
}

/** The time until the next hour, when a budget may allow more. */
export const untilNextHour = (at: number): number => hourMs - at % hourMs

export type UnverifiedBudget = {
  /** Waits until this process knows the counts of the others; at once, except for the first time. Never rejects. */
  ready (appId: string, country: string): Promise<void>
  /**
   * Counts a verification that sends its first message (`created`), or was verified after one, at `at` (ms since the
   * epoch). `times` -1 takes it back.
   */
  count (appId: string, country: string, what: keyof TrafficCount, at: number, times?: 1 | -1): void
  /** The share of its budget that an app has used for a country, without I/O. Null: not known yet, or no budget. */
  usedShare (appId: string, country: string, at: number): number | null
  /** The highest share of all apps and countries that this process has seen lately; 0 without any. */
  highestShare (at: number): number
  /** Shares the last counts and stops syncing. */
  close (): Promise<void>
}

export type UnverifiedBudgetParts = {
  counters: Pick<Counters, 'incrementFields'>
  /** Null: the app has no budget. */
  ruleOf: (appId: string) => BudgetRule | null
  now: () => number
  onError: (error: unknown) => void
}

/**
 * Tracks the traffic of each app and country over all processes: its own counts at once, those of the others as of the
 * last sync, at most seconds ago. A budget is an estimate: a process that dies loses what it has not shared, and while
 * Redis is away at the start nothing is exceeded.
 */
export function createUnverifiedBudget (
  { counters, ruleOf, now, onError }: UnverifiedBudgetParts,
): UnverifiedBudget {
  type Entry = { appId: string, table: TrafficTable, usedAt: number }
  const entries = new Map<string, Entry>()

  function use (appId: string, country: string, at: number): TrafficTable {
    const name = `traffic ${appId} ${country}`
    const known = entries.get(name)
    if (known !== undefined) {
      known.usedAt = at
      return known.table
    }
    const table = createTrafficTable({ name, counters, now, onError })
    entries.set(name, { appId, table, usedAt: at })
    void table.sync()
    return table
  }

  function shareOf (appId: string, table: TrafficTable, at: number): number | null {
    const rule = ruleOf(appId)
    const traffic = rule === null ? null : table.read(at)
    return rule === null || traffic === null ? null : usedShare(traffic, rule)
  }

  const timer = setInterval(() => {
    for (const [name, { table, usedAt }] of entries) {
      if (now() - usedAt > idleMs) entries.delete(name)
      else void table.sync()
    }
  }, syncEveryMs)

  return {
    async ready (appId, country) {
      const at = now()
      const table = use(appId, country, at)
      if (table.read(at) === null) await table.sync()
    },
    count: (appId, country, what, at, times = 1) => use(appId, country, at).count(what, at, times),
    usedShare: (appId, country, at) => shareOf(appId, use(appId, country, at), at),
    highestShare: at => Math.max(0, ...[...entries.values()].map(({ appId, table }) => shareOf(appId, table, at) ?? 0)),
    async close () {
      clearInterval(timer)
      await Promise.all([...entries.values()].map(({ table }) => table.flush()))
    },
  }
}
