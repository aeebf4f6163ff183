import { EventEmitter } from 'node:events'

/**
 * Does the work for at most so long, then throws what `late` makes and tells the `signal`, which undici takes as it takes an AbortSignal: that one costs ten times as
 * much. undici does not heed it before a connection stands, so the deadline is also raced.
 */
export async function withDeadline<T> (deadlineMs: number, late: () => Error, work: (signal: EventEmitter) => Promise<T>): Promise<T> {
  const signal = new EventEmitter()
  let timer: NodeJS.Timeout | undefined
  const deadline = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      reject(late())
      signal.emit('abort')
    }, deadlineMs)
  })
  try {
    return await Promise.race([work(signal), deadline])
  } finally {
    clearTimeout(timer)
  }
}
