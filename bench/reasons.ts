import { formatNumber, type Figures, type FigureName } from './figures.ts'
import type { GoalId } from './goals.ts'

type Reason = string | ((figures: Figures) => string)

/** The parts of a floor in one process, against their sum and against ours. */
function compare (floor: FigureName, whole: FigureName, ours: FigureName): Reason {
  return figures => {
    const [sum = NaN, together = NaN, all = NaN] = [figures[floor], figures[whole], figures[ours]]
    return Number.isNaN(together)
      ? 'the parts of the floor cost more in turn in one process than alone; this run did not measure how much.'
      : `in turn in one process, with nothing else, the parts of the floor cost ${formatNumber(together / sum)} × `
        + `their sum (${Math.round(together)} µs); Verigate costs ${formatNumber(all / together)} × as much as they.`
  }
}

/** Why a goal is missed, in one sentence; shown only while it is. */
export const reasons: Partial<Record<GoalId, Reason>> = {
  N1: compare('createFloorMicros', 'createWholeMicros', 'createMicros'),
  N2: compare('callFloorMicros', 'callWholeMicros', 'callMicros'),
  N3: compare('readFloorMicros', 'readWholeMicros', 'readMicros'),
  N4: compare('lifecycleFloorMicros', 'lifecycleWholeAtRateMicros', 'lifecycleAtRateMicros'),
  N4s: compare('lifecycleFloorMicros', 'lifecycleWholeMicros', 'lifecycleMicros'),
  N5: 'otpgateway is compiled, and encrypts, limits, signs and logs nothing.',
  N6: 'Verigate writes an encrypted record three times; better-auth writes a code and a row.',
  N7: 'each of 50 requests in flight waits for the 49 others, so the ratio of the times follows that of the CPU.',
  N8: 'what is left is Node.js itself (24 ms), loading the compiled code, and the initialization of Fastify, the '
    + 'schemas and BullMQ.',
  N8m: 'Node.js itself has 43 MB, the young generation about 20, text and compiled code of the packages most of the '
    + 'rest.',
  N8i: 'the sweeper and BullMQ ask Redis for work every second.',
  N9: 'a refusal takes 0.2 to 0.4 of the CPU of a create, collections of the young generation included (13 to 18 % of '
    + 'the CPU).',
  N9w: 'the queue limit is checked when a request is begun, and what was begun shares the core with others.',
  N9r: 'a refusal is sent when the socket is read, which waits for the requests that are being served.',
  N9h: 'the kernel refused connections.',
  N10: 'more clients arrive than can be begun within the queue limit.',
  N10c: 'the code of a gateway that has just started is not compiled yet.',
  N10b: 'with a quarter of a core the queue limit of 5 s is reached.',
  N10s: 'with 2,000 requests in flight a garbage collection copies all of them.',
  N11: 'each verification has entries in the tables of its number and reference, and Redis needs 80 bytes for a key.',
  N12: 'more memory means more cache misses in Redis.',
  N12t: 'more memory means more cache misses in Redis.',
  callback: 'the machine was busy.',
  jobs: 'the machine was busy: a job waits for a process that waits for the core.',
}

export function reasonOf (goal: GoalId, figures: Figures): string {
  const reason = reasons[goal] ?? 'not explained yet.'
  return typeof reason === 'string' ? reason : reason(figures)
}
