/** A count of one window of time, kept together by all processes. */
export type WindowCount = {
  /** What is counted, and for whom. Never leaves this process as it is. */
  name: string
  windowMs: number
  /**
   * How much of its own count a process may keep to itself: so much can be let through too much, by each further
   * process.
   */
  syncEvery: number
}

export type WindowCounters = {
  /**
   * Counts one more. `count` is the sum as far as it is known here, `endsAt` when the window does (ms since the epoch).
   * Asks nobody.
   */
  increment (tally: WindowCount): { count: number, endsAt: number }
}

export type WindowCountersParts = {
  /** Adds to the count that all share, and tells its sum. */
  sync: (name: string, count: number, expiresAt: number) => Promise<number>
  now: () => number
}

type Entry = { endsAt: number, shared: number, own: number, isSharing: boolean }

/** Names that are counted at once; beyond that the oldest are forgotten. */
const maxNames = 100_000
const shareRetryMs = 1_000

/**
 * Counts at once here, and shares with the other processes in the background: whenever a `step` of its own has come
 * together. So a limit is
 * decided without asking anybody, and with n processes at most n − 1 steps, and what comes during one exchange, are let
 * through too much.
 * While nothing can be shared each process keeps the limit by itself.
 */
export function createWindowCounters ({ sync, now }: WindowCountersParts): WindowCounters {
  const entries = new Map<string, Entry>()
  let retryAt = -Infinity

  async function syncEntry (name: string, entry: Entry): Promise<void> {
    const { own, endsAt } = entry
    entry.isSharing = true
    try {
      const shared = await sync(`${name} ${endsAt}`, own, endsAt)
      entry.shared = shared
      entry.own -= own
    } catch {
      retryAt = now() + shareRetryMs
    }
    entry.isSharing = false
  }

  function open (name: string, windowMs: number): Entry {
    const at = now()
    const known = entries.get(name)
    if (known !== undefined && at < known.endsAt) return known
    const fresh: Entry = { endsAt: at - at % windowMs + windowMs, shared: 0, own: 0, isSharing: false }
    entries.delete(name)
    entries.set(name, fresh)
    if (entries.size > maxNames) entries.delete(entries.keys().next().value ?? '')
    return fresh
  }

  return {
    increment ({ name, windowMs, syncEvery }) {
      const entry = open(name, windowMs)
      entry.own += 1
      const count = entry.shared + entry.own
      if (entry.own >= syncEvery && !entry.isSharing && now() >= retryAt) void syncEntry(name, entry)
      return { count, endsAt: entry.endsAt }
    },
  }
}
