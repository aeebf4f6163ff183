import { Packr } from 'msgpackr'
import type { Json } from '../core/vocabulary.ts'

/** How a record becomes bytes and back. */
export type Packer = { pack (value: Json): Buffer, unpack (bytes: Uint8Array): Json }

/**
 * MessagePack with shared structures (https://github.com/kriszyp/msgpackr): an object whose field names, in order, are
 * one of
 * `structures` is written without the names. Every other object keeps its names. The list may only grow at its end,
 * because a
 * record names a structure by its place in the list.
 */
export function createPacker (structures: readonly (readonly string[])[]): Packer {
  const packr = new Packr({
    structures: structures.map(
      fields => [...fields],
    ), maxSharedStructures: structures.length, variableMapSize: true, useToJSON: false,
  })
  return { pack: value => packr.pack(value), unpack: bytes => packr.unpack(bytes) }
}
