import { createHistogram, type RecordableHistogram } from 'node:perf_hooks'
import { openConnection, type Answer, type Connection } from './connection.ts'

/** The result of a load. Latencies are those of the responses with the expected status. */
export type Load = {
  answered: number
  durationMs: number
  statuses: Record<number, number>
  p50Ms: number
  p99Ms: number
  /** Open loop only: requests that were not sent, because no connection was free in time. */
  unsent: number
}

export type LoadOptions = {
  url: string
  connections: number
  /** The text of the next request; null after the last one. */
  next: () => string | null
  /** The expected status. */
  status: number
  onAnswer?: (answer: Answer) => void
}

/** Opens the connections, so that the measurement does not include it. */
export async function openConnections (url: string, count: number): Promise<Connection[]> {
  const opened: Connection[] = []
  // At most a hundred at a time, because the backlog of a listening socket is short.
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

function createLoadRecorder (status: number) {
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
 * Closed loop: each connection sends its next request after the response to the last one. It ends after `durationMs`
 * and `minRequests`, after `maxMs`, or when no request is left.
 */
export async function closedLoop (
  {
    url, connections, next, status, onAnswer, durationMs, minRequests = 0, maxMs = Infinity,
  }: LoadOptions & { durationMs: number, minRequests?: number, maxMs?: number },
): Promise<Load> {
  const opened = await openConnections(url, connections)
  const recorder = createLoadRecorder(status)
  const startedAt = performance.now()
  let sent = 0
  const continues = (): boolean => {
    const elapsedMs = performance.now() - startedAt
    return elapsedMs < maxMs && (elapsedMs < durationMs || sent < minRequests)
  }
  await Promise.all(opened.map(connection => new Promise<void>(resolve => {
    const send = (): void => {
      const request = continues() && connection.isOpen() ? next() : null
      if (request === null) return resolve()
      const sentAt = performance.now()
      sent += 1
      connection.send(request, answer => {
        recorder.count(answer, sentAt)
        onAnswer?.(answer)
        send()
      })
    }
    send()
  })))
  const load = recorder.end()
  for (const connection of opened) connection.close()
  return load
}

/**
 * Open loop: sends at a fixed rate, independent of the responses, and measures from the time at which a request was
 * due, so that a stall of the server counts for every request that it delays. A request that finds no free connection
 * within `patienceMs` is not sent.
 */
export async function openLoop (
  {
    url, connections, next, status, onAnswer, durationMs, ratePerSecond, patienceMs = 60_000,
  }: LoadOptions & { durationMs: number, ratePerSecond: number, patienceMs?: number },
): Promise<Load> {
  const opened = await openConnections(url, connections)
  const idle = [...opened]
  const due: number[] = []
  const recorder = createLoadRecorder(status)
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
        recorder.count(answer, dueAt)
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
      // The requests of a millisecond are due at its start.
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
  const load = recorder.end(unsent + due.length - at)
  for (const connection of opened) connection.close()
  return load
}

/** Sends requests until `count` responses had the expected status. Throws after twice as many requests. */
export async function sendMany (
  { url, status, count, next, onAnswer, connections = 50 }: Omit<LoadOptions, 'next' | 'connections'> & {
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
    `only ${done} of ${count} responses had status ${status}: ${JSON.stringify(statuses)}`,
  )
}
