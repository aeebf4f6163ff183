/**
 * How many partitions records are spread over: enough for eight masters to share the load, few enough that asking all
 * of them stays cheap.
 * It is part of every id and key: never lower it while records exist.
 */
export const partitions = 16

/** The partition that a tag falls to, whoever asks: for what belongs to no one record. */
export const partitionOfHash = (tag: string): number => Buffer.from(tag, 'base64url').readUInt8(0) % partitions

/**
 * The names of everything in Redis. All keys of a partition carry one hash tag, so that on Cluster one script may touch
 * them together.
 */
export type Keys = {
  record (partition: number, id: string): string
  /** Sorted set of ids by due time. */
  due (partition: number): string
  claim (partition: number, name: string): string
  counter (partition: number, name: string): string
  /** Sorted set of ids by score. */
  index (partition: number, name: string): string
  /** Where changes are announced. */
  channel: string
}

export const createKeys = (namespace: string): Keys => {
  // The tags {q0} to {qf} fall into evenly spaced slots; longer, more telling ones all land on half of eight masters.
  const places = Array.from({ length: partitions }, (_, partition) => `${namespace}:{q${partition.toString(16)}}`)
  const inside = (partition: number): string => {
    const place = places[partition]
    if (place === undefined) throw new RangeError('no such partition')
    return place
  }
  return {
    record: (partition, id) => `${inside(partition)}:r:${id}`,
    due: (partition) => `${inside(partition)}:due`,
    claim: (partition, name) => `${inside(partition)}:c:${name}`,
    counter: (partition, name) => `${inside(partition)}:n:${name}`,
    index: (partition, name) => `${inside(partition)}:i:${name}`,
    channel: `${namespace}:changes`,
  }
}
