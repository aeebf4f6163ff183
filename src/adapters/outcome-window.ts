/** How the last verifications went: each counts once, with its newest outcome. Times are ms since the epoch. */
export type OutcomeWindow = {
  add (verificationId: string, isFailed: boolean, at: number): void
  hasFailed (verificationId: string): boolean
  /** The verifications of the last 30 seconds. */
  count (at: number): { ok: number, failed: number }
  clear (): void
}

const windowMs = 30_000
/** Beyond this many the oldest ones are forgotten: a sample is enough. */
const maxVerifications = 5_000

export function createOutcomeWindow (): OutcomeWindow {
  /** In the order of their time. */
  const outcomes = new Map<string, { isFailed: boolean, at: number }>()
  let failed = 0

  function remove (id: string, isFailed: boolean): void {
    outcomes.delete(id)
    if (isFailed) failed -= 1
  }

  function prune (at: number): void {
    for (const [id, outcome] of outcomes) {
      if (outcome.at > at - windowMs && outcomes.size <= maxVerifications) return
      remove(id, outcome.isFailed)
    }
  }

  return {
    add (id, isFailed, at) {
      const known = outcomes.get(id)
      if (known !== undefined) remove(id, known.isFailed)
      outcomes.set(id, { isFailed, at })
      if (isFailed) failed += 1
      prune(at)
    },
    hasFailed: id => outcomes.get(id)?.isFailed === true,
    count (at) {
      prune(at)
      return { ok: outcomes.size - failed, failed }
    },
    clear () {
      outcomes.clear()
      failed = 0
    },
  }
}
