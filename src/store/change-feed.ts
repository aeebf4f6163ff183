import type { RedisClient } from './redis.ts'

/** Gets the text of each message about one id. Null: messages may have been missed, so read the record again. */
export type Listener = (text: string | null) => void

export type ChangeFeed = {
  /**
   * The next message about the id; null after `timeoutMs`, when `signal` aborts, on `close`, or when messages may have
   * been missed. Never rejects. It listens from the moment of the call: call it before you load the record.
   */
  once (id: string, options: { timeoutMs: number, signal?: AbortSignal }): Promise<string | null>
  /** Calls the listener for every message about the id, until the returned function is called. */
  subscribe (id: string, listener: Listener): () => void
  /** Ends every wait with null. Does not close the connection. */
  close (): void
}

/**
 * One subscription for the whole process (`channel` of `createKeys`, on a connection of kind `subscriber`), which is
 * renewed after every reconnect. On Cluster the client changes to another node without an event, so a long
 * subscription should also read its record from time to time.
 */
export const createChangeFeed = (subscriber: RedisClient, channel: string): ChangeFeed => {
  const listeners = new Map<string, Set<Listener>>()
  let isFirst = true
  let isClosed = false

  const notify = (id: string, text: string | null): void => {
    for (const listener of [...listeners.get(id) ?? []]) listener(text)
  }
  const notifyAll = (): void => {
    for (const id of [...listeners.keys()]) notify(id, null)
  }
  const receive = (from: string, message: string): void => {
    const space = message.indexOf(' ')
    if (from === channel && space > 0) notify(message.slice(0, space), message.slice(space + 1))
  }
  const subscribe = (): void => {
    if (isClosed || subscriber.status !== 'ready') return
    subscriber.subscribe(channel).then(() => {
      if (!isFirst) notifyAll()
      isFirst = false
    }, () => {
      // A lost connection emits `ready` when it is back. A Cluster that has no subscriber at the moment emits nothing.
      setTimeout(subscribe, 1000).unref()
    })
  }
  subscriber.on('message', receive)
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
        unsubscribe()
        clearTimeout(timer)
        signal?.removeEventListener('abort', stop)
        resolve(text)
      }
      const stop = (): void => settle(null)
      const unsubscribe = subscribeTo(id, settle)
      const timer = setTimeout(stop, timeoutMs)
      signal?.addEventListener('abort', stop)
      if (signal?.aborted) stop()
    }),
    close () {
      isClosed = true
      subscriber.off('message', receive)
      subscriber.off('ready', subscribe)
      notifyAll()
      listeners.clear()
    },
  }
}
