/**
 * Records are spread over this many partitions: enough for eight masters to share the load, few enough that a query of
 * all of them stays cheap. The number is part of every id and key: never lower it while records exist.
 */
export const partitions = 16

/** The partition of a key that belongs to no record, from its keyed hash. Every process computes the same one. */
export const partitionOfHash = (hash: string): number => Buffer.from(hash, 'base64url').readUInt8(0) % partitions

// 22 bytes are 30 characters, and the spare bits of the last one are zero.
const idPattern = /^(?:ver_[A-Za-z0-9_-]{29}[AQgw]|whd_[A-Za-z0-9_-]{29}[AQgw]_(?:0|[1-9]\d{0,8}))$/
/** How long a packed id of a verification is. */
export const packedLength = 22
/** Byte 16 of an id is the second byte of these four characters. */
const partitionStart = 24

/**
 * The partition in the id of a verification or a delivery. Null: the text does not have the form of an id, or the
 * partition is not below `count`. Does not check that this gateway made the id.
 */
export function partitionOf (id: string, count: number): number | null {
  if (!idPattern.test(id)) return null
  const partition = Buffer.from(id.slice(partitionStart, partitionStart + 4), 'base64url')[1]
  return partition === undefined || partition >= count ? null : partition
}

/**
 * An id as a member of a sorted set, or as a field of a table: its 22 bytes, and for a delivery also the digits of its
 * revision. Latin-1 text, one character a byte.
 */
export const packId = (id: string): string =>
  Buffer.from(id.slice(4, 34), 'base64url').toString('latin1') + id.slice(35)

/** The id that `packId` packed. */
export function unpackId (packed: string): string {
  const id = Buffer.from(packed.slice(0, packedLength), 'latin1').toString('base64url')
  return packed.length === packedLength ? `ver_${id}` : `whd_${id}_${packed.slice(packedLength)}`
}

/** The keys of one partition. They share one hash tag, so one script may use all of them on Cluster. */
export type PartitionKeys = {
  partition: number
  /** Sorted set of packed ids by due time. */
  due: string
  /** The other keys are a prefix and an id or a name. Indexes are sorted sets of packed ids by score. */
  recordPrefix: string
  tablePrefix: string
  counterPrefix: string
  indexPrefix: string
}

/** The names of everything in Redis. */
export type Keys = {
  /** The keys of each partition. */
  all: readonly PartitionKeys[]
  /** The keys of the partition that an id names. Throws `TypeError` for a text that does not have the form of an id. */
  ofId (id: string): PartitionKeys
  record (partition: number, id: string): string
  due (partition: number): string
  table (partition: number, name: string): string
  counter (partition: number, name: string): string
  index (partition: number, name: string): string
  /** The pub/sub channel of the change feed. */
  channel: string
  /** The mode of the processes that use this Redis: see preflight.ts. */
  mode: string
}

function keysOf (namespace: string, partition: number): PartitionKeys {
  // The tags {q0} to {qf} hash to evenly spaced slots. Longer tags were tried: they hash to half of eight masters.
  // A key of at most 30 bytes, such as one with the hash of a name, needs 16 bytes less of Redis than a longer one.
  const prefix = `${namespace}:{q${partition.toString(16)}}`
  return {
    partition, due: `${prefix}due`, recordPrefix: `${prefix}r`, tablePrefix: `${prefix}t`,
    counterPrefix: `${prefix}n`, indexPrefix: `${prefix}i`,
  }
}

export function createKeys (namespace: string): Keys {
  const all = Array.from({ length: partitions }, (_, partition) => keysOf(namespace, partition))
  function keysIn (partition: number): PartitionKeys {
    const keys = all[partition]
    if (keys === undefined) throw new RangeError('no such partition')
    return keys
  }
  return {
    all,
    ofId (id) {
      const keys = all[partitionOf(id, partitions) ?? -1]
      if (keys === undefined) throw new TypeError('not an id')
      return keys
    },
    record: (partition, id) => keysIn(partition).recordPrefix + id,
    due: partition => keysIn(partition).due,
    table: (partition, name) => keysIn(partition).tablePrefix + name,
    counter: (partition, name) => keysIn(partition).counterPrefix + name,
    index: (partition, name) => keysIn(partition).indexPrefix + name,
    channel: `${namespace}:changes`,
    mode: `${namespace}:mode`,
  }
}
