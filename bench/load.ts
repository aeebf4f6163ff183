import { createHistogram, type RecordableHistogram } from 'node:perf_hooks'
import { openConnection, type Answer, type Connection } from './connection.ts'

/** What came of a load; latencies are of all answers with the wanted status. */
export type Load = {
  answered: number
  durationMs: number
  statuses: Record<number, number>
  p50Ms: number
  p99Ms: number
  /** Of an open loop: requests that found no free connection in time and were never sent. */
  unsent: number
}

export type Wish = {
  url: string
  connections: number
  /** The text of the next request; null when there is none any more. */
  next: () => string | null
  /** The status that counts. */
  status: number
  onAnswer?: (answer: Answer) => void
}

/** Opens them before anything is measured. */
export async function openConnections (url: string, count: number): Promise<Connection[]> {
  const opened: Connection[] = []
  // The backlog of a listening socket is short.
  while (opened.length < count) {
    opened.push(
      ...await Promise.all(
        Array.from({ length: Math.min(100, count - opened.length) }, () => openConnection(new URL(url))),
      ),
    )
  }
  return opened
}

const newHistogram = (): RecordableHistogram => createHistogram({ lowest: 1, highest: 120_000_000, figures: 3 })
const toMs = (micros: number): number => micros / 1000

function startTally (status: number) {
  const latencies = newHistogram()
  const statuses: Record<number, number> = {}
  const startedAt = performance.now()
  return {
    count (answer: Answer, sinceMs: number): void {
      statuses[answer.status] = (statuses[answer.status] ?? 0) + 1
      if (answer.status === status) latencies.record(Math.max(1, Math.round((performance.now() - sinceMs) * 1000)))
    },
    end: (unsent = 0): Load => ({
      answered: statuses[status] ?? 0, durationMs: performance.now() - startedAt, statuses, unsent,
      p50Ms: toMs(latencies.percentile(50)), p99Ms: toMs(latencies.percentile(99)),
    }),
  }
}

/**
 * Every connection sends its next request when the last was answered, until the time is over and so many were sent, or
 * nothing is left.
 */
export async function closedLoop (
  {
    url, connections, next, status, onAnswer, durationMs, least = 0, mostMs = Infinity,
  }: Wish & { durationMs: number, least?: number, mostMs?: number },
): Promise<Load> {
  const opened = await openConnections(url, connections)
  const tally = startTally(status)
  const startedAt = performance.now()
  let sent = 0
  const goesOn = (): boolean => {
    const elapsedMs = performance.now() - startedAt
    return elapsedMs < mostMs && (elapsedMs < durationMs || sent < least)
  }
  await Promise.all(opened.map(connection => new Promise<void>(resolve => {
    const send = (): void => {
      const request = goesOn() && connection.isOpen() ? next() : null
      if (request === null) return resolve()
      const sentAt = performance.now()
      sent += 1
      connection.send(request, answer => {
        tally.count(answer, sentAt)
        onAnswer?.(answer)
        send()
      })
    }
    send()
  })))
  const load = tally.end()
  for (const connection of opened) connection.close()
  return load
}

/**
 * Sends by the clock, whatever comes back, and measures from the time at which a request was due: a server that stalls
 * is not spared the requests that
 * it made wait. One that finds no free connection within `patienceMs` is never sent.
 */
export async function openLoop (
  {
    url, connections, next, status, onAnswer, durationMs, ratePerSecond, patienceMs = 60_000,
  }: Wish & { durationMs: number, ratePerSecond: number, patienceMs?: number },
): Promise<Load> {
  const opened = await openConnections(url, connections)
  const idle = [...opened]
  const due: number[] = []
  const tally = startTally(status)
  const startedAt = performance.now()
  let planned = 0
  let unsent = 0
  let inFlight = 0
  let at = 0

  const drain = (): void => {
    while (at < due.length) {
      const dueAt = due[at] ?? 0
      if (performance.now() - dueAt > patienceMs) {
        unsent += 1
        at += 1
        continue
      }
      const connection = idle.pop()
      if (connection === undefined) break
      if (!connection.isOpen()) continue
      const request = next()
      if (request === null) return
      at += 1
      inFlight += 1
      connection.send(request, answer => {
        inFlight -= 1
        tally.count(answer, dueAt)
        onAnswer?.(answer)
        idle.push(connection)
        drain()
      })
    }
    if (at > 10_000) due.splice(0, at), at = 0
  }
  await new Promise<void>(resolve => {
    const timer = setInterval(() => {
      const elapsed = performance.now() - startedAt
      // All that is due in a millisecond is due at its beginning.
      const wanted = Math.floor(Math.min(elapsed, durationMs)) * ratePerSecond / 1000
      while (planned + 1 <= wanted) {
        planned += 1
        due.push(startedAt + Math.ceil(planned * 1000 / ratePerSecond))
      }
      drain()
      const isOver = elapsed >= durationMs && (inFlight === 0 && at >= due.length)
      if (!isOver && elapsed < durationMs + 30_000) return
      clearInterval(timer)
      resolve()
    }, 1)
  })
  const load = tally.end(unsent + due.length - at)
  for (const connection of opened) connection.close()
  return load
}

/** Sends requests until so many were answered as wanted. Throws when too many were not. */
export async function sendMany (
  { url, status, count, next, onAnswer, connections = 50 }: Omit<Wish, 'next' | 'connections'> & {
    count: number, next: () => string, connections?: number,
  },
): Promise<void> {
  let done = 0
  let sent = 0
  const { statuses } = await closedLoop({
    url, status, connections, durationMs: 600_000,
    next: () => done < count && (sent += 1) <= count * 2 ? next() : null,
    onAnswer (answer) {
      if (answer.status !== status || (done += 1) > count) return
      onAnswer?.(answer)
    },
  })
  if (done < count) throw new Error(
    `of ${count} requests ${done} were answered with ${status}: ${JSON.stringify(statuses)}`,
  )
}
