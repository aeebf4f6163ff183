import type { RedisClient } from './redis.ts'

/** Hears an announcement about one id; null means that some may have been missed: read the record again. */
export type Listener = (text: string | null) => void

export type ChangeFeed = {
  /**
   * The next announcement about the id; null after `timeoutMs`, when `signal` aborts, on `close`, or when some may have
   * been missed.
   * Never rejects.
   * It listens from the moment of the call: call first, load the record then, and nothing falls between.
   */
  once (id: string, options: { timeoutMs: number, signal?: AbortSignal }): Promise<string | null>
  /** Calls the listener for every announcement about the id, until the returned function is called. */
  subscribe (id: string, listener: Listener): () => void
  /** Lets everybody waiting go. The connection remains its owner's. */
  close (): void
}

/**
 * One subscription for the whole process (`channel` of createKeys, on a connection of kind `subscriber`), made again
 * after every reconnect.
 * On Cluster the client changes to another node by itself, unheard: a long watch should now and then read its record
 * too.
 */
export const createChangeFeed = (subscriber: RedisClient, channel: string): ChangeFeed => {
  const listeners = new Map<string, Set<Listener>>()
  let isFirst = true
  let isClosed = false

  const tell = (id: string, text: string | null): void => {
    for (const listener of [...listeners.get(id) ?? []]) listener(text)
  }
  const tellAll = (): void => {
    for (const id of [...listeners.keys()]) tell(id, null)
  }
  const read = (from: string, message: string): void => {
    const space = message.indexOf(' ')
    if (from === channel && space > 0) tell(message.slice(0, space), message.slice(space + 1))
  }
  const subscribe = (): void => {
    if (isClosed || subscriber.status !== 'ready') return
    subscriber.subscribe(channel).then(() => {
      if (!isFirst) tellAll()
      isFirst = false
    }, () => {
      // A lost connection comes back with `ready`; a Cluster that has no subscriber for the moment says nothing more.
      setTimeout(subscribe, 1000).unref()
    })
  }
  subscriber.on('message', read)
  subscriber.on('ready', subscribe)
  subscribe()

  const subscribeTo = (id: string, listener: Listener): (() => void) => {
    const own = listeners.get(id) ?? new Set()
    listeners.set(id, own.add(listener))
    return () => {
      own.delete(listener)
      if (own.size === 0 && listeners.get(id) === own) listeners.delete(id)
    }
  }

  return {
    subscribe: subscribeTo,
    once: (id, { timeoutMs, signal }) => new Promise((resolve) => {
      const settle = (text: string | null): void => {
        unwatch()
        clearTimeout(timer)
        signal?.removeEventListener('abort', giveUp)
        resolve(text)
      }
      const giveUp = (): void => settle(null)
      const unwatch = subscribeTo(id, settle)
      const timer = setTimeout(giveUp, timeoutMs)
      signal?.addEventListener('abort', giveUp)
      if (signal?.aborted) giveUp()
    }),
    close () {
      isClosed = true
      subscriber.off('message', read)
      subscriber.off('ready', subscribe)
      tellAll()
      listeners.clear()
    },
  }
}
