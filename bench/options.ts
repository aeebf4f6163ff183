import { parseArgs } from 'node:util'

/** The options of a run. `--quick` and `--smoke` reduce the rounds and the times. */
export type Options = {
  /** Goals or names of cases; null: all. */
  only: ReadonlySet<string> | null
  rounds: number
  /** The duration of one measurement. */
  roundMs: number
  /** The requests before the first round of a server. */
  warmupRequests: number
  /** The duration of the overload. */
  overloadMs: number
  /** The highest number of live verifications in the store while reads and creates are timed. */
  maxLive: number
  isLiveGiven: boolean
  /** How long the memory is observed; 0: not at all. */
  soakMinutes: number
  /** Where the gateways write their CPU profiles. */
  profileDir: string | null
  /** Only renders the table of existing results. */
  table: boolean
  /** The results file. */
  results: string | null
  name: 'whole' | 'quick' | 'smoke'
}

export const help = `npm run bench -- [options]

  --quick            two short rounds of everything (about two minutes)
  --only P1,read     only these goals, or cases
  --live 1000000     time creates and reads with this many live verifications (100000)
  --long             overload for a minute
  --soak 30          only observe memory under load, for this many minutes
  --profile DIR      write CPU profiles of the gateway to DIR
  --results FILE     write the figures to FILE (bench/results/<date>-<name>.json)
  --table            print the table of FILE (default: the newest results) as Markdown, and measure nothing
`

const lengths = {
  whole: { rounds: 5, roundMs: 2_000, warmupRequests: 30_000, maxLive: 100_000 },
  quick: { rounds: 2, roundMs: 700, warmupRequests: 8_000, maxLive: 10_000 },
  smoke: { rounds: 1, roundMs: 100, warmupRequests: 100, maxLive: 1_000 },
}

/** Reads the command line. Throws for unknown options. */
export function readOptions (args: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...args],
    options: {
      quick: { type: 'boolean' }, smoke: { type: 'boolean' }, long: { type: 'boolean' }, table: { type: 'boolean' },
      only: { type: 'string' }, live: { type: 'string' }, soak: { type: 'string' }, profile: { type: 'string' },
      results: { type: 'string' },
    },
  })
  const name = values.smoke === true ? 'smoke' : values.quick === true ? 'quick' : 'whole'
  const { maxLive, ...length } = lengths[name]
  return {
    ...length,
    name,
    only: values.soak === undefined ? readList(values.only) : new Set(['soak']),
    overloadMs: values.long === true ? 60_000 : name === 'whole' ? 15_000 : 3_000,
    maxLive: values.live === undefined ? maxLive : readCount('--live', values.live),
    isLiveGiven: values.live !== undefined,
    soakMinutes: values.soak === undefined ? 0 : readCount('--soak', values.soak),
    profileDir: values.profile ?? null,
    table: values.table === true,
    results: values.results ?? null,
  }
}

const readList = (text: string | undefined): Set<string> | null =>
  text === undefined ? null : new Set(text.split(',').map(word => word.trim()))

function readCount (name: string, text: string): number {
  const count = Number(text)
  if (!(count > 0)) throw new Error(`${name} must be a number above 0`)
  return count
}
