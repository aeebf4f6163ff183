import { setTimeout as delay } from 'node:timers/promises'
import type { Answer, Client } from '../helpers/gateway.ts'
import { codeOf, retryUntilAnswered, numberOf, type End, type Oracle } from './oracle.ts'

/** Begins one thing after another, however long each takes, until it is stopped; then waits for all. */
export function startSteadyLoad (everyMs: number, one: (n: number) => Promise<void>): { stop (): Promise<number> } {
  const begun: Promise<void>[] = []
  let isStopped = false
  const running = (async () => {
    for (let n = 0; !isStopped; n += 1) {
      begun.push(one(n))
      await delay(everyMs)
    }
  })()
  return {
    async stop () {
      isStopped = true
      await running
      await Promise.all(begun)
      return begun.length
    },
  }
}

/**
 * The `n`th lifecycle of the kinds in which no provider fails by itself: what an outage repeats of those opens the
 * breaker, which then lets one call
 * through in five seconds.
 */
export const healthyKind = (n: number): number => Math.floor(n / 4) * 5 + ([0, 1, 2, 4][n % 4] ?? 0)

/** A client that waits a little before it may ask again: a storm of retries would be a fault of its own. */
export function withBackoff (client: Client): Client {
  const calm = <Args extends unknown[]>(
    ask: (...args: Args) => Promise<Answer>,
  ) => async (...args: Args): Promise<Answer> => {
    const answer = await ask(...args)
    if (answer.status === 503) await delay(200)
    return answer
  }
  return { ...client, call: calm(client.call), create: calm(client.create) }
}

/**
 * Creates with a number of its own each time, and tells how long it was at most from one that was answered to the next.
 */
export function startCreateProbe (shop: Client, firstNumber: number, everyMs = 50): {
  stop (): Promise<{ longestGapMs: number, refused: number, ids: string[] }>,
} {
  const answered: number[] = []
  const ids: string[] = []
  let refused = 0
  const probe = startSteadyLoad(everyMs, async n => {
    const answer = await shop.create(
      { phoneNumber: numberOf(firstNumber + n, '10'), workflow: ['otpless.otp'] },
    ).catch(() => null)
    if (answer?.status !== 201) return void (refused += 1)
    answered.push(performance.now())
    ids.push(answer.body['id'])
  })
  return {
    async stop () {
      await probe.stop()
      const times = answered.sort((a, b) => a - b)
      return {
        ids, refused,
        longestGapMs: Math.round(Math.max(0, ...times.slice(1).map((time, at) => time - (times[at] ?? time)))),
      }
    },
  }
}

/** Splits what was answered 201 into what is still there, and what the store has lost. */
export async function countLost (shop: Client, ids: readonly string[]): Promise<{ kept: string[], lost: string[] }> {
  const statuses = await Promise.all(
    ids.map(async id => (await retryUntilAnswered(() => shop.call('GET', `/verifications/${id}`))).status),
  )
  return { kept: ids.filter((_, at) => statuses[at] === 200), lost: ids.filter((_, at) => statuses[at] === 410) }
}

/**
 * Brings the codes of those that wait for one, and has the oracle judge them; `others` are ends that are right, too.
 */
export async function submitCodes (shop: Client, oracle: Oracle, ids: readonly string[], ...others: End[]): Promise<void> {
  for (const id of ids) {
    const { body } = await retryUntilAnswered(() => shop.call('GET', `/verifications/${id}`))
    oracle.accept(id, 'verified', ...others)
    await retryUntilAnswered(() => shop.call('POST', `/verifications/${id}/check`, { code: codeOf(body['phoneNumber']) }))
  }
}
