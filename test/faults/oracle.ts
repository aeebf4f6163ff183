import type { Test } from 'tap'
import { connectRedis } from '../../src/store/redis.ts'
import type { Answer, Client } from '../helpers/gateway.ts'
import { readLine } from '../helpers/process.ts'
import { until } from '../helpers/redis.ts'
import type { Received, Receiver } from '../sandbox/receiver.ts'

/** How a verification may end: `verified`, or status and reason. */
export type End = 'verified' | 'canceled/app_canceled' | 'failed/number_mismatch'
  | 'failed/provider_unavailable' | 'failed/evidence_invalid' | 'expired/attempt_timeout' | 'expired/deadline'

export type Settled = { id: string, end: string, verification: Record<string, any> }

/** Records the accepted verifications, and checks how each of them ended. */
export type Oracle = {
  /** The API confirmed this verification to the app, so it must end in one of these ways. */
  accept (id: string, ...allowed: End[]): void
  /** How many verifications were announced with this revision or a later one. */
  reached (revision: number): number
  /** Waits until all have ended, asserts the invariants, and prints the counts as a comment that names the fault. */
  judge (fault: string): Promise<Settled[]>
}

export type OracleParts = {
  shop: Client
  /** The Redis whose change feed the oracle subscribes to. */
  redisUrl: string
  /** The logs of all gateway processes: a process logs each end that it writes, so a second write shows. */
  logs: () => string[]
  /** Receives the app's webhooks. */
  receiver: Pick<Receiver, 'received'>
}

/**
 * A bound against hanging, not a measure. Longer than an attempt may take (300 s), because one whose callback no
 * process accepted ends only then.
 */
const judgeMs = 360_000

/** Creates the oracle of one deployment. */
export async function createOracle (t: Test, { shop, redisUrl, logs, receiver }: OracleParts): Promise<Oracle> {
  const accepted = new Map<string, End[]>()
  const revisions = new Map<string, number[]>()
  const subscriber = connectRedis(redisUrl, 'subscriber', { onError: () => {} })
  t.teardown(() => subscriber.disconnect())
  subscriber.on('message', (_channel, message: string) => {
    const [id = '', revision] = message.split(' ')
    revisions.set(id, [...revisions.get(id) ?? [], Number(revision)])
  })
  await subscriber.subscribe('vg:changes')

  async function settle (id: string, deadline: number): Promise<Settled | null> {
    let verification: Record<string, any> = {}
    await until(async () => {
      if (performance.now() > deadline) return true
      const answer = await shop.call('GET', `/verifications/${id}?wait=2`).catch(() => null)
      if (answer?.status !== 200) return false
      verification = answer.body
      return verification['status'] !== 'pending'
    }, `${id} ends`, 2 * judgeMs)
    const { status, reason } = verification
    if (status === undefined || status === 'pending') return null
    return { id, verification, end: reason === null ? status : `${status}/${reason}` }
  }

  /** Whether a delivery is still pending. A second copy of a webhook may arrive late. */
  async function hasPendingDeliveries (): Promise<boolean> {
    for (let cursor: string | null = null, isFirst = true; isFirst || cursor !== null; isFirst = false) {
      const place: string = cursor === null ? '' : `&cursor=${cursor}`
      const { body } = await retryUntilAnswered(
        () => shop.call('GET', `/webhooks/deliveries?status=pending&limit=100${place}`),
      )
      if (
        body['data'].some(({ verificationId }: Record<string, string>) => accepted.has(verificationId ?? ''))
      ) return true
      cursor = body['nextCursor']
    }
    return false
  }

  return {
    accept: (id, ...allowed) => { accepted.set(id, allowed) },
    reached: revision => [...revisions.values()].filter(list => list.some(heard => heard >= revision)).length,
    async judge (fault) {
      const deadline = performance.now() + judgeMs
      t.ok(accepted.size > 0, 'at least one verification was accepted')
      const all = await Promise.all([...accepted.keys()].map(async id => await settle(id, deadline) ?? id))
      const settled = all.filter(one => typeof one !== 'string')
      const lost = all.filter(one => typeof one === 'string')
      const wrong = settled.filter(
        ({ id, end }) => !accepted.get(id)?.includes(end as End),
      ).map(({ id, end }) => `${id} ${end}`)
      const falselyVerified = settled.filter(
        ({ id, end }) => end === 'verified' && !accepted.get(id)?.includes('verified'),
      )
      const endings = Map.groupBy(
        logs().filter(line => line.includes('"verification ended"') && line.endsWith('}')),
        line => String(readLine(line)['verificationId']),
      )
      const endedTwice = settled.filter(one => (endings.get(one.id)?.length ?? 0) > 1 || isInconsistent(one))

      const unfinished = await Promise.all(lost.map(async id => (await shop.call('GET', `/verifications/${id}`)).body))
      t.same(unfinished, [], 'no accepted verification is lost')
      t.same(endedTwice.map(({ id }) => id), [], 'no verification ends twice')
      t.equal(falselyVerified.length, 0, 'no verification is falsely verified')
      t.same(wrong, [], 'every verification ends in an allowed way')
      const withoutWebhook = (): string[] => {
        const received = Map.groupBy(receiver.received, subjectOf)
        return settled.filter(one => finalsOf(one, received.get(one.id) ?? []).length === 0).map(({ id }) => id)
      }
      await until(
        () => withoutWebhook().length === 0 || performance.now() > deadline, 'the app receives every end', 2 * judgeMs,
      )
      t.same(withoutWebhook(), [], 'the app receives every end')
      let isDelivered = false
      await until(
        async () => (isDelivered = !await hasPendingDeliveries()) || performance.now() > deadline,
        'no delivery stays pending', 2 * judgeMs,
      )
      t.ok(isDelivered, 'no delivery stays pending')
      const received = Map.groupBy(receiver.received, subjectOf)
      const withWrongIds = settled.filter(one => !hasConsistentWebhooks(one, received.get(one.id) ?? []))
      t.same(withWrongIds.map(({ id }) => id), [], 'every try of a webhook has the same webhook-id and text')
      // One after the other: thousands at once would be an overload, which is another fault.
      const again: unknown[] = []
      for (const { id } of settled) again.push(
        (await retryUntilAnswered(() => shop.call('GET', `/verifications/${id}`))).body['revision'],
      )
      t.same(
        again, settled.map(({ verification }) => verification['revision']), 'an ended verification does not change',
      )
      const ends = Object.entries(
        Object.groupBy(settled, ({ end }) => end),
      ).map(([end, list]) => `${list?.length} ${end}`)
      t.comment([
        `${fault}: ${accepted.size} lifecycles (${ends.join(', ')})`,
        `lost ${lost.length}`, `ended twice ${endedTwice.length}`, `falsely verified ${falselyVerified.length}`,
        `wrong webhook-id ${withWrongIds.length}`,
      ].join(', '))
      return settled
    },
  }
}

const webhookIdOf = ({ headers }: Received): string => String(headers['webhook-id'])
/** The id of the verification that a webhook is about. */
const subjectOf = ({ body }: Received): string => String(Object(body['data'])['id'])

/** The webhooks of its end; `own` are all webhooks of this verification. */
const finalsOf = ({ verification }: Settled, own: readonly Received[]): Received[] =>
  own.filter(({ body }) => body['type'] === `verification.${verification['status']}`)

/** One end has one `webhook-id`, one `webhook-id` has one text, and no webhook names another end. */
function hasConsistentWebhooks (one: Settled, own: readonly Received[]): boolean {
  const ends = own.filter(({ body }) => /\.(verified|failed|expired|canceled)$/.test(String(body['type'])))
  const texts = Map.groupBy(own, webhookIdOf).values().map(list => new Set(list.map(({ text }) => text)).size)
  return new Set(
    ends.map(webhookIdOf),
  ).size <= 1 && finalsOf(one, ends).length === ends.length && [...texts].every(size => size === 1)
}

/** An attempt is still pending, or the number of verified attempts does not fit the status. */
function isInconsistent ({ verification }: Settled): boolean {
  const attempts: { status: string }[] = verification['attempts']
  const verified = attempts.filter(({ status }) => status === 'verified').length
  return attempts.some(({ status }) => status === 'pending') || verified !== (
    verification['status'] === 'verified' ? 1 : 0
  )
}

/** A phone number of its own for each `n`; its last two digits choose the scenario with every provider. */
export const numberOf = (n: number, suffix: string): string =>
  `+1415${2_000 + Math.floor(n / 6)}${'016789'[n % 6]}${suffix}`

/** The code that the sandbox sends to a number. */
export const codeOf = (phoneNumber: string): string => phoneNumber.slice(-6)

/**
 * Repeats a request as a client should: after a broken connection, after a 503, and while the first request with the
 * same Idempotency-Key is in progress. Resolves with the first other response.
 */
export async function retryUntilAnswered (ask: () => Promise<Answer>, timeoutMs = 90_000): Promise<Answer> {
  let answer: Answer | null = null
  await until(async () => {
    answer = await ask().catch(() => null)
    return answer !== null && answer.status !== 503 && answer.body['code'] !== 'idempotency_in_progress'
  }, 'an answer', timeoutMs)
  if (answer === null) throw new Error('no answer')
  return answer
}
