import type { Verification } from '../../core/verification.ts'
import type { Gateway } from '../../verifications/gateway.ts'

export type Subscriber = {
  /**
   * Receives the verification after each change, and sometimes without one. The first value is read after the
   * subscription.
   */
  next (verification: Verification): void
  /** A read failed, or `next` threw. The next change or `refresh` reads it again. */
  error (error: unknown): void
}

export type Subscription = {
  /** Reads the verification again, in case a change notification was lost. */
  refresh (): void
  unsubscribe (): void
}

export type FanOut = (id: string, subscriber: Subscriber) => Subscription

type Topic = { subscribers: Set<Subscriber>, read: () => void, unsubscribe: () => void }

/** One listener and one read per change for each verification, however many subscribers this process has. */
export function createFanOut (gateway: Pick<Gateway, 'get' | 'listen'>): FanOut {
  const topics = new Map<string, Topic>()

  return (id, subscriber) => {
    const topic = topics.get(id) ?? createTopic(gateway, id)
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

function createTopic (gateway: Pick<Gateway, 'get' | 'listen'>, id: string): Topic {
  const subscribers = new Set<Subscriber>()
  let revision = -1
  let isReading = false
  let isStale = false

  function send (subscriber: Subscriber, verification: Verification): void {
    // It may have unsubscribed during the read, or because of an earlier subscriber.
    if (!subscribers.has(subscriber)) return
    try {
      subscriber.next(verification)
    } catch (error) {
      subscriber.error(error)
    }
  }
  async function readOnce (): Promise<void> {
    // A subscriber that joins during the read may know of a newer change, so it gets the next read.
    const present = [...subscribers]
    try {
      const verification = await gateway.get(id)
      revision = verification.revision
      for (const subscriber of present) send(subscriber, verification)
    } catch (error) {
      for (const subscriber of present) if (subscribers.has(subscriber)) subscriber.error(error)
    }
  }
  async function read (): Promise<void> {
    isStale = true
    if (isReading) return
    isReading = true
    while (isStale && subscribers.size > 0) {
      isStale = false
      await readOnce()
    }
    isReading = false
  }

  const unsubscribe = gateway.listen(id, text => {
    // The notification of an invisible change has a revision that was already read.
    if (text === null || !(Number(text) <= revision)) void read()
  })
  return { subscribers, read: () => void read(), unsubscribe }
}
