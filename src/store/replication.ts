import { Cluster, Redis } from 'ioredis'
import type { RedisClient } from './redis.ts'

/** What a key must start with; `''`: the key must not exist. */
export type Expected = { partition: number, key: string, start: string | Buffer }

export type Replicas = {
  /**
   * True once enough replicas have the key as the master has it, and that is as expected; false when it is not as
   * expected. Rejects with `UNREPLICATED` when too few replicas have it in time.
   */
  confirm (expected: Expected): Promise<boolean>
}

type Query = Expected & {
  resolve: (isAsExpected: boolean) => void
  reject: (error: Error) => void
  redirections: number
}
type Answer = [error: Error | null, result?: unknown]

const maxRedirections = 5

/**
 * WAIT covers the last write of its own connection, and all earlier writes on that server. So this script compares and
 * writes in one step, on the connection that waits: what it sees is part of the history that WAIT is about, on
 * whichever server that is after a failover. The write changes nothing. The script has one key, because each key has
 * its own server while a slot of a Cluster moves.
 */
const compareAndTouch = `
if redis.call('GETRANGE', KEYS[1], 0, math.max(0, #ARGV[1] - 1)) ~= ARGV[1] then return 0 end
if ARGV[1] ~= '' then redis.call('SETRANGE', KEYS[1], 0, ARGV[1]) else
  redis.call('SET', KEYS[1], '')
  redis.call('DEL', KEYS[1])
end
return 1`

/**
 * `redis` is a connection of kind `api` that is used for nothing else, because WAIT blocks all commands after it.
 * Queries that arrive during a round go into the next round, which has one WAIT for all of them.
 */
export function createReplicas (
  redis: RedisClient, { count, timeoutMs }: { count: number, timeoutMs: number },
): Replicas {
  const lanes = new Map<number, Query[]>()

  /** One round. `node`: a node that imports the slot and answers only after ASKING; null: where the keys are. */
  async function send (queries: readonly Query[], node: Redis | null): Promise<Answer[]> {
    const pipeline = (node ?? redis).pipeline()
    for (const { key, start } of queries) {
      if (node !== null) pipeline.asking()
      pipeline.eval(compareAndTouch, 1, key, start)
    }
    const answers = await pipeline.wait(count, timeoutMs).exec() ?? []
    const [, replicas] = answers.at(-1) ?? []
    if (typeof replicas !== 'number') {
      const error = answers.find(([error]) => error !== null)?.[0] ?? new Error('no answer')
      return queries.map(() => [error])
    }
    return answers.slice(0, -1).filter((_, at) => node === null || at % 2 === 1).map(([error, result]) =>
      error === null && result === 1 && replicas < count ? [new Error('UNREPLICATED')] : [error, result])
  }

  async function settle (queries: readonly Query[], node: Redis | null): Promise<void> {
    let answers: Answer[]
    try {
      answers = await send(queries, node)
    } catch (error) {
      answers = queries.map(() => [error instanceof Error ? error : new Error('unknown')])
    }
    await Promise.all(queries.map(async (query, at) => {
      const [error, result] = answers[at] ?? [new Error('no answer')]
      if (error === null) return query.resolve(result === 1)
      await redirect(query, error).catch(query.reject)
    }))
  }

  /** ioredis does not redirect pipelines. A plain command makes it learn where the slot is. */
  async function redirect (query: Query, error: Error): Promise<void> {
    const [, type, address] = /^(MOVED|ASK) \d+ (\S+)$/.exec(error.message) ?? []
    if (type === undefined || !(redis instanceof Cluster) || query.redirections === maxRedirections) throw error
    query.redirections += 1
    await redis.exists(query.key)
    if (type === 'MOVED') return enqueue(query)
    const node = redis.nodes('all').find(({ options: { host, port } }) => `${host}:${port}` === address)
    await settle([query], node ?? null)
  }

  function enqueue (query: Query): void {
    const lane = redis instanceof Cluster ? query.partition : 0
    const waiting = lanes.get(lane)
    if (waiting !== undefined) waiting.push(query)
    else {
      lanes.set(lane, [query])
      void run(lane)
    }
  }

  async function run (lane: number): Promise<void> {
    // Queries of the same turn of the event loop share the first round.
    await Promise.resolve()
    let queries = lanes.get(lane) ?? []
    while (queries.length > 0) {
      lanes.set(lane, [])
      await settle(queries, null)
      queries = lanes.get(lane) ?? []
    }
    lanes.delete(lane)
  }

  return {
    confirm: expected => new Promise((resolve, reject) => enqueue({ ...expected, resolve, reject, redirections: 0 })),
  }
}
