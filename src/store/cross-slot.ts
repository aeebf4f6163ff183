import type { Keys, PartitionKeys } from './keys.ts'
import type { RedisClient } from './redis.ts'
import type { Timed } from './unavailable.ts'
import type { Claim, ClaimRelease, Counter, CounterExceeded, SaveOptions, WriteRefusal } from './writes.ts'

type InPartition = { partition?: number }
type Split<T> = { here: T[], elsewhere: T[] }
type Write = (options: SaveOptions) => Promise<WriteRefusal | null>

/** On Cluster a script reaches one slot, so claims and counters of other partitions take commands of their own. */
export type CrossSlot = {
  /** Separates what is in the record's own slot from the rest. */
  split<T extends InPartition> (items: readonly T[], home: PartitionKeys): Split<T>
  /**
   * Takes the claims and increments the counters of other slots, and then writes the rest with `writeHere`. It undoes
   * both when a claim or a counter prevents the write. It undoes neither when the reply is lost, because the write may
   * have happened. It keeps the claims when the record conflicts, because the process that wrote it may hold them.
   */
  write (options: SaveOptions, home: PartitionKeys, writeHere: Write): Promise<WriteRefusal | null>
  /** Releases claims of other slots. One that cannot be released expires. */
  release (releases: readonly ClaimRelease[], home: PartitionKeys): Promise<void>
}

const isElsewhere = ({ partition }: InPartition, home: PartitionKeys): boolean =>
  partition !== undefined && partition !== home.partition

const split = <T extends InPartition>(items: readonly T[], home: PartitionKeys): Split<T> =>
  ({ here: items.filter(item => !isElsewhere(item, home)), elsewhere: items.filter(item => isElsewhere(item, home)) })

export function createCrossSlot (
  { redis, keys, timed }: { redis: RedisClient, keys: Keys, timed: Timed },
): CrossSlot {
  async function release (releases: readonly ClaimRelease[], home: PartitionKeys): Promise<void> {
    await Promise.allSettled(releases.map(({ name, value, partition }) =>
      redis.eraseRecord(1, keys.claim(partition ?? home.partition, name), 0, 0, 0, '', '', value)))
  }

  async function decrement (counters: readonly Counter[], home: PartitionKeys): Promise<void> {
    await Promise.allSettled(counters.map(({ name, add, expiresAt, partition }) => {
      const key = keys.counter(partition ?? home.partition, name)
      return redis.multi().decrby(key, add).pexpireat(key, expiresAt, 'NX').exec()
    }))
  }

  /** Increments first and compares afterwards, so that concurrent writes cannot pass the limit together. */
  async function increment (counter: Counter, home: PartitionKeys): Promise<CounterExceeded | null> {
    const { name, add, below, expiresAt, partition } = counter
    const key = keys.counter(partition ?? home.partition, name)
    const transaction = redis.multi().incrby(key, add).pexpireat(key, expiresAt, 'NX').pttl(key)
    const [[, count] = [], , [, leftMs] = []] = await timed(transaction.exec()) ?? []
    if (below === null || Number(count) - add < below) return null
    await decrement([counter], home)
    return { name, retryAfterMs: Math.max(0, Number(leftMs)) }
  }

  /** Takes a free claim. Returns the value of a claim that is held, null when it was free. */
  const take = ({ name, value, expiresAt, partition }: Claim, home: PartitionKeys): Promise<string | null> =>
    timed(redis.set(keys.claim(partition ?? home.partition, name), value, 'PXAT', expiresAt, 'NX', 'GET'))

  return {
    split,
    release,
    async write (options, home, writeHere) {
      const [claims, counters] = [split(options.claims ?? [], home), split(options.counters ?? [], home)]
      const releases = split(options.releases ?? [], home)
      const taken: Claim[] = []
      const counted: Counter[] = []
      const undo = async (refusal: WriteRefusal): Promise<WriteRefusal> => {
        await Promise.all([release(taken, home), decrement(counted, home)])
        return refusal
      }
      for (const claim of claims.elsewhere) {
        const holder = await take(claim, home)
        if (holder === null) taken.push(claim)
        else if (holder !== claim.value) return undo({ claimConflict: { name: claim.name, value: holder } })
      }
      for (const counter of counters.elsewhere) {
        const counterExceeded = await increment(counter, home)
        if (counterExceeded !== null) return undo({ counterExceeded })
        counted.push(counter)
      }
      const refusal = await writeHere(
        { ...options, claims: claims.here, counters: counters.here, releases: releases.here },
      )
      if (refusal === null) await release(releases.elsewhere, home)
      else if (refusal === 'conflict') await decrement(counted, home)
      else await undo(refusal)
      return refusal
    },
  }
}
