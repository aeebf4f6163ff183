import crypto from 'node:crypto'
import { syncBuiltinESMExports } from 'node:module'
import timers from 'node:timers'
import timersPromises from 'node:timers/promises'

/**
 * Counts some calls of the process into which it is loaded (`node --import`), from outside: no source knows of it. On
 * SIGCONT the process writes the counts to stderr, as one line of JSON.
 */
export type CallCounts = {
  /** Digests, MACs and signatures. */
  hashes: number
  /** Values that were encrypted, and decrypted. */
  seals: number
  opens: number
  /** `setTimeout` and `setInterval`. */
  timers: number
}

const counts: CallCounts = { hashes: 0, seals: 0, opens: 0, timers: 0 }

function count (target: object, name: string, kind: keyof CallCounts): void {
  const original: unknown = Reflect.get(target, name)
  if (typeof original !== 'function') throw new TypeError(`${name} is not a function`)
  Reflect.set(target, name, new Proxy(original, {
    apply (called, self, args) {
      counts[kind] += 1
      return Reflect.apply(called, self, args)
    },
  }))
}

for (const name of ['hash', 'createHash', 'createHmac', 'sign']) count(crypto, name, 'hashes')
count(crypto, 'createCipheriv', 'seals')
count(crypto, 'createDecipheriv', 'opens')
for (const name of ['setTimeout', 'setInterval']) {
  for (const target of [globalThis, timers, timersPromises]) count(target, name, 'timers')
}
syncBuiltinESMExports()

process.on('SIGCONT', () => { process.stderr.write(`${JSON.stringify(counts)}\n`) })
