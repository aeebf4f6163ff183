import type { Test } from 'tap'
import { connectRedis } from '../../src/store/redis.ts'
import type { Answer, Client } from '../helpers/gateway.ts'
import { readLine } from '../helpers/process.ts'
import { until } from '../helpers/redis.ts'
import type { Received, Receiver } from '../sandbox/receiver.ts'

/** How a verification may end: `verified`, or status and reason. */
export type End = 'verified' | 'canceled/app_canceled' | 'failed/number_mismatch'
  | 'failed/provider_unavailable' | 'expired/attempt_timeout' | 'expired/deadline'

export type Settled = { id: string, end: string, verification: Record<string, any> }

/** Remembers what was accepted, and judges what became of it. */
export type Oracle = {
  /** The app was told that this verification exists: it must end in one of these ways. */
  accept (id: string, ...allowed: End[]): void
  /** How many have been announced to have reached this revision. */
  reached (revision: number): number
  /** Waits until all have ended, asserts what must hold, and says the figures. */
  judge (injected: string, timeoutMs?: number): Promise<Settled[]>
}

export type OracleParts = {
  shop: Client
  /** It listens there to every change that is written. */
  redisUrl: string
  /** What the gateway's processes have logged: who writes an end says so, also if he wrote the same again. */
  logs: () => string[]
  /** Where the app's webhooks arrive. */
  receiver: Pick<Receiver, 'received'>
}

/** An oracle for one gateway. */
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
      // A profile may still be sought after the proof.
      return verification['status'] !== 'pending' && verification['profileStatus'] !== 'pending'
    }, `${id} ends`, 60_000)
    const { status, reason } = verification
    if (status === undefined || status === 'pending') return null
    return { id, verification, end: reason === null ? status : `${status}/${reason}` }
  }

  /** Whether a webhook is still to be tried, or tried again: what goes out twice may do so late. */
  async function isTelling (): Promise<boolean> {
    for (let cursor: string | null = null, isFirst = true; isFirst || cursor !== null; isFirst = false) {
      const place: string = cursor === null ? '' : `&cursor=${cursor}`
      const { body } = await retryUntilAnswered(() => shop.call('GET', `/webhooks/deliveries?status=pending&limit=100${place}`))
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
    // Less than what an attempt has: a provider that failed is asked again ever later, and a stopped one not at all for
    // a while.
    async judge (injected, timeoutMs = 45_000) {
      const deadline = performance.now() + timeoutMs
      t.ok(accepted.size > 0, 'there is something to judge')
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
      const doubly = settled.filter(one => (endings.get(one.id)?.length ?? 0) > 1 || isOddlySettled(one))

      const unfinished = await Promise.all(lost.map(async id => (await shop.call('GET', `/verifications/${id}`)).body))
      t.same(unfinished, [], 'nothing accepted is lost')
      t.same(doubly.map(({ id }) => id), [], 'nothing is settled twice')
      t.equal(falselyVerified.length, 0, 'nothing is falsely verified')
      t.same(wrong, [], 'everything ends as it must')
      const untold = (): Settled[] => {
        const received = Map.groupBy(receiver.received, subjectOf)
        return settled.filter(one => !finalsOf(one, received.get(one.id) ?? []).length)
      }
      await until(
        () => untold().length === 0 || performance.now() > deadline + webhookGraceMs, 'the app is told of every end',
        timeoutMs + webhookGraceMs + 60_000,
      )
      t.same(untold().map(({ id }) => id), [], 'the app is told of every end')
      let isTold = false
      await until(
        async () => (isTold = !await isTelling()) || performance.now() > deadline + webhookGraceMs,
        'nothing is left to be told', timeoutMs + webhookGraceMs + 60_000,
      )
      t.ok(isTold, 'nothing is left to be told')
      const received = Map.groupBy(receiver.received, subjectOf)
      const oddlyNamed = settled.filter(one => !isNamedRight(one, received.get(one.id) ?? []))
      t.same(oddlyNamed.map(({ id }) => id), [], 'every try of a webhook has the same webhook-id and says the same')
      // One after the other: thousands at once would be the overload that is looked for elsewhere.
      const again: unknown[] = []
      for (const { id } of settled) again.push(
        (await retryUntilAnswered(() => shop.call('GET', `/verifications/${id}`))).body['revision'],
      )
      t.same(again, settled.map(({ verification }) => verification['revision']), 'what has ended stays as it is')
      const ends = Object.entries(
        Object.groupBy(settled, ({ end }) => end),
      ).map(([end, list]) => `${list?.length} ${end}`)
      t.comment([
        `${injected}: ${accepted.size} lifecycles (${ends.join(', ')})`,
        `lost ${lost.length}`, `doubly settled ${doubly.length}`, `falsely verified ${falselyVerified.length}`, `wrong webhook-id ${oddlyNamed.length}`,
      ].join(', '))
      return settled
    },
  }
}

/** A first try that failed is repeated after 5 s. */
const webhookGraceMs = 20_000
const webhookIdOf = ({ headers }: Received): string => String(headers['webhook-id'])
/** Id of the verification that it tells of. */
const subjectOf = ({ body }: Received): string => String(Object(body['data'])['id'])

/** What the app was told of how it ended; `own` is all that it was told of this one. */
const finalsOf = ({ verification }: Settled, own: readonly Received[]): Received[] =>
  own.filter(({ body }) => body['type'] === `verification.${verification['status']}`)

/** One end has one `webhook-id`, one `webhook-id` has one text, and nothing tells of another end. */
function isNamedRight (one: Settled, own: readonly Received[]): boolean {
  const ends = own.filter(({ body }) => /\.(verified|failed|expired|canceled)$/.test(String(body['type'])))
  const texts = Map.groupBy(own, webhookIdOf).values().map(list => new Set(list.map(({ text }) => text)).size)
  return new Set(
    ends.map(webhookIdOf),
  ).size <= 1 && finalsOf(one, ends).length === ends.length && [...texts].every(size => size === 1)
}

/** An attempt is left over, or as many are not proven as a verified one needs. */
function isOddlySettled ({ verification }: Settled): boolean {
  const attempts: { status: string }[] = verification['attempts']
  const verified = attempts.filter(({ status }) => status === 'verified').length
  return attempts.some(({ status }) => status === 'pending') || verified !== (
    verification['status'] === 'verified' ? 1 : 0
  )
}

/** A number that is one person's only: the `n`th, with the last two digits that decide what happens. */
export const numberOf = (n: number, suffix: string): string => `+1415${20_000 + n}${suffix}`

/** The code that the sandbox sends to a number. */
export const codeOf = (phoneNumber: string): string => phoneNumber.slice(-6)

/**
 * Asks as a patient client does: again when the connection broke, on 503, and while the first request with the key is
 * still worked on.
 * Answers the first real answer.
 */
export async function retryUntilAnswered (ask: () => Promise<Answer>, timeoutMs = 15_000): Promise<Answer> {
  let answer: Answer | null = null
  await until(async () => {
    answer = await ask().catch(() => null)
    return answer !== null && answer.status !== 503 && answer.body['code'] !== 'idempotency_in_progress'
  }, 'an answer', timeoutMs)
  if (answer === null) throw new Error('no answer')
  return answer
}
