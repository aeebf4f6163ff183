import type { Method } from '../adapters/adapter.ts'
import { methodTags, type Limits } from '../apps/limits.ts'
import { deadlinesOf } from '../core/deadlines.ts'
import type { Event, Effect } from '../core/events.ts'
import { hasSentMessage } from '../core/routing.ts'
import { providerOf, type Verification } from '../core/verification.ts'
import { packId, partitionOfHash } from '../store/keys.ts'
import type { Claim, ClaimRelease, Counter, EntryName, Listing } from '../store/record-store.ts'
import type { KeyName, Sealer } from '../store/sealing.ts'
import { writeKeyClaim } from './key-claim.ts'
import { appOwner, findableOwner, singleUseMs, singleUseText, type SingleUseOf } from './single-use.ts'

/**
 * Under which keys a verification is stored. All names are keyed hashes, so Redis shows no number and no reference.
 * While `SEAL_KEYS` rotates, an older key makes other names for the same thing.
 */

/** A claim, and what it is for. */
export type TypedClaim = Claim & { type: 'idempotency' | 'live' | 'once' | 'singleUse' }

/** What a write puts beside the record. Times are ms since the epoch. */
export type Writes = {
  claims: TypedClaim[]
  counters: Counter[]
  releases: ClaimRelease[]
  listings: Listing[]
  expiresAt: number
  dueAt: number
}

/**
 * A change that is about to be written; `before` and `event` are null for a new verification. `keys`: those of the
 * number, if the caller knows them.
 */
export type Change = {
  before: Verification | null, event: Event | null, after: Verification, effect: Effect | null, at: number
  keys?: readonly KeyName[] | undefined
}

/** What restricts the start of a method. */
type StartRules = Partial<Pick<Method, 'oncePerNumberMs' | 'sendsMessage' | 'codeAttempts' | 'maxPerNumberPerDay'>>

/** What the names, claims and counters of a write depend on. */
export type WriteContext = {
  names: Sealer['names']
  methods: ReadonlyMap<string, StartRules>
  singleUseOf: SingleUseOf
  limits: Pick<Limits, 'forStart' | 'forMessage' | 'forCode' | 'forWrongCode'>
  retentionMs: number
}

/** How long an Idempotency-Key is remembered. */
const idempotencyMs = 86_400_000
/** Longest life of a verification: what lists it outlives the retention by this much. */
const maxLifeMs = 86_400_000

/** Everything that one write claims, counts, releases and lists. Pure. */
export function writesOf (change: Change, context: WriteContext): Writes {
  const { before, after } = change
  const { names, retentionMs } = context
  const isListed = before?.phoneNumber !== after.phoneNumber
  const isNumberUsed = isListed || after.status !== 'pending'
  const number = after.phoneNumber !== null && isNumberUsed
    ? change.keys ?? numberKeys(names, after.appId, after.phoneNumber)
    : []
  const undone = undoneStart(change)
  return {
    claims: [
      ...before === null ? claimsOfNew(after, number) : [], ...startClaims(change, context),
      ...singleUseClaims(change, context),
    ],
    releases: [
      ...releasesOf(change, number, context), ...undone === null ? [] : startClaims(undone, context).map(toRelease),
    ],
    listings: isListed ? listingsOf(after, number, context) : [],
    counters: [
      ...eventCounters(change, context),
      ...undone === null
        ? startCounters(change, context)
        : net(startCounters(change, context), startCounters(undone, context).filter(({ add }) => add > 0)),
    ],
    ...deadlinesOf(after, retentionMs),
  }
}

/** The table of an app's verifications of a number: it lists them, has their counters, and claims the live one. */
export function numberKeys (names: Sealer['names'], appId: string, phoneNumber: string): [KeyName, ...KeyName[]] {
  const places = names('place', phoneNumber)
  const keys: KeyName[] = []
  for (const [index, { name }] of names('number', `${appId} ${phoneNumber}`).entries()) {
    keys.push({ name, partition: places[index]?.partition ?? 0 })
  }
  const [first, ...others] = keys
  if (first === undefined) throw new TypeError('a sealer has at least one key')
  return [first, ...others]
}

/** What must be released and removed when the verification is erased. */
export function erasureOf (
  verification: Verification, names: Sealer['names'],
): { releases: ClaimRelease[], listings: string[] } {
  return {
    releases: [
      ...numberReleases(verification, names), ...idempotencyReleases(verification),
      ...idReleases(verification, names),
    ],
    listings: listingTexts(verification).flatMap(([purpose, text]) => names(purpose, text).map(({ name }) => name)),
  }
}

/** The claims by which its Idempotency-Key is held. */
export const idempotencyReleases = (
  { id, idempotency }: Pick<Verification, 'id' | 'idempotency'>,
): (ClaimRelease & { partition: number })[] =>
  idempotency === null
    ? []
    : idempotency.names.map(
      name => ({ name, value: writeKeyClaim({ id, ...idempotency }), partition: partitionOfHash(name) }),
    )

function claimsOfNew (after: Verification, number: readonly KeyName[]): TypedClaim[] {
  const { expiresAt } = after
  const keptUntil = (after.idempotency?.at ?? 0) + idempotencyMs
  const idempotency = idempotencyReleases(after)
    .map((claim): TypedClaim => ({ ...claim, type: 'idempotency', expiresAt: keptUntil }))
  if (after.status !== 'pending') return idempotency
  return [...idempotency, ...number.map((key): TypedClaim => ({ ...key, type: 'live', field: liveField, expiresAt }))]
}

/** The entry of a number's table that the live verification holds, with its packed id as the value. */
const liveField = 'live'

/** What releases a number from a verification that is the live one of it. */
export const liveClaims = (number: readonly KeyName[], id: string): (ClaimRelease & { partition: number })[] =>
  number.map(key => ({ ...key, field: liveField, value: packId(id) }))

/** The claims that make a start the only one for its number; none when the method needs none. */
function startClaims (
  { after, effect, at }: Change, { names, methods }: WriteContext,
): (TypedClaim & ClaimRelease)[] {
  const method = effect === 'start' ? after.attempts.at(-1)?.method : undefined
  const everyMs = method === undefined ? undefined : methods.get(method)?.oncePerNumberMs
  if (everyMs === undefined || after.phoneNumber === null) return []
  const value = appOwner(after, after.attempts.length - 1)
  return onceKeys(names, method ?? '', after.phoneNumber)
    .map(key => ({ type: 'once', ...key, value, expiresAt: at + everyMs }))
}

/** The claims of a method that may start once per number in some time, over all apps. */
export const onceKeys = (
  names: Sealer['names'], method: string, phoneNumber: string,
): (EntryName & { partition: number })[] =>
  names('place', phoneNumber).map((key, index) => ({ ...key, field: `once.${methodTags(names, method)[index]}` }))

function singleUseClaims (
  { before, event, at }: Change, { names, singleUseOf }: WriteContext,
): (TypedClaim & ClaimRelease)[] {
  if (before === null || event === null) return []
  const used = singleUseOf(before, event)
  if (used === null) return []
  return names('evidence', singleUseText(used))
    .map(key => ({ ...key, type: 'singleUse', value: used.owner, expiresAt: at + singleUseMs }))
}

/** Whether the change adds an attempt that is about to start. A start that is repeated was counted before. */
export const beginsAttempt = ({ before, after, effect }: Pick<Change, 'before' | 'after' | 'effect'>): boolean =>
  effect === 'start' && after.attempts.length > (before?.attempts.length ?? 0)

/** What an attempt that is about to start counts: its message, or a silent verification. */
function startCounters (change: Change, { methods, limits }: WriteContext): Counter[] {
  const { after, at } = change
  const name = after.attempts.at(-1)?.method ?? ''
  const method = methods.get(name)
  if (method === undefined || !beginsAttempt(change)) return []
  const earlier = after.attempts.slice(0, -1)
  const isFirst = earlier.every(({ status }) => status === 'skipped')
  const isFirstMessage = method.sendsMessage === true && !hasSentMessage(earlier, methods)
  return limits.forStart(after, { ...method, name, isFirst, isFirstMessage }, at)
}

/**
 * The start that the change undoes: it was begun, and skipped before the provider was called, so what it has claimed
 * and counted is given back. Null: none.
 */
function undoneStart ({ before, event, at }: Change): Change | null {
  if (before === null || event?.type !== 'attemptSkipped') return null
  const earlier = { ...before, attempts: before.attempts.slice(0, -1) }
  return { before: earlier, event: null, after: before, effect: 'start', at }
}

/** What one write counts and gives back. A counter in both stays, and its limit includes the start given back. */
function net (counted: readonly Counter[], givenBack: readonly Counter[]): Counter[] {
  const names = new Set(counted.map(nameOf))
  const unspent = new Set(givenBack.map(nameOf))
  return [
    ...counted.map(counter => {
      if (counter.add === 0 || !unspent.has(nameOf(counter))) return counter
      return { ...counter, add: 0, below: counter.below === null ? null : counter.below + 1 }
    }),
    ...givenBack.filter(counter => !names.has(nameOf(counter))).map(counter => ({ ...counter, add: -1, below: null })),
  ]
}

const nameOf = ({ name, field }: Counter): string => `${name} ${field}`

/**
 * A typed code is checked only while the number has tries left; a wrong code counts for the number, whatever the
 * verification.
 */
function eventCounters ({ before, event, at }: Change, { limits }: WriteContext): Counter[] {
  if (before === null || event === null) return []
  if (event.type === 'resendRequested') return before.testNumber === undefined ? limits.forMessage(before, at) : []
  return [
    ...isTypedCode(before, event) ? limits.forCode(before, at) : [],
    ...isWrongCode(event) && before.phoneNumber !== null ? limits.forWrongCode(before, at) : [],
  ]
}

const isWrongCode = (event: Event): boolean =>
  event.type === 'codeIncorrect' || (event.type === 'evidenceReceived' && event.answer?.type === 'codeIncorrect')

function isTypedCode ({ attempts }: Verification, event: Event): boolean {
  if (event.type !== 'evidenceReceived' || event.evidence.from !== 'app') return false
  const attempt = attempts.at(-1)
  return attempt !== undefined && 'attemptsRemaining' in attempt && attempt.attemptsRemaining !== null
}

/** A final verification frees its number. Evidence that the provider did not accept for this attempt is not used up. */
function releasesOf (change: Change, number: readonly KeyName[], context: WriteContext): ClaimRelease[] {
  const { before, event, after } = change
  const isEnded = before !== null && after.status !== 'pending'
  const freed = isEnded ? liveClaims(number, after.id) : []
  if (before === null || event?.type !== 'attemptFailed' || event.reason !== 'evidence_invalid') return freed
  const attempt = before.attempts.at(-1)
  if (attempt?.status !== 'pending' || attempt.phase !== 'resolving') return freed
  const unused = singleUseClaims(
    { ...change, event: { type: 'evidenceReceived', attempt: event.attempt, evidence: attempt.evidence } }, context,
  )
  return [...freed, ...unused.map(toRelease)]
}

const toRelease = ({ name, field, value, partition }: ClaimRelease): ClaimRelease => ({
  name, value, ...field === undefined ? {} : { field }, ...partition === undefined ? {} : { partition },
})

const numberReleases = ({ id, appId, phoneNumber }: Verification, names: Sealer['names']): ClaimRelease[] =>
  phoneNumber === null ? [] : liveClaims(numberKeys(names, appId, phoneNumber), id)

/** The claims of provider ids that name an attempt. */
function idReleases (verification: Verification, names: Sealer['names']): ClaimRelease[] {
  return verification.attempts.flatMap((attempt, index) => {
    const ids = 'findableIds' in attempt ? attempt.findableIds ?? [] : []
    const value = findableOwner(verification, index)
    const provider = providerOf(attempt.method)
    return ids.flatMap(text => names('evidence', singleUseText({ provider, kind: 'id', text })))
      .map(key => ({ ...key, value }))
  })
}

type ListingText = [purpose: 'number' | 'reference', text: string]

function listingTexts ({ appId, phoneNumber, reference }: Verification): ListingText[] {
  const texts: ListingText[] = []
  if (phoneNumber !== null) texts.push(['number', `${appId} ${phoneNumber}`])
  if (reference !== null) texts.push(['reference', `${appId} ${reference}`])
  return texts
}

function listingsOf (
  { reference, appId, createdAt }: Verification, number: readonly KeyName[], { names, retentionMs }: WriteContext,
): Listing[] {
  const expiresAt = createdAt + maxLifeMs + retentionMs
  const referenced = reference === null ? [] : names('reference', `${appId} ${reference}`)
  return [number[0], referenced[0]].flatMap(key => key === undefined ? [] : [{ name: key.name, expiresAt }])
}
