import { formatNumber, type Figures } from './figures.ts'
import { formatGoal, goals, judge, type GoalId, type Verdict } from './goals.ts'
import type { Spread } from './measure.ts'
import { reasonOf } from './reasons.ts'

/** A figure that has a goal. `noise`: how far two identical copies were apart, as a share. */
export type Finding = Spread & { goal: GoalId, note?: string, noise?: number }

/** The results of one run. `samples`: what the figures are made of, by case. */
export type Results = {
  madeAt: string
  run: string
  machine: {
    cpu: string, cores: number, pinned: boolean, node: string, redis: string, platform: string
    /** The load average at the start and at the end, over a minute and over 15. */
    load: [number, number]
  }
  findings: Finding[]
  figures: Figures
  /** The cases that failed, and the errors. */
  failures: string[]
  samples: Record<string, unknown>
}

/** `0.81 (0.79–0.84)`; without the spread where there is none. */
export function formatSpread ({ median, min, max }: Spread, unit: string): string {
  return min === max
    ? `${formatNumber(median)}${unit}`
    : `${formatNumber(median)}${unit} (${formatNumber(min)}–${formatNumber(max)})`
}

export const verdictOf = ({ goal, median }: Finding): Verdict => judge(goal, median)

type Row = { cells: string[], note: string | undefined }

const columns = ['id', 'what', 'goal', 'measured', 'noise', 'verdict']

/** The findings in the order of the goals. */
function rowsOf (findings: readonly Finding[]): Row[] {
  return sort(findings).map(finding => {
    const { what, unit } = goals[finding.goal]
    const noise = finding.noise === undefined ? '' : `${Math.round(finding.noise * 100)} %`
    return {
      cells: [
        finding.goal, what, formatGoal(finding.goal), formatSpread(finding, unit), noise, verdictOf(finding),
      ],
      note: finding.note,
    }
  })
}

function sort (findings: readonly Finding[]): Finding[] {
  const order = Object.keys(goals)
  return [...findings].sort((a, b) => order.indexOf(a.goal) - order.indexOf(b.goal))
}

/** The table for a terminal. */
export function renderText ({ findings }: Pick<Results, 'findings'>): string {
  const rows: Row[] = [{ cells: columns, note: undefined }, ...rowsOf(findings)]
  const widths = columns.map((_, column) => Math.max(...rows.map(({ cells }) => cells[column]?.length ?? 0)))
  const margin = ' '.repeat((widths[0] ?? 0) + 2)
  return rows.flatMap(({ cells, note }) => [
    cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ').trimEnd(),
    ...note === undefined ? [] : [`${margin}  ${note}`],
  ]).join('\n')
}

/** The table of bench/README.md, with the machine, and why goals were missed. */
export function renderMarkdown ({ findings, figures, machine, madeAt, run }: Omit<Results, 'samples'>): string {
  const pinned = machine.pinned ? 'one reserved for the server' : 'not pinned'
  const [before, after] = machine.load.map(load => load.toFixed(1))
  const missed = sort(findings).filter(finding => verdictOf(finding) !== 'met')
  return [
    `Measured ${madeAt.slice(0, 10)} by \`npm run bench\` (${run}): ${machine.cpu}, ${machine.cores} cores `
      + `(${pinned}),`,
    `Node.js ${machine.node}, Redis ${machine.redis}, load average ${before} before and ${after} after. Median, and`,
    'range of all rounds. Noise: the distance of two identical copies in the same comparison; less is not a finding.',
    '',
    `| ${columns.join(' | ')} |`,
    `|${columns.map(() => '---').join('|')}|`,
    ...rowsOf(findings).map(
      ({ cells: [id, what, ...others], note }) =>
        `| ${[id, note === undefined ? what : `${what} (${note})`, ...others].join(' | ')} |`,
    ),
    ...missed.length === 0 ? [] : ['', 'Why the others were missed:', ''],
    ...missed.map(({ goal }) => `- ${goal}: ${reasonOf(goal, figures)}`),
  ].join('\n')
}

/** Whether a goal is missed by so much that something must be broken. */
export const hasGrossMiss = ({ findings }: Pick<Results, 'findings'>): boolean =>
  findings.some(finding => verdictOf(finding) === 'missed by more than 25 %')
