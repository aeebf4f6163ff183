import { readNumber } from '../message.ts'

const dateTime = /^\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)$/i

/** The clocks of OTPLESS and of this gateway may differ by this much. */
export const maxSkewMs = 60_000

/** Ms since the epoch. OTPLESS writes times as RFC 3339 and as seconds or milliseconds since the epoch. */
export function readTime (value: unknown): number | null {
  const number = readNumber(value)
  const parsed = Date.parse(typeof value === 'string' && dateTime.test(value) ? value : '')
  const time = number === null ? parsed : number < 1e11 ? number * 1000 : number
  return Number.isNaN(new Date(time).valueOf()) ? null : time
}
