import type { Counters } from '../store/counters.ts'
import type { App } from './apps.ts'
import { createTrafficTable, type Traffic, type TrafficCount, type TrafficTable } from './traffic-table.ts'

/** `share`: unverified creates that each verified one allows; `leastPerDay`: those that are always allowed. */
export type BudgetRule = { share: number, leastPerDay: number }
export const defaultRule: BudgetRule = { share: 1, leastPerDay: 50 }

const hourMs = 3_600_000
/** One hour may use a sixth of the day's budget. */
const hoursOfBudget = 6
const syncEveryMs = 2_000
/** A table that was not used for this long is dropped. */
const idleMs = 2 * hourMs

/**
 * How many unverified creates of a country an app may have: as many as its verified traffic allows, of this hour, of
 * the last 24 hours or of its best day, and never fewer than a minimum that lets a new country start. The design is
 * that of authgear's fraud protection (docs/specs/fraud-protection.md there).
 */
export function budgetOf (
  { hour, day, bestDay }: Traffic, { share, leastPerDay }: BudgetRule,
): { perDay: number, perHour: number } {
  const perDay = Math.max(leastPerDay, share * bestDay, share * day.verified)
  return { perDay, perHour: Math.max(perDay / hoursOfBudget, share * hour.verified) }
}

/** The budget that is used up, so that it allows no further create; null when neither is. */
export function exceededPeriod (traffic: Traffic, rule: BudgetRule): 'hour' | 'day' | null {
  const { perDay, perHour } = budgetOf(traffic, rule)
  const unverified = ({ created, verified }: TrafficCount): number => created - verified
  if (unverified(traffic.day) >= perDay) return 'day'
  return unverified(traffic.hour) >= perHour ? 'hour' : null
}

export type UnverifiedBudget = {
  /** Counts one more verification that was created or verified at `at` (ms since the epoch). */
  count (appId: string, country: string, what: keyof TrafficCount, at: number): void
  /**
   * Whether the app's creates of this country exceed its budget; if so, the time until the next hour, when the budget
   * may allow more. Decides without I/O.
   */
  exceeded (app: App, country: string, at: number): { retryAfterMs: number } | null
  /** Shares the last counts and stops syncing. */
  close (): Promise<void>
}

export type UnverifiedBudgetParts = {
  counters: Pick<Counters, 'incrementFields'>
  now: () => number
  onError: (error: unknown) => void
}

/**
 * Tracks the traffic of each app and country over all processes: its own counts at once, those of the others as of the
 * last sync, at most seconds ago. A budget is an estimate: a process that dies loses what it has not shared, and before
 * the first sync nothing is exceeded.
 */
export function createUnverifiedBudget ({ counters, now, onError }: UnverifiedBudgetParts): UnverifiedBudget {
  const tables = new Map<string, { table: TrafficTable, usedAt: number }>()

  function use (appId: string, country: string, at: number): TrafficTable {
    const name = `traffic ${appId} ${country}`
    const known = tables.get(name)
    if (known !== undefined) {
      known.usedAt = at
      return known.table
    }
    const table = createTrafficTable({ name, counters, now, onError })
    tables.set(name, { table, usedAt: at })
    void table.sync()
    return table
  }

  const timer = setInterval(() => {
    for (const [name, { table, usedAt }] of tables) {
      if (now() - usedAt > idleMs) tables.delete(name)
      else void table.sync()
    }
  }, syncEveryMs)

  return {
    count: (appId, country, what, at) => use(appId, country, at).count(what, at),
    exceeded (app, country, at) {
      const traffic = use(app.id, country, at).read(at)
      if (traffic === null) return null
      const period = exceededPeriod(traffic, { ...defaultRule, ...app.unverifiedBudget })
      return period === null ? null : { retryAfterMs: hourMs - at % hourMs }
    },
    async close () {
      clearInterval(timer)
      await Promise.all([...tables.values()].map(({ table }) => table.flush()))
    },
  }
}
