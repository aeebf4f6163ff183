/** A counter of one time window that all processes share. */
export type WindowCounter = {
  /** What is counted, and for whom. `sync` gets it together with the end of the window. */
  name: string
  windowMs: number
  /** A process syncs when it has counted this many by itself. Each further process can exceed a limit by as many. */
  syncEvery: number
}

export type WindowCounters = {
  /** The sum as far as this process knows it, without I/O. */
  count (counter: Pick<WindowCounter, 'name' | 'windowMs'>): number
  /**
   * Adds one, without I/O. `count` is the sum as far as this process knows it; `endsAt` is the end of the window, ms
   * since the epoch.
   */
  increment (counter: WindowCounter): { count: number, endsAt: number }
}

export type WindowCountersParts = {
  /** Adds to the shared counter, and returns its sum. */
  sync: (name: string, count: number, expiresAt: number) => Promise<number>
  now: () => number
}

/** `own`: what was counted here and not synced yet. */
type Entry = { endsAt: number, shared: number, own: number, isSyncing: boolean }

/** At most this many counters; beyond that the oldest ones start again. */
const maxEntries = 100_000
const syncRetryMs = 1_000

/**
 * Counts locally, and syncs with the other processes in the background whenever `syncEvery` have come together. So a
 * limit is decided without I/O, and n processes exceed it by at most (n − 1) × `syncEvery` and what arrives during one
 * sync. While syncs fail each process applies the limit to its own count, and syncs that count later.
 */
export function createWindowCounters ({ sync, now }: WindowCountersParts): WindowCounters {
  const entries = new Map<string, Entry>()
  let retryAt = -Infinity

  async function syncEntry (name: string, entry: Entry): Promise<void> {
    const { own, endsAt } = entry
    entry.isSyncing = true
    try {
      entry.shared = await sync(`${name} ${endsAt}`, own, endsAt)
      entry.own -= own
    } catch {
      retryAt = now() + syncRetryMs
    }
    entry.isSyncing = false
  }

  function entryOf (name: string, windowMs: number): Entry {
    const at = now()
    const known = entries.get(name)
    if (known !== undefined && at < known.endsAt) return known
    const fresh: Entry = { endsAt: at - at % windowMs + windowMs, shared: 0, own: 0, isSyncing: false }
    entries.delete(name)
    entries.set(name, fresh)
    if (entries.size > maxEntries) entries.delete(entries.keys().next().value ?? '')
    return fresh
  }

  return {
    count ({ name, windowMs }) {
      const { shared, own } = entryOf(name, windowMs)
      return shared + own
    },
    increment ({ name, windowMs, syncEvery }) {
      const entry = entryOf(name, windowMs)
      entry.own += 1
      const count = entry.shared + entry.own
      if (entry.own >= syncEvery && !entry.isSyncing && now() >= retryAt) void syncEntry(name, entry)
      return { count, endsAt: entry.endsAt }
    },
  }
}
