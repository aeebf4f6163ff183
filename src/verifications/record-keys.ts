import type { Sealer } from '../store/sealing.ts'
import { partitionOfHash } from '../store/keys.ts'
import type { IndexEntry, ClaimRelease } from '../store/record-store.ts'
import { dueAt, isFinal, type Verification } from '../core/verification.ts'

export type ClaimKey = { name: string, partition: number }

/** Under which names a verification is kept, and for how long. Names are tags; under older keys of `SEAL_KEYS` there are others for the same thing. */
export type RecordKeys = {
  /** What an app's verifications of a number have in common: the name of their list, their counters and the claim that the live one holds. */
  numberName (appId: string, phoneNumber: string): string
  /** That name with the partition where new ones live, and then those that older keys make. */
  numberClaims (appId: string, phoneNumber: string): [ClaimKey, ...ClaimKey[]]
  /** The lists that it is entered into. */
  indexEntries (verification: Verification): IndexEntry[]
  /** The names of all lists that it may stand in. */
  indexKeys (verification: Verification): string[]
  /** The claims of its number, which it gives up when it is over. */
  numberReleases (verification: Verification): ClaimRelease[]
  deadlines (verification: Verification): { expiresAt: number, dueAt: number }
  /** Its retention has passed: to everybody outside it is gone already. */
  isPastRetention (verification: Verification): boolean
}

/** How long what is not done outlives its time while no worker runs. */
const outageMs = 30 * 86_400_000
/** Longest life of a verification: what is found by an index is kept this much longer than its retention. */
const longestLifeMs = 86_400_000
/** How long the sweeper has to erase what nobody may read any more. */
const eraseMs = 3_600_000

export function createRecordKeys (
  { sealer, now, retentionMs }: { sealer: Pick<Sealer, 'keyedHash' | 'keyedHashes'>, now: () => number, retentionMs: number },
): RecordKeys {
  const textsOf = ({ appId, phoneNumber, reference }: Verification): [purpose: string, text: string][] => [
    ...phoneNumber === null ? [] : [['number', `${appId} ${phoneNumber}`] satisfies [string, string]],
    ...reference === null ? [] : [['reference', `${appId} ${reference}`] satisfies [string, string]],
  ]
  const numberClaims: RecordKeys['numberClaims'] = (appId, phoneNumber) => {
    const names = sealer.keyedHashes('number', `${appId} ${phoneNumber}`)
    const [first, ...others] = sealer.keyedHashes('place', phoneNumber).map((tag, at) => ({ name: names[at] ?? '', partition: partitionOfHash(tag) }))
    if (first === undefined) throw new TypeError('a sealer has at least one key')
    return [first, ...others]
  }
  const owesNews = ({ news }: Verification): boolean => news !== null && news.owed.length > 0
  /** Nothing is left to do with it but to keep it readable for a while. */
  const isDone = (verification: Verification): boolean => isFinal(verification) && !owesNews(verification)
  const retainUntil = (verification: Verification): number => (isFinal(verification) ? verification.updatedAt : verification.expiresAt) + retentionMs

  return {
    numberName: (appId, phoneNumber) => sealer.keyedHash('number', `${appId} ${phoneNumber}`),
    numberClaims,
    indexEntries: verification => textsOf(verification)
      .map(([purpose, text]) => ({ name: sealer.keyedHash(purpose, text), score: verification.createdAt, keepMs: longestLifeMs + retentionMs })),
    indexKeys: verification => textsOf(verification).flatMap(([purpose, text]) => sealer.keyedHashes(purpose, text)),
    numberReleases: ({ id, appId, phoneNumber }) => phoneNumber === null ? [] : numberClaims(appId, phoneNumber).map(place => ({ ...place, value: id })),
    // The sweeper erases it with all its traces; should no worker be there for long, it goes by itself.
    deadlines: verification => ({
      expiresAt: retainUntil(verification) + (isDone(verification) ? eraseMs : outageMs),
      dueAt: dueAt(verification) ?? retainUntil(verification),
    }),
    isPastRetention: verification => isDone(verification) && now() >= retainUntil(verification),
  }
}
