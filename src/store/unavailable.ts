/** Error codes that Redis itself uses, and `UNREPLICATED`, which is ours. */
const codes = [
  'OOM', 'READONLY', 'LOADING', 'MISCONF', 'CLUSTERDOWN', 'MASTERDOWN', 'NOREPLICAS', 'TRYAGAIN', 'BUSY', 'NOAUTH',
  'WRONGPASS', 'NOPERM', 'UNREPLICATED',
] as const
/** Every code of `StoreUnavailable`. */
export const unavailableCodes = [...codes, 'TIMEOUT', 'DISCONNECTED', 'ERROR'] as const
export type UnavailableCode = typeof unavailableCodes[number]

/**
 * Redis did not run a command, or it is unknown whether it did: Redis is down, slow, full, read-only or loading.
 * `ERROR`: Redis rejected the command. `UNREPLICATED`: Redis ran it, but too few replicas have the result. The error
 * has no `cause`, because ioredis errors contain keys and values.
 */
export class StoreUnavailable extends Error {
  readonly code: UnavailableCode
  constructor (code: UnavailableCode) {
    super(`store unavailable: ${code}`)
    this.name = 'StoreUnavailable'
    this.code = code
  }
}

/** The code of an ioredis error. */
export function unavailableCodeOf (error: unknown): UnavailableCode {
  if (!(error instanceof Error)) return 'ERROR'
  if (error.message === 'Command timed out') return 'TIMEOUT'
  // When a script fails, an older Redis puts the code later in the message.
  const code = codes.find(word => new RegExp(`(^|[\\s-])${word}\\b`).test(error.message))
  // ioredis gives up after too many redirections while a slot moves.
  if (code === undefined && /^Too many Cluster redirections/.test(error.message)) return 'TRYAGAIN'
  return code ?? (error.name === 'ReplyError' ? 'ERROR' : 'DISCONNECTED')
}
