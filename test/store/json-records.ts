import type { Json } from '../../src/core/vocabulary.ts'

/** Records of the store's own tests: any JSON value. */
export const jsonRecords = {
  encode: (record: Json): Buffer => Buffer.from(JSON.stringify(record)),
  decode: (bytes: Buffer): Json => JSON.parse(bytes.toString()),
}
