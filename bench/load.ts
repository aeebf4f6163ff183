import { createHistogram, type RecordableHistogram } from 'node:perf_hooks'
import { lost, openConnection, type Answer, type Connection } from './connection.ts'

/** The result of a load. Latencies are those of the responses with the expected status. */
export type Load = {
  answered: number
  durationMs: number
  statuses: Record<number, number>
  p50Ms: number
  p99Ms: number
  longestMs: number
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
    end: (): Load => ({
      answered: statuses[status] ?? 0, durationMs: performance.now() - startedAt, statuses,
      p50Ms: toMs(latencies.percentile(50)), p99Ms: toMs(latencies.percentile(99)), longestMs: toMs(latencies.max),
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

/** `unsent`: no connection was free. `refusals`: the responses with another status. */
export type Overload = Load & { unsent: number, refusals: { p50Ms: number, p99Ms: number } }

/**
 * Open loop: sends at a fixed rate, whatever happens to the earlier requests. All latencies are from sending. The
 * connections were opened before, and each has carried a request (`first`), as those of a proxy. While none is free,
 * what is due is not sent.
 */
export async function openLoop (
  { url, connections, first, next, status, onAnswer, durationMs, ratePerSecond }: LoadOptions & {
    first: string, durationMs: number, ratePerSecond: number,
  },
): Promise<Overload> {
  const idle: Connection[] = []
  while (idle.length < connections) {
    // At once, because a server closes a new connection that sends nothing.
    const opened = await openConnections(url, Math.min(100, connections - idle.length))
    await Promise.all(opened.map(connection => new Promise<Answer>(resolve => connection.send(first, resolve))))
    idle.push(...opened)
  }
  const recorder = createLoadRecorder(status)
  const refused = newHistogram()
  const startedAt = performance.now()
  let [planned, unsent, inFlight] = [0, 0, 0]

  const send = (connection: Connection, request: string): void => {
    const sentAt = performance.now()
    inFlight += 1
    connection.send(request, answer => {
      inFlight -= 1
      recorder.count(answer, sentAt)
      if (answer.status !== status) refused.record(Math.max(1, Math.round((performance.now() - sentAt) * 1000)))
      onAnswer?.(answer)
      if (connection.isOpen()) idle.push(connection)
    })
  }
  await new Promise<void>(resolve => {
    const timer = setInterval(() => {
      const elapsedMs = performance.now() - startedAt
      for (const due = Math.min(elapsedMs, durationMs) * ratePerSecond / 1000; planned < due; planned += 1) {
        const connection = idle.pop()
        const request = connection === undefined ? null : next()
        if (connection === undefined || request === null) unsent += 1
        else send(connection, request)
      }
      if (elapsedMs < durationMs || (inFlight > 0 && elapsedMs < durationMs + 30_000)) return
      clearInterval(timer)
      resolve()
    }, 1)
  })
  for (const connection of idle) connection.close()
  const refusals = { p50Ms: toMs(refused.percentile(50)), p99Ms: toMs(refused.percentile(99)) }
  return { ...recorder.end(), unsent, refusals }
}

/**
 * Clients that arrive together: each opens a connection and sends one request, and none sends it again. The latency
 * includes the opening.
 */
export async function burst (
  { url, connections, next, status }: Omit<LoadOptions, 'next' | 'onAnswer'> & { next: () => string },
): Promise<Load> {
  const recorder = createLoadRecorder(status)
  await Promise.all(Array.from({ length: connections }, async () => {
    const sentAt = performance.now()
    const connection = await openConnection(new URL(url)).catch(() => null)
    if (connection === null) return recorder.count(lost, sentAt)
    recorder.count(await new Promise<Answer>(resolve => connection.send(next(), resolve)), sentAt)
    connection.close()
  }))
  return recorder.end()
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
