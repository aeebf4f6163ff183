import { Cluster, Redis } from 'ioredis'
import type { RedisClient } from './redis.ts'

/** What a key begins with; nothing: there is no such key. */
export type Expected = { partition: number, key: string, start: string | Buffer }

/** Asks the replicas, not only the master, for what was written. */
export type Replicas = {
  /**
   * True once enough replicas have what the master has, and that is as expected; false when it is not. Rejects with
   * `UNREPLICATED` when they do not have it in time.
   */
  confirm (expected: Expected): Promise<boolean>
}

type Question = Expected & {
  resolve: (isAsExpected: boolean) => void, reject: (error: Error) => void, redirections: number,
}
type Answer = [error: Error | null, result?: unknown]

const mostRedirections = 5

/**
 * WAIT covers the last write of its own connection, and with it all that came before on that server. So we look and
 * write in one step, on the connection that
 * waits: seen there, what is asked for is in the history that the replicas are asked for, whichever server that is
 * after a failover. What is written changes
 * nothing. One key: while a slot of a Cluster moves, each key is asked for where it is.
 */
const look = `
if redis.call('GETRANGE', KEYS[1], 0, math.max(0, #ARGV[1] - 1)) ~= ARGV[1] then return 0 end
if ARGV[1] ~= '' then redis.call('SETRANGE', KEYS[1], 0, ARGV[1]) else
  redis.call('SET', KEYS[1], '')
  redis.call('DEL', KEYS[1])
end
return 1`

/**
 * `redis`: a connection of kind `api` of its own, since a WAIT holds up all that comes after it. Who asks while others
 * wait goes into the next round, all of
 * them with one WAIT.
 */
export const createReplicas = (
  redis: RedisClient, { count, timeoutMs }: { count: number, timeoutMs: number },
): Replicas => {
  const lanes = new Map<number, Question[]>()

  /** One round, on a node that is asked although it does not own the slot yet, or where the keys are. */
  const ask = async (questions: readonly Question[], node: Redis | null): Promise<Answer[]> => {
    const pipeline = (node ?? redis).pipeline()
    for (const { key, start } of questions) {
      if (node !== null) pipeline.asking()
      pipeline.eval(look, 1, key, start)
    }
    const answers = await pipeline.wait(count, timeoutMs).exec() ?? []
    const [, replicas] = answers.at(-1) ?? []
    if (typeof replicas !== 'number') return questions.map(
      () => [answers.find(([error]) => error !== null)?.[0] ?? new Error('no answer')],
    )
    return answers.slice(0, -1).filter((_, at) => node === null || at % 2 === 1).map(([error, result]) =>
      error === null && result === 1 && replicas < count ? [new Error('UNREPLICATED')] : [error, result])
  }

  const settle = async (questions: readonly Question[], node: Redis | null): Promise<void> => {
    let answers: Answer[]
    try {
      answers = await ask(questions, node)
    } catch (error) {
      answers = questions.map(() => [error instanceof Error ? error : new Error('unknown')])
    }
    await Promise.all(questions.map(async (question, at) => {
      const [error, result] = answers[at] ?? [new Error('no answer')]
      if (error === null) return question.resolve(result === 1)
      await redirect(question, error).catch(question.reject)
    }))
  }

  /** Where the slot has gone, a plain command finds out. */
  const redirect = async (question: Question, error: Error): Promise<void> => {
    const [, word, address] = /^(MOVED|ASK) \d+ (\S+)$/.exec(error.message) ?? []
    if (word === undefined || !(redis instanceof Cluster) || question.redirections === mostRedirections) throw error
    question.redirections += 1
    await redis.exists(question.key)
    if (word === 'MOVED') return enter(question)
    await settle(
      [question], redis.nodes('all').find(({ options: { host, port } }) => `${host}:${port}` === address) ?? null,
    )
  }

  const enter = (question: Question): void => {
    const lane = redis instanceof Cluster ? question.partition : 0
    const waiting = lanes.get(lane)
    if (waiting !== undefined) waiting.push(question)
    else {
      lanes.set(lane, [question])
      void run(lane)
    }
  }

  const run = async (lane: number): Promise<void> => {
    // What comes in the same turn goes with it.
    await Promise.resolve()
    for (
      let questions = lanes.get(lane); questions !== undefined && questions.length > 0; questions = lanes.get(lane)
    ) {
      lanes.set(lane, [])
      await settle(questions, null)
    }
    lanes.delete(lane)
  }

  return {
    confirm: (expected) => new Promise((resolve, reject) => enter({ ...expected, resolve, reject, redirections: 0 })),
  }
}
