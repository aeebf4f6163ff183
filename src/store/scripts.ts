import type { Timed } from './commands.ts'
import { createCrossSlot, type CrossSlot } from './cross-slot.ts'
import { packId, type Keys, type PartitionKeys } from './keys.ts'
import type { RedisClient } from './redis.ts'
import { StoreUnavailable } from './unavailable.ts'
import type {
  ClaimRelease, Counter, EraseOptions, Operate, Operation, SaveOptions, SiblingRecord, WriteRefusal,
} from './writes.ts'

// Calls of the scripts, which document their arguments and replies. Fields and values are Latin-1 text here.

export type Sealed = { sealed: Buffer, version: string }
/** A record that is about to be written. */
export type Change = {
  id: string
  /** The packed id. */
  member: string
  home: PartitionKeys
  /** What the record must start with; `''`: it must not exist. */
  expected: Buffer | ''
  sealed: Buffer
  siblings: (SiblingRecord & Sealed)[]
}

export type Scripts = {
  operate: Operate
  write (change: Change, options: SaveOptions): Promise<WriteRefusal | null>
  erase (id: string, options: EraseOptions): Promise<void>
  /** Null: all keys share one server. */
  crossSlot: CrossSlot | null
}

export function createScripts (
  { redis, keys, timed, now }: { redis: RedisClient, keys: Keys, timed: Timed, now: () => number },
): Scripts {
  const operate: Operate = async operations => {
    const { tables, values } = argumentsOf(operations, partition => keysIn(keys, partition ?? 0))
    const [result, detail] = await timed(
      redis.operateBuffer(tables.length, ...tables, now(), operations.length, ...values),
    )
    return result === 1 ? null : readRefusal(result, detail, operations)
  }
  const crossSlot = redis.isCluster ? createCrossSlot(operate) : null

  return {
    operate,
    crossSlot,
    async write (change, options) {
      async function writeHere (operations: readonly Operation[]): Promise<WriteRefusal | null> {
        const { names, values } = writeArguments(keys, change, operations, { ...options, at: options.at ?? now() })
        const [result, detail] = await timed(redis.writeRecordBuffer(names.length, ...names, ...values))
        if (result === 1) return null
        return result === 0 ? 'conflict' : readRefusal(result, detail, operations)
      }
      const operations = operationsOf(options, change.member)
      return crossSlot?.write(operations, change.home.partition, writeHere) ?? writeHere(operations)
    },
    async erase (id, options) {
      const home = keys.ofId(id)
      const operations = [
        ...options.releases?.map(toRelease) ?? [],
        ...options.listings?.map(name => toRelease({ name, field: packId(id), value: '' })) ?? [],
      ]
      const { here, elsewhere } = crossSlot?.split(operations, home.partition) ?? { here: operations, elsewhere: [] }
      const { names, values } = eraseArguments(keys, home, id, here, options, now())
      await timed(redis.eraseRecord(names.length, ...names, ...values))
      await crossSlot?.release(elsewhere)
    },
  }
}

/** The operations of a write on tables, claims first, because the first refusal counts. `member`: the packed id. */
function operationsOf (
  { claims = [], releases = [], counters = [], listings = [] }: SaveOptions, member: string,
): Operation[] {
  return [
    ...claims.map(claim => ({ field: '', value: member, ...claim, kind: 'claim' as const, limit: null })),
    ...counters.map(toCount),
    ...releases.map(toRelease),
    ...listings.map(({ name, expiresAt }) =>
      ({ kind: 'list' as const, name, field: member, value: '', expiresAt, limit: name })),
  ]
}

export const toRelease = (release: ClaimRelease): Operation =>
  ({ field: '', ...release, kind: 'release', expiresAt: 0, limit: null })

const toCount = ({ add, below, ...entry }: Counter): Operation =>
  ({ field: '', ...entry, kind: 'count', value: String(add), limit: below })

type ScriptArguments = { names: string[], values: OperationArguments['values'] }

/** The KEYS and ARGV of write.lua. */
function writeArguments (
  keys: Keys, change: Change, operations: readonly Operation[], options: SaveOptions & { at: number },
): ScriptArguments {
  const { id, member, home, expected, sealed, siblings } = change
  const { at, indexes = [], removeFromIndexes = [], publish } = options
  const operated = argumentsOf(operations, partition => partition === undefined ? home : keysIn(keys, partition))
  const entries = [{ id, indexes }, ...siblings].flatMap(({ id, indexes }) => indexes.map(index => ({ id, ...index })))
  return {
    names: [
      home.recordPrefix + id, ...operated.tables, home.due, ...entries.map(({ name }) => home.indexPrefix + name),
      ...removeFromIndexes.map(name => home.indexPrefix + name), ...siblings.map(({ id }) => home.recordPrefix + id),
      ...operated.sets,
    ],
    values: [
      expected, sealed, options.expiresAt, options.dueAt ?? '', toBytes(member),
      ...publish === null ? ['', ''] : [keys.channel, `${id} ${publish}`],
      at, operated.tables.length, operations.length, entries.length, removeFromIndexes.length, siblings.length,
      ...operated.values,
      ...entries.flatMap(({ id, score }) => [toBytes(packId(id)), score]),
      ...siblings.flatMap(
        ({ id, sealed, expiresAt, dueAt }) => [sealed, expiresAt, dueAt, toBytes(packId(id))],
      ),
    ],
  }
}

/** The KEYS and ARGV of erase.lua. */
function eraseArguments (
  keys: Keys, home: PartitionKeys, id: string, operations: readonly Operation[], options: EraseOptions, at: number,
): ScriptArguments {
  const { listings = [], indexes = [], alsoDelete = [], publish } = options
  const ids = [id, ...alsoDelete]
  const sets = [...indexes, ...listings.map(name => ({ name, lowest: at }))]
  const { tables, values } = argumentsOf(
    operations, partition => partition === undefined ? home : keysIn(keys, partition),
  )
  return {
    names: [
      ...ids.map(each => home.recordPrefix + each), home.due, ...sets.map(({ name }) => home.indexPrefix + name),
      ...tables,
    ],
    values: [
      ids.length, sets.length, ids.length, operations.length, at, keys.channel, `${id} ${publish}`, ...values,
      ...ids.map(each => toBytes(packId(each))), ...sets.map(({ lowest }) => lowest),
    ],
  }
}

function keysIn (keys: Keys, partition: number): PartitionKeys {
  const found = keys.all[partition]
  if (found === undefined) throw new RangeError('no such partition')
  return found
}

/** `sets`: the last keys of the script. `values`: the arguments of the operations. */
type OperationArguments = { tables: string[], sets: string[], values: (string | number | Buffer)[] }

/** The arguments of operations on tables that share a slot. */
function argumentsOf (
  operations: readonly Operation[], keysIn: (partition: number | undefined) => PartitionKeys,
): OperationArguments {
  const [tables, sets]: [string[], string[]] = [[], []]
  const values: OperationArguments['values'] = []
  for (const { kind, name, field, value, expiresAt, limit, partition } of operations) {
    const { tablePrefix, indexPrefix } = keysIn(partition)
    const place = typeof limit === 'string' ? sets.unshift(indexPrefix + limit) : limit ?? ''
    values.push(placeOf(tables, tablePrefix + name), kind, toBytes(field), toBytes(value), expiresAt, place)
  }
  return { tables, sets, values }
}

/** The place of a key, counted from 1; a new key is added. */
function placeOf (keys: string[], key: string): number {
  const place = keys.indexOf(key) + 1
  return place === 0 ? keys.push(key) : place
}

/** The client writes text as UTF-8, which is the same for ASCII only. */
export const toBytes = (text: string): string | Buffer => isAscii.test(text) ? text : Buffer.from(text, 'latin1')
const isAscii = /^[\0-\x7f]*$/

/** The refusal of an operation, with the detail that the script returned. */
function refusalOf ({ kind, name, field }: Operation, detail: string): Exclude<WriteRefusal, 'conflict'> {
  const entry = { name, ...field === '' ? {} : { field } }
  return kind === 'count'
    ? { counterExceeded: { ...entry, retryAfterMs: Math.max(0, Number(detail)) } }
    : { claimConflict: { ...entry, value: detail } }
}

/** What a reply of write.lua or operate.lua means that names the operation which was refused. */
function readRefusal (
  result: number, detail: Buffer | undefined, operations: readonly Operation[],
): Exclude<WriteRefusal, 'conflict'> {
  const refused = operations[-result - 1]
  if (refused === undefined) throw new StoreUnavailable('ERROR')
  return refusalOf(refused, detail?.toString('latin1') ?? '')
}
