import { goals, judge, formatGoal, type GoalId, type Verdict } from './goals.ts'
import type { Spread } from './measure.ts'

/** A figure that has a goal. */
export type Finding = Spread & { goal: GoalId, note?: string }

/** The results of one run: the figures with goals, and all figures by case. */
export type Results = {
  madeAt: string
  run: string
  machine: { cpu: string, cores: number, pinned: boolean, node: string, redis: string, platform: string }
  findings: Finding[]
  figures: Record<string, unknown>
  /** The cases that failed, and the errors. */
  failures: string[]
}

const round = (value: number): string => {
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2
  return String(Number(value.toFixed(digits)))
}

/** `0.81 (0.79–0.84)`; without the spread where there is none. */
export function formatSpread ({ median, min, max }: Spread, unit: string): string {
  return min === max ? `${round(median)}${unit}` : `${round(median)}${unit} (${round(min)}–${round(max)})`
}

export const verdictOf = ({ goal, median }: Finding): Verdict => judge(goal, median)

type Row = { cells: string[], note: string | undefined }

/** The findings in the order of the goals. */
function rowsOf (findings: readonly Finding[]): Row[] {
  const order = Object.keys(goals)
  return [...findings].sort((a, b) => order.indexOf(a.goal) - order.indexOf(b.goal)).map(finding => {
    const { what, unit } = goals[finding.goal]
    return {
      cells: [finding.goal, what, formatGoal(finding.goal), formatSpread(finding, unit), verdictOf(finding)],
      note: finding.note,
    }
  })
}

const columns = ['id', 'what', 'goal', 'measured', 'verdict']

/** The table for a terminal. */
export function renderText ({ findings }: Pick<Results, 'findings'>): string {
  const rows: Row[] = [{ cells: columns, note: undefined }, ...rowsOf(findings)]
  const widths = columns.map((_, column) => Math.max(...rows.map(({ cells }) => cells[column]?.length ?? 0)))
  const margin = ' '.repeat((widths[0] ?? 0) + 2)
  return rows.flatMap(({ cells, note }) => [
    cells.map(
      (cell, column) => cell.padEnd(widths[column] ?? 0),
    ).join('  ').trimEnd(), ...(note === undefined ? [] : [`${margin}  ${note}`]),
  ]).join('\n')
}

/** The table for the README, with the machine. */
export function renderMarkdown ({ findings, machine, madeAt, run }: Results): string {
  const pinned = machine.pinned ? 'one reserved for the server' : 'not pinned'
  return [
    `Measured ${madeAt.slice(0, 10)} by \`npm run bench\` (${run}): ${machine.cpu}, ${machine.cores} cores `
      + `(${pinned}), Node.js ${machine.node}, Redis ${machine.redis}. Median, and range of all rounds.`,
    '',
    `| ${columns.join(' | ')} |`,
    `|${columns.map(() => '---').join('|')}|`,
    ...rowsOf(findings).map(
      ({ cells: [id, what, ...others], note }) =>
        `| ${[id, note === undefined ? what : `${what} (${note})`, ...others].join(' | ')} |`,
    ),
  ].join('\n')
}

/** Whether a goal is missed by so much that something must be broken. */
export const hasGrossMiss = ({ findings }: Results): boolean =>
  findings.some(finding => verdictOf(finding) === 'missed by more than 25 %')
