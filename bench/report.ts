import { goals, judge, tellGoal, type GoalId, type Verdict } from './goals.ts'
import type { Spread } from './measure.ts'

/** A figure that has a goal. */
export type Finding = Spread & { goal: GoalId, note?: string }

/** The results of one run: what was found, and all figures behind it by case. */
export type Results = {
  madeAt: string
  run: string
  machine: { cpu: string, cores: number, pinned: boolean, node: string, redis: string, platform: string }
  findings: Finding[]
  figures: Record<string, unknown>
  /** Cases that could not be measured, and why. */
  failures: string[]
}

const round = (value: number): string => {
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2
  return String(Number(value.toFixed(digits)))
}

/** `0.81 (0.79–0.84)`; without the spread where there is none. */
export function tellSpread ({ median, min, max }: Spread, unit: string): string {
  return min === max ? `${round(median)}${unit}` : `${round(median)}${unit} (${round(min)}–${round(max)})`
}

export const verdictOf = ({ goal, median }: Finding): Verdict => judge(goal, median)

type Row = { cells: string[], note: string | undefined }

/** Goals in their order, each with what came of it. */
function rowsOf (findings: readonly Finding[]): Row[] {
  const order = Object.keys(goals)
  return [...findings].sort((a, b) => order.indexOf(a.goal) - order.indexOf(b.goal)).map(finding => {
    const { what, unit } = goals[finding.goal]
    return {
      cells: [finding.goal, what, tellGoal(finding.goal), tellSpread(finding, unit), verdictOf(finding)],
      note: finding.note,
    }
  })
}

const titles = ['id', 'what', 'goal', 'measured', 'verdict']

/** The table for a terminal. */
export function renderText ({ findings }: Pick<Results, 'findings'>): string {
  const rows: Row[] = [{ cells: titles, note: undefined }, ...rowsOf(findings)]
  const widths = titles.map((_, column) => Math.max(...rows.map(({ cells }) => cells[column]?.length ?? 0)))
  const margin = ' '.repeat((widths[0] ?? 0) + 2)
  return rows.flatMap(({ cells, note }) => [
    cells.map(
      (cell, column) => cell.padEnd(widths[column] ?? 0),
    ).join('  ').trimEnd(), ...(note === undefined ? [] : [`${margin}  ${note}`]),
  ]).join('\n')
}

/** The table for the README, with where it was measured. */
export function renderMarkdown ({ findings, machine, madeAt, run }: Results): string {
  const pinned = machine.pinned ? 'the server had one core for itself' : 'not pinned to cores'
  return [
    `Measured ${madeAt.slice(0, 10)} by \`npm run bench\` (${run}): ${machine.cpu}, ${machine.cores} cores (${pinned}), Node.js ${machine.node}, Redis ${machine.redis}. Median, and least to most of all rounds.`,
    '',
    `| ${titles.join(' | ')} |`,
    `|${titles.map(() => '---').join('|')}|`,
    ...rowsOf(findings).map(
      ({ cells: [id, what, ...others], note }) =>
        `| ${[id, note === undefined ? what : `${what} (${note})`, ...others].join(' | ')} |`,
    ),
  ].join('\n')
}

/** Whether anything is so far from its goal that something must have broken. */
export const isGross = ({ findings }: Results): boolean =>
  findings.some(finding => verdictOf(finding) === 'missed by more than 25 %')
