import type { Test } from 'tap'
import { connectRedis } from '../../src/store/redis.ts'
import type { Answer, Client } from '../helpers/gateway.ts'
import { until } from '../helpers/redis.ts'

/** How a verification may end: `verified`, or status and reason. */
export type End = 'verified' | 'failed/number_mismatch' | 'failed/provider_unavailable' | 'expired/attempt_timeout' | 'expired/deadline'

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

/**
 * An oracle for one gateway. Given a Redis it also listens to every change that is written, so that a second settling is seen even if
 * it wrote the same again.
 */
export async function createOracle (t: Test, shop: Client, redisUrl: string | null): Promise<Oracle> {
  const accepted = new Map<string, End[]>()
  const revisions = new Map<string, number[]>()
  if (redisUrl !== null) {
    const subscriber = connectRedis(redisUrl, 'subscriber', { onError: () => {} })
    t.teardown(() => subscriber.disconnect())
    subscriber.on('message', (_channel, message: string) => {
      const [id = '', revision] = message.split(' ')
      revisions.set(id, [...revisions.get(id) ?? [], Number(revision)])
    })
    await subscriber.subscribe('vg:changes')
  }

  async function settle (id: string, deadline: number): Promise<Settled | null> {
    let verification: Record<string, any> = {}
    await until(async () => {
      if (performance.now() > deadline) return true
      const answer = await shop.call('GET', `/verifications/${id}?wait=2`).catch(() => null)
      if (answer?.status !== 200) return false
      verification = answer.body
      return verification['status'] !== 'pending'
    }, `${id} ends`, 60_000)
    const { status, reason } = verification
    if (status === undefined || status === 'pending') return null
    return { id, verification, end: reason === null ? status : `${status}/${reason}` }
  }

  return {
    accept: (id, ...allowed) => { accepted.set(id, allowed) },
    reached: revision => [...revisions.values()].filter(list => list.some(heard => heard >= revision)).length,
    // Less than what an attempt has: a provider that failed is asked again ever later, and a stopped one not at all for a while.
    async judge (injected, timeoutMs = 45_000) {
      const deadline = performance.now() + timeoutMs
      const all = await Promise.all([...accepted.keys()].map(async id => await settle(id, deadline) ?? id))
      const settled = all.filter(one => typeof one !== 'string')
      const lost = all.filter(one => typeof one === 'string')
      const wrong = settled.filter(({ id, end }) => !accepted.get(id)?.includes(end as End)).map(({ id, end }) => `${id} ${end}`)
      const falselyVerified = settled.filter(({ id, end }) => end === 'verified' && !accepted.get(id)?.includes('verified'))
      const doubly = settled.filter(one => isDoublySettled(one, revisions.get(one.id)))

      const unfinished = await Promise.all(lost.map(async id => (await shop.call('GET', `/verifications/${id}`)).body))
      t.same(unfinished, [], 'nothing accepted is lost')
      t.equal(doubly.length, 0, 'nothing is settled twice')
      t.equal(falselyVerified.length, 0, 'nothing is falsely verified')
      t.same(wrong, [], 'everything ends as it must')
      const again = await Promise.all(settled.map(async ({ id }) => (await shop.call('GET', `/verifications/${id}`)).body['revision']))
      t.same(again, settled.map(({ verification }) => verification['revision']), 'what has ended stays as it is')
      const ends = Object.entries(Object.groupBy(settled, ({ end }) => end)).map(([end, list]) => `${list?.length} ${end}`)
      t.comment([
        `${injected}: ${accepted.size} lifecycles (${ends.join(', ')})`,
        `lost ${lost.length}`, `doubly settled ${doubly.length}`, `falsely verified ${falselyVerified.length}`,
      ].join(', '))
      return settled
    },
  }
}

/** Ended attempts tell how often it was settled; so do announcements of the final revision or of one after it. */
function isDoublySettled ({ verification }: Settled, heard: number[] = []): boolean {
  const attempts: { status: string }[] = verification['attempts']
  const verified = attempts.filter(({ status }) => status === 'verified').length
  const isOdd = attempts.some(({ status }) => status === 'pending') || verified !== (verification['status'] === 'verified' ? 1 : 0)
  const finals = heard.filter(revision => revision >= verification['revision'])
  return isOdd || finals.length > 1
}

/** A number that is one person's only: the `n`th, with the last two digits that decide what happens. */
export const numberOf = (n: number, suffix: string): string => `+1415${20_000 + n}${suffix}`

/** The code that the sandbox sends to a number. */
export const codeOf = (phoneNumber: string): string => phoneNumber.slice(-6)

/**
 * Asks as a patient client does: again when the connection broke, on 503, and while the first request with the key is still worked on.
 * Answers the first real answer.
 */
export async function insist (ask: () => Promise<Answer>, timeoutMs = 15_000): Promise<Answer> {
  let answer: Answer | null = null
  await until(async () => {
    answer = await ask().catch(() => null)
    return answer !== null && answer.status !== 503 && answer.body['code'] !== 'idempotency_in_progress'
  }, 'an answer', timeoutMs)
  if (answer === null) throw new Error('no answer')
  return answer
}
