/** A goal for a ratio of two figures of one run, or a bound that every current machine should meet. */
export type Goal = { what: string, unit: string, stretch?: number } & (
  { atLeast: number } | { atMost: number } | { exactly: number }
)

export const goals = {
  N1: { what: 'create ÷ its floor, CPU', unit: '×', atMost: 1.8 },
  N2: { what: 'create with a provider call ÷ its floor, CPU', unit: '×', atMost: 1.6 },
  N3: { what: 'read ÷ its floor, CPU', unit: '×', atMost: 1.4 },
  N4: { what: 'lifecycle at a fixed rate ÷ its floor, CPU', unit: '×', atMost: 2.2, stretch: 1.7 },
  N4s: { what: 'lifecycle at saturation ÷ its floor, CPU', unit: '×', atMost: 2.2, stretch: 1.7 },
  N5: { what: 'create, deliver a code, check it ÷ otpgateway, CPU', unit: '×', atMost: 2.5, stretch: 2 },
  N6: { what: 'the same ÷ better-auth, CPU', unit: '×', atMost: 0.35 },
  N7: { what: 'the same, p99 with 50 in flight ÷ otpgateway', unit: '×', atMost: 2.5 },
  N8: { what: 'start, CPU ÷ the earlier version', unit: '×', atMost: 0.35 },
  N8m: { what: 'resident memory when idle', unit: ' MB', atMost: 110 },
  N8i: { what: 'CPU per second when idle', unit: ' ms', atMost: 5 },
  N9: { what: 'overload (2× capacity): served ÷ capacity', unit: '×', atLeast: 0.9 },
  N9w: { what: 'overload: longest wait ÷ (queue limit + one service time)', unit: '×', atMost: 1 },
  N9r: { what: 'overload: p99 of a refusal, from sending', unit: ' ms', atMost: 50 },
  N9h: { what: 'overload: refusals without Retry-After', unit: '', exactly: 0 },
  N10: { what: '2,000 clients at once, one create each, provider takes 200 ms: 503', unit: '', exactly: 0 },
  N10c: { what: 'the same, the gateway just started: 503', unit: '', exactly: 0 },
  N10b: { what: 'the same, the core shared with three CPU burners: 503', unit: '', exactly: 0 },
  N10s: { what: '2,000 clients: served ÷ min(clients ÷ latency, capacity)', unit: '×', atLeast: 0.8 },
  N11: { what: 'Redis memory per live verification, all its keys', unit: ' B', atMost: 850, stretch: 700 },
  N12: { what: 'p50 with a million live verifications ÷ with 1,000', unit: '×', atMost: 1.15 },
  N12t: { what: 'p99 with a million live verifications ÷ with 1,000', unit: '×', atMost: 1.15 },
  forged: { what: 'forged callback: Redis commands', unit: '', exactly: 0 },
  callback: { what: 'callback accepted: p99 with 50 connections (Truecaller waits 3 s)', unit: ' ms', atMost: 3000 },
  jobs: { what: 'job pick-up at 1,000 jobs/s: p99', unit: ' ms', atMost: 5 },
} satisfies Record<string, Goal>
export type GoalId = keyof typeof goals

export type Verdict = 'met' | 'not met' | 'missed by more than 25 %'

/** Compares a figure with its goal. */
export function judge (id: GoalId, measured: number): Verdict {
  const goal: Goal = goals[id]
  if ('exactly' in goal) return measured === goal.exactly ? 'met' : 'missed by more than 25 %'
  const [isMet, isNear] = 'atLeast' in goal
    ? [measured >= goal.atLeast, measured >= goal.atLeast * 0.75]
    : [measured <= goal.atMost, measured <= goal.atMost * 1.25]
  return isMet ? 'met' : isNear ? 'not met' : 'missed by more than 25 %'
}

/** A goal in words: `≤ 2.2× (stretch 1.7×)`. */
export function formatGoal (id: GoalId): string {
  const goal: Goal = goals[id]
  if ('exactly' in goal) return `${goal.exactly}${goal.unit}`
  const stretch = goal.stretch === undefined ? '' : ` (stretch ${goal.stretch}${goal.unit})`
  return `${'atLeast' in goal ? `≥ ${goal.atLeast}` : `≤ ${goal.atMost}`}${goal.unit}${stretch}`
}
