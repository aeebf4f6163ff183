import type { ChangeFeed } from './change-feed.ts'
import type { RedisClient } from './redis.ts'

/** Texts that the processes tell each other. A text may get lost, and no call throws. */
export type Broadcast = {
  send (text: string): void
  /** Calls the listener for each text, also this process's own, until the returned function is called. */
  listen (listener: (text: string) => void): () => void
}

/** `channel`: that of the change feed. `topic`: no id of a record, and without a space. */
export const createBroadcast = (
  redis: RedisClient, { changeFeed, channel, topic }: { changeFeed: ChangeFeed, channel: string, topic: string },
): Broadcast => ({
  send (text) {
    // While Redis is away, texts do not pile up: the next one says it again.
    if (redis.status === 'ready') redis.publish(channel, `${topic} ${text}`).catch(() => {})
  },
  listen: listener => changeFeed.subscribe(topic, text => { if (text !== null) listener(text) }),
})
