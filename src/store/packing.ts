import { Packr } from 'msgpackr'
import type { Json } from '../core/vocabulary.ts'

/** Converts a record to bytes and back. */
export type Packer = { pack (value: Json): Buffer, unpack (bytes: Uint8Array): Json }

/** msgpackr stores its own data under this name in its index of structures. A field of this name would corrupt it. */
const reservedName = '__keys__'
const maxStructures = 32

/**
 * MessagePack with shared structures (https://github.com/kriszyp/msgpackr): an object whose field names, in order, are
 * in `structures` is written without the names; any other object is written with them. The list may only grow at its
 * end, because the bytes refer to a structure by its place in the list. Throws `RangeError` for more than 32
 * structures: with two-byte references, msgpackr does not read back what it writes.
 */
export function createPacker (structures: readonly (readonly string[])[]): Packer {
  if (structures.length > maxStructures) throw new RangeError(`at most ${maxStructures} structures`)
  const packr = new Packr({
    // Shared ones are restored after each read: a version with a shorter list gives unusual objects the ids after its
    // own end, which would otherwise stay the structures with these ids.
    structures: structures.map(fields => Object.assign([...fields], { isShared: true })),
    maxSharedStructures: structures.length,
    variableMapSize: true,
    useToJSON: false,
    useRecords: object => !Object.hasOwn(object, reservedName),
    mapsAsObjects: true,
  })
  return { pack: packr.pack.bind(packr), unpack: packr.unpack.bind(packr) }
}
