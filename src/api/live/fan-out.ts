import type { Gateway } from '../../verifications/gateway.ts'
import type { Verification } from '../../core/verification.ts'

/** Somebody who wants to know what becomes of a verification. */
export type Subscriber = {
  /** The verification after each change, and now and then without one. What it sees first was read after it came. */
  next (verification: Verification): void
  /** It could not be read, or `see` threw. It is read again after the next change, or on `refresh`. */
  error (error: unknown): void
}

export type Subscription = {
  /** Reads it again: an announcement may have been missed. */
  refresh (): void
  unsubscribe (): void
}

export type FanOut = (id: string, subscriber: Subscriber) => Subscription

type Topic = { subscribers: Set<Subscriber>, read: () => void, unsubscribe: () => void }

/** However many follow one verification in this process, it is listened to once, and read once for each change. */
export function createFanOut (gateway: Pick<Gateway, 'get' | 'listen'>): FanOut {
  const topics = new Map<string, Topic>()

  function open (id: string): Topic {
    const subscribers = new Set<Subscriber>()
    let revision = -1
    let isReading = false
    let isWanted = false

    const tell = (subscriber: Subscriber, verification: Verification): void => {
      try {
        subscriber.next(verification)
      } catch (error) {
        subscriber.error(error)
      }
    }
    async function readOnce (): Promise<void> {
      // Who comes while it is being read may know of a newer change: that one waits for the next read.
      const present = [...subscribers]
      const isPresent = (subscriber: Subscriber): boolean => subscribers.has(subscriber)
      try {
        const verification = await gateway.get(id)
        revision = verification.revision
        for (const subscriber of present.filter(isPresent)) tell(subscriber, verification)
      } catch (error) {
        for (const subscriber of present.filter(isPresent)) subscriber.error(error)
      }
    }
    async function read (): Promise<void> {
      isWanted = true
      if (isReading) return
      isReading = true
      while (isWanted && subscribers.size > 0) {
        isWanted = false
        await readOnce()
      }
      isReading = false
    }

    const unsubscribe = gateway.listen(id, text => {
      // A change that nobody outside can see is announced with a revision that we have seen.
      if (text === null || !(Number(text) <= revision)) void read()
    })
    return { subscribers, read: () => void read(), unsubscribe }
  }

  return (id, subscriber) => {
    const topic = topics.get(id) ?? open(id)
    topics.set(id, topic)
    topic.subscribers.add(subscriber)
    topic.read()
    return {
      refresh: topic.read,
      unsubscribe () {
        topic.subscribers.delete(subscriber)
        if (topic.subscribers.size > 0 || topics.get(id) !== topic) return
        topics.delete(id)
        topic.unsubscribe()
      },
    }
  }
}
