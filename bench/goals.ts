/** A goal: for a ratio of two figures of one run, or a bound that every current machine should meet. */
export type Goal = { what: string, unit: string } & ({ atLeast: number } | { atMost: number } | { exactly: number })

export const goals = {
  P1: {
    what: 'create, no provider call: baseline (Fastify + one create script) ÷ ours, CPU', unit: '×', atLeast: 0.78,
  },
  P1b: { what: 'create, no provider call: bare Fastify ÷ ours, CPU', unit: '×', atLeast: 0.58 },
  P2: {
    what: 'create with provider call: floor (Fastify + undici + two scripts) ÷ ours, CPU', unit: '×', atLeast: 0.75,
  },
  P3: { what: 'read: baseline (Fastify + one GET, sent raw) ÷ ours, CPU', unit: '×', atLeast: 0.85 },
  P4: { what: 'callback accepted: baseline (Fastify + HMAC + BullMQ add) ÷ ours, CPU', unit: '×', atLeast: 0.8 },
  P5: { what: 'forged callback: bare Fastify ÷ ours, CPU', unit: '×', atLeast: 0.8 },
  P5r: { what: 'forged callback: Redis commands', unit: '', exactly: 0 },
  P6: { what: 'lifecycle: naive implementation ÷ ours, CPU', unit: '×', atLeast: 2 },
  P7: { what: 'lifecycle: floor (sum of measured operations) ÷ ours, CPU', unit: '×', atLeast: 0.6 },
  P10: { what: 'lifecycle: CPU of Redis ÷ that of a design with Streams', unit: '×', atMost: 2.6 },
  P11: { what: 'job pick-up at 1,000 jobs/s, p50', unit: ' ms', atMost: 1 },
  P11b: { what: 'job pick-up at 1,000 jobs/s, p99', unit: ' ms', atMost: 5 },
  P12: { what: 'worker with 20 ms jobs, 200 at once: share of the ideal rate', unit: '×', atLeast: 0.9 },
  P13: { what: 'create: p50 above bare Fastify, one connection', unit: ' ms', atMost: 0.15 },
  P14: { what: 'open loop at half of the capacity: our p99 ÷ that of the baseline', unit: '×', atMost: 3 },
  P14b: { what: 'open loop at half of the capacity: longest garbage collector pause', unit: ' ms', atMost: 5 },
  P15: { what: 'overload (2× capacity): served ÷ capacity', unit: '×', atLeast: 0.85 },
  P15b: { what: 'overload: p99 of accepted requests', unit: ' ms', atMost: 1000 },
  P15c: { what: 'overload: recovery time afterwards', unit: ' ms', atMost: 2000 },
  P16: { what: 'provider takes 200 ms, 2,000 clients: creates ÷ (clients ÷ latency)', unit: '×', atLeast: 0.7 },
  P17: { what: 'Redis memory per live verification, all its keys', unit: ' B', atMost: 950 },
  P18: { what: 'p99 with the most live verifications ÷ with 1,000', unit: '×', atMost: 1.15 },
  P19: { what: 'Redis memory per waiting job beyond its payload', unit: ' B', atMost: 700 },
  P20: { what: 'start to ready', unit: ' ms', atMost: 600 },
  P20b: { what: 'resident memory when idle', unit: ' MB', atMost: 140 },
  callbackP99: { what: 'callback accepted: p99 with 50 connections (Truecaller waits 3 s)', unit: ' ms', atMost: 3000 },
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

/** A goal in words: `≥ 0.78×`. */
export function formatGoal (id: GoalId): string {
  const goal: Goal = goals[id]
  if ('exactly' in goal) return `${goal.exactly}${goal.unit}`
  return 'atLeast' in goal ? `≥ ${goal.atLeast}${goal.unit}` : `≤ ${goal.atMost}${goal.unit}`
}
