export type ExpiringMap<V> = ReturnType<typeof createExpiringMap<V>>

/** A map that drops every entry `lifetimeMs` after it was set, and its oldest entries beyond `capacity`. */
export function createExpiringMap<V> (now: () => number, lifetimeMs: number, capacity = 100_000) {
  const entries = new Map<string, { value: V, expiresAt: number }>()

  function dropOld (): void {
    for (const [key, { expiresAt }] of entries) {
      if (expiresAt > now() && entries.size <= capacity) return
      entries.delete(key)
    }
  }

  return {
    get (key: string): V | undefined {
      const entry = entries.get(key)
      return entry !== undefined && entry.expiresAt > now() ? entry.value : undefined
    },

    set (key: string, value: V): void {
      entries.delete(key)
      entries.set(key, { value, expiresAt: now() + lifetimeMs })
      dropOld()
    },

    delete (key: string): void {
      entries.delete(key)
    },

    size: () => entries.size,
  }
}
