import { isLost, type Answer, type Client, type Ending } from './client.ts'
import { backoffMs, pause } from './timing.ts'
import type { Verification } from './verification.ts'

export type Follower = {
  /** Revision of the last state; null: none was read. */
  revision (): number | null
  /** May get the same state again. */
  onState (state: Verification): void
  onConnection (isConnected: boolean): void
  /** Nothing more is read. */
  onLost (answer: Answer): void
}

/** Pause between two streams, or between two polls that were answered. */
const gapMs = 300
/** A single failure is not shown: a stream ends whenever a phone sleeps or a server restarts. */
const maxQuietFailures = 1

/**
 * Reads every change until `signal` is aborted: by a stream, and by long polls where streams do not work (some proxies
 * hold them back or cut them). After a failure it uses the other one.
 */
export async function follow (client: Client, signal: AbortSignal, follower: Follower): Promise<void> {
  let by: 'stream' | 'poll' = 'stream'
  for (let failures = 0; !signal.aborted;) {
    const onState = (state: Verification): void => {
      failures = 0
      follower.onConnection(true)
      follower.onState(state)
    }
    const ending: Ending | null = await client[by](follower.revision(), signal, onState).catch(() => null)
    if (signal.aborted) return
    if (ending?.kind === 'ended') {
      await pause(gapMs, signal)
      continue
    }
    by = by === 'stream' ? 'poll' : 'stream'
    if (ending?.kind === 'silent') continue
    if (ending !== null && isLost(ending.answer)) return follower.onLost(ending.answer)
    failures += 1
    if (failures > maxQuietFailures) follower.onConnection(false)
    await pause(ending?.answer.retryMs ?? backoffMs(failures), signal)
  }
}
