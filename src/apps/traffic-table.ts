import type { Counters } from '../store/counters.ts'

/** How many verifications sent a message (`created`), and how many of these were verified. */
export type TrafficCount = { created: number, verified: number }

/**
 * The verifications of one country by one app: in the current hour, in the last 24 hours, and the most that were
 * verified on one of the 14 days before today (UTC).
 */
export type Traffic = { hour: TrafficCount, day: TrafficCount, bestDay: number }

/** The traffic of one country and app. All processes share it. */
export type TrafficTable = {
  /** Adds one, or, with `times` -1, takes one back. */
  count (what: keyof TrafficCount, at: number, times?: 1 | -1): void
  /** The own counts, and those of the other processes as of the last sync. Null before the first one. */
  read (at: number): Traffic | null
  /** Adds the own counts to the shared ones, and reads those of the other processes. Never rejects. */
  sync (): Promise<void>
  /** Syncs until nothing is left that was counted before the call. Never rejects. */
  flush (): Promise<void>
}

export type TrafficTableParts = {
  /** The name of the shared counters. */
  name: string
  counters: Pick<Counters, 'incrementFields'>
  now: () => number
  /** Receives the error of a failed sync. The counts stay, and the next sync sends them. */
  onError: (error: unknown) => void
}

type Fields = Record<string, number>

const hourMs = 3_600_000
const hoursPerDay = 24
const dayMs = hoursPerDay * hourMs
const baselineDays = 14

const hourOf = (at: number): number => Math.floor(at / hourMs)
const dayOf = (at: number): number => Math.floor(at / dayMs)
/** Fields: `c` and `v` with the number of an hour (created, verified), `d` with that of a day (verified). */
const hourField = (what: keyof TrafficCount, hour: number): string => `${what === 'created' ? 'c' : 'v'}${hour}`
const dayField = (day: number): string => `d${day}`

function isOldField (field: string, at: number): boolean {
  const number = Number(field.slice(1))
  return field.startsWith('d') ? number < dayOf(at) - baselineDays : number < hourOf(at) - hoursPerDay
}

function sumUp (read: (field: string) => number, thisHour: number): Traffic {
  const sum = (what: keyof TrafficCount, hours: number): number => Array
    .from({ length: hours }, (_, back) => read(hourField(what, thisHour - back)))
    .reduce((total, count) => total + count, 0)
  const of = (hours: number): TrafficCount => ({ created: sum('created', hours), verified: sum('verified', hours) })
  const today = Math.floor(thisHour / hoursPerDay)
  const days = Array.from({ length: baselineDays }, (_, back) => read(dayField(today - 1 - back)))
  return { hour: of(1), day: of(hoursPerDay), bestDay: Math.max(...days) }
}

export function createTrafficTable ({ name, counters, now, onError }: TrafficTableParts): TrafficTable {
  const own: Fields = {}
  let shared: Fields | null = null
  /** The sums of an hour, kept because each create reads them. */
  let sums: { hour: number, traffic: Traffic } | null = null
  let syncing: Promise<void> | null = null

  const add = (field: string, count: number): void => {
    own[field] = (own[field] ?? 0) + count
    if (own[field] === 0) delete own[field]
  }

  async function share (): Promise<void> {
    const sent = { ...own }
    const options = {
      expiresAt: now() + (baselineDays + 1) * dayMs, isOld: (field: string) => isOldField(field, now()),
    }
    try {
      shared = await counters.incrementFields(name, sent, options)
      for (const [field, count] of Object.entries(sent)) add(field, -count)
      sums = null
    } catch (error) {
      onError(error)
    }
  }

  const sync = (): Promise<void> => syncing ??= share().finally(() => { syncing = null })

  return {
    count (what, at, times = 1) {
      const hour = hourOf(at)
      add(hourField(what, hour), times)
      if (what === 'verified') add(dayField(dayOf(at)), times)
      if (sums?.hour !== hour) return
      sums.traffic.hour[what] += times
      sums.traffic.day[what] += times
    },
    read (at) {
      if (shared === null) return null
      const known = shared
      const hour = hourOf(at)
      if (sums?.hour !== hour) sums = { hour, traffic: sumUp(field => (known[field] ?? 0) + (own[field] ?? 0), hour) }
      return sums.traffic
    },
    sync,
    async flush () {
      await syncing
      if (Object.keys(own).length > 0) await sync()
    },
  }
}
