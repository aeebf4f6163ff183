import { setTimeout as delay } from 'node:timers/promises'
import type { Answer, Client } from '../helpers/gateway.ts'
import { codeOf, retryUntilAnswered, numberOf, type End, type Oracle } from './oracle.ts'

/** Starts a task every `everyMs`, however long each takes, until it is stopped; then waits for all of them. */
export function startSteadyLoad (everyMs: number, task: (n: number) => Promise<void>): { stop (): Promise<number> } {
  const started: Promise<void>[] = []
  let isStopped = false
  const running = (async () => {
    for (let n = 0; !isStopped; n += 1) {
      started.push(task(n))
      await delay(everyMs)
    }
  })()
  return {
    async stop () {
      isStopped = true
      await running
      await Promise.all(started)
      return started.length
    },
  }
}

/**
 * Numbers the lifecycles in which no provider fails by itself: during an outage, repeated provider failures would open
 * the breaker, which then admits one call in five seconds.
 */
export const healthyKind = (n: number): number => Math.floor(n / 4) * 5 + ([0, 1, 2, 4][n % 4] ?? 0)

/** A client that waits after a 503: a storm of retries would be another fault. */
export function withBackoff (client: Client): Client {
  const withPause = <Args extends unknown[]>(
    ask: (...args: Args) => Promise<Answer>,
  ) => async (...args: Args): Promise<Answer> => {
    const answer = await ask(...args)
    if (answer.status === 503) await delay(200)
    return answer
  }
  return { ...client, call: withPause(client.call), create: withPause(client.create) }
}

/** Creates a verification every `everyMs`, and reports the longest time between two that succeeded. */
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

/** Splits ids that were answered with 201 into those that still exist and those that the store has lost. */
export async function countLost (shop: Client, ids: readonly string[]): Promise<{ kept: string[], lost: string[] }> {
  const statuses = await Promise.all(
    ids.map(async id => (await retryUntilAnswered(() => shop.call('GET', `/verifications/${id}`))).status),
  )
  return { kept: ids.filter((_, at) => statuses[at] === 200), lost: ids.filter((_, at) => statuses[at] === 410) }
}

/** Accepts these verifications and submits their codes; `others` are further allowed ends. */
export async function submitCodes (
  shop: Client, oracle: Oracle, ids: readonly string[], ...others: End[]
): Promise<void> {
  for (const id of ids) {
    const { body } = await retryUntilAnswered(() => shop.call('GET', `/verifications/${id}`))
    oracle.accept(id, 'verified', ...others)
    await retryUntilAnswered(
      () => shop.call('POST', `/verifications/${id}/check`, { code: codeOf(body['phoneNumber']) }),
    )
  }
}
