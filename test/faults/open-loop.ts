import { setTimeout as delay } from 'node:timers/promises'
import { Agent, request } from 'undici'

/** What became of one request of an open loop; no `status`: no answer. */
export type Offered = { n: number, status: number | null, retryAfter: string | null, body: Record<string, any>, sentAt: number, ms: number }

const tickMs = 10

/**
 * An open loop: posts `count` bodies evenly over `overMs`, whatever became of those before, as a crowd does that does not know of each other;
 * each has the connection it needs. Resolves once each was answered, or broke.
 */
export async function offer (
  url: string, headers: Record<string, string>, { count, overMs, bodyOf }: { count: number, overMs: number, bodyOf: (n: number) => unknown },
): Promise<Offered[]> {
  const agent = new Agent({ pipelining: 1, headersTimeout: 30_000, bodyTimeout: 30_000 })
  const bodies = Array.from({ length: count }, (_, n) => JSON.stringify(bodyOf(n)))
  const post = async (n: number): Promise<Offered> => {
    const sentAt = performance.now()
    try {
      const answer = await request(url, { dispatcher: agent, method: 'POST', headers: { 'content-type': 'application/json', ...headers }, body: bodies[n] ?? '' })
      const body = JSON.parse(await answer.body.text())
      const retryAfter = answer.headers['retry-after']
      return { n, status: answer.statusCode, retryAfter: typeof retryAfter === 'string' ? retryAfter : null, body, sentAt, ms: performance.now() - sentAt }
    } catch (error) {
      return { n, status: null, retryAfter: null, body: { error: String(error) }, sentAt, ms: performance.now() - sentAt }
    }
  }
  const sent: Promise<Offered>[] = []
  const startedAt = performance.now()
  while (sent.length < count) {
    const owed = Math.min(count, Math.ceil((performance.now() - startedAt + tickMs) / overMs * count))
    while (sent.length < owed) sent.push(post(sent.length))
    await delay(tickMs)
  }
  const all = await Promise.all(sent)
  await agent.destroy()
  return all
}

/** The value below which a share of the numbers lies. */
export function quantile (numbers: readonly number[], share: number): number {
  const sorted = numbers.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? NaN
}
