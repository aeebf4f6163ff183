import { randomBytes } from 'node:crypto'

const poolBytes = 4096

/**
 * Random bytes of the system's generator (`node:crypto`), fetched many at a time: each call of it costs more than the bytes do.
 * No byte is given out twice.
 */
export function createRandom (): (size: number) => Buffer {
  let pool = Buffer.alloc(0)
  return size => {
    if (size > pool.length) pool = randomBytes(Math.max(size, poolBytes))
    const bytes = pool.subarray(0, size)
    pool = pool.subarray(size)
    return bytes
  }
}
