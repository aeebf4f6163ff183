import type { App } from './apps.ts'
import type { Counters } from '../store/counters.ts'

/**
 * How many verifications of one country were created and verified, by an app. `bestDay`: the most that were verified on
 * one of the last 14 days.
 */
export type Traffic = { hour: Counted, day: Counted, bestDay: number }
export type Counted = { created: number, verified: number }

/** `share`: how many unverified ones each verified one allows; `leastPerDay`: how many are allowed without any. */
export type BudgetRule = { share: number, leastPerDay: number }
export const defaultRule: BudgetRule = { share: 1, leastPerDay: 50 }

const hourMs = 3_600_000
const dayMs = 24 * hourMs
const baselineDays = 14
/** A sixth of the day's budget may be used up in one hour. */
const hoursOfBudget = 6
const syncEveryMs = 2_000
/** Countries of an app in which nothing was created for so long are not followed any more. */
const idleMs = 2 * hourMs

/**
 * How many unverified creates of a country an app may have: as many as its verified traffic carries, of this hour, of
 * this day or of its best day, and
 * never fewer than a floor that lets a new country begin. The design is that of authgear's fraud protection
 * (docs/specs/fraud-protection.md there).
 */
export function budgetOf (
  { hour, day, bestDay }: Traffic, { share, leastPerDay }: BudgetRule,
): { perDay: number, perHour: number } {
  const perDay = Math.max(leastPerDay, share * bestDay, share * day.verified)
  return { perDay, perHour: Math.max(perDay / hoursOfBudget, share * hour.verified) }
}

/** Which of the two budgets is used up: one more create would be one too many. */
export function exceededPeriod (traffic: Traffic, rule: BudgetRule): 'hour' | 'day' | null {
  const { perDay, perHour } = budgetOf(traffic, rule)
  const unverified = ({ created, verified }: Counted): number => created - verified
  if (unverified(traffic.day) >= perDay) return 'day'
  return unverified(traffic.hour) >= perHour ? 'hour' : null
}

export type UnverifiedBudget = {
  /** One more was created, or verified. */
  count (appId: string, country: string, what: keyof Counted): void
  /**
   * Whether the app's creates of this country run far above its verified traffic; then how long it may last. Asks
   * nobody.
   */
  exceeded (app: App, country: string, at: number): { retryAfterMs: number } | null
  /** Shares what was not shared yet, and follows no more. */
  close (): Promise<void>
}

type TrafficTable = {
  shared: Record<string, number>
  own: Record<string, number>
  /** What both come to, in that hour; null until it is asked for. */
  sums: { hour: number, traffic: Traffic } | null
  isRead: boolean
  isSyncing: boolean
  usedAt: number
}

/**
 * Follows the traffic of each app and country, all processes together: own counts at once, those of the others as of
 * the last exchange, seconds ago at the
 * most. What a process that dies had not shared yet is lost, and so is a decision before the first exchange: a budget
 * is an estimate, no ledger.
 */
export function createUnverifiedBudget (
  { counts, now, onError }: {
    counts: Pick<Counters, 'incrementFields'>, now: () => number, onError: (error: unknown) => void,
  },
): UnverifiedBudget {
  const tables = new Map<string, TrafficTable>()
  const hourOf = (at: number): number => Math.floor(at / hourMs)
  const isOld = (field: string): boolean => {
    const [kind, text] = [field[0], Number(field.slice(1))]
    return kind === 'd' ? text < Math.floor(now() / dayMs) - baselineDays : text < hourOf(now()) - 24
  }

  function open (appId: string, country: string, at: number): TrafficTable {
    const name = `traffic ${appId} ${country}`
    const known = tables.get(name)
    const table = known ?? { shared: {}, own: {}, sums: null, isRead: false, isSyncing: false, usedAt: at }
    table.usedAt = at
    if (known !== undefined) return known
    tables.set(name, table)
    void sync(name, table)
    return table
  }

  async function sync (name: string, table: TrafficTable): Promise<void> {
    if (table.isSyncing) return
    table.isSyncing = true
    const sent = table.own
    table.own = {}
    try {
      table.shared = await counts.incrementFields(name, sent, { expiresAt: now() + (baselineDays + 1) * dayMs, isOld })
      table.isRead = true
      table.sums = null
    } catch (error) {
      for (const [field, count] of Object.entries(sent)) add(table, field, count)
      onError(error)
    }
    table.isSyncing = false
  }

  const add = ({ own }: TrafficTable, field: string, count: number): void => { own[field] = (own[field] ?? 0) + count }

  function readTraffic (table: TrafficTable, at: number): Traffic {
    const hour = hourOf(at)
    if (table.sums?.hour !== hour) table.sums = { hour, traffic: sumUp(table, hour) }
    return table.sums.traffic
  }

  function sumUp ({ shared, own }: TrafficTable, thisHour: number): Traffic {
    const at = (field: string): number => (shared[field] ?? 0) + (own[field] ?? 0)
    const counted = (hours: number): Counted => {
      const fields = Array.from({ length: hours }, (_, back) => thisHour - back)
      const sum = (kind: string): number => fields.reduce((total, hour) => total + at(`${kind}${hour}`), 0)
      return { created: sum('c'), verified: sum('v') }
    }
    const today = Math.floor(thisHour / 24)
    const bestDay = Math.max(...Array.from({ length: baselineDays }, (_, back) => at(`d${today - 1 - back}`)))
    return { hour: counted(1), day: counted(24), bestDay }
  }

  const timer = setInterval(() => {
    for (const [name, table] of tables) {
      if (now() - table.usedAt > idleMs) tables.delete(name)
      else void sync(name, table)
    }
  }, syncEveryMs)

  return {
    count (appId, country, what) {
      const at = now()
      const table = open(appId, country, at)
      const hour = hourOf(at)
      add(table, `${what === 'created' ? 'c' : 'v'}${hour}`, 1)
      if (table.sums?.hour === hour) for (
        const period of ['hour', 'day'] as const
      ) table.sums.traffic[period][what] += 1
      if (what === 'verified') add(table, `d${Math.floor(at / dayMs)}`, 1)
    },
    exceeded (app, country, at) {
      const table = open(app.id, country, at)
      if (!table.isRead) return null
      const over = exceededPeriod(readTraffic(table, at), { ...defaultRule, ...app.unverifiedBudget })
      return over === null ? null : { retryAfterMs: hourMs - at % hourMs }
    },
    async close () {
      clearInterval(timer)
      await Promise.all(
        [...tables].filter(([, { own }]) => Object.keys(own).length > 0).map(([name, table]) => sync(name, table)),
      )
    },
  }
}
