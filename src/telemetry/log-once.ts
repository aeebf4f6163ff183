import type { Logger } from './logger.ts'

/** Writes a warning once for each `key` in the life of the process, and for at most `maxKeys` keys. */
export type LogOnce = (key: string, fields: Record<string, string>, message: string) => void

/** For a fault that repeats with every request, and whose key a stranger may choose. */
export function createLogOnce (log: Pick<Logger, 'warn'>, maxKeys = 100): LogOnce {
  const seen = new Set<string>()
  return (key, fields, message) => {
    if (seen.has(key) || seen.size >= maxKeys) return
    seen.add(key)
    log.warn(fields, message)
  }
}
