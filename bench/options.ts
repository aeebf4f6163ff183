import { parseArgs } from 'node:util'

/** How a run is made; `rounds` and the times are what `--quick` and `--smoke` shorten. */
export type Options = {
  /** Goals, or names of cases; null: all. */
  only: ReadonlySet<string> | null
  rounds: number
  /** Of one measurement. */
  roundMs: number
  /** Before the first round of a server. */
  warmupRequests: number
  /** Of the overload. */
  overloadMs: number
  /** The most live verifications that reads and creates are timed beside. */
  mostLive: number
  isLiveAsked: boolean
  /** How long the memory is watched; 0: not at all. */
  soakMinutes: number
  /** Where the servers leave their CPU profiles. */
  profileDir: string | null
  /** Only renders the table of the results that are there. */
  table: boolean
  /** The file of the results. */
  results: string | null
  name: 'whole' | 'quick' | 'smoke'
}

export const help = `npm run bench -- [options]

  --quick            two short rounds of everything (about two minutes)
  --only P1,read     only these goals, or cases
  --live 1000000     time creates and reads beside as many live verifications (100000)
  --long             overload for a minute
  --soak 30          nothing but memory under load, for so many minutes
  --profile DIR      leave CPU profiles of the gateway there
  --results FILE     write the figures there (bench/results/<date>-<name>.json)
  --table            render the table of FILE (the newest) as Markdown, and measure nothing
`

const lengths = {
  whole: { rounds: 5, roundMs: 2_000, warmupRequests: 30_000, mostLive: 100_000 },
  quick: { rounds: 2, roundMs: 700, warmupRequests: 8_000, mostLive: 10_000 },
  smoke: { rounds: 1, roundMs: 100, warmupRequests: 100, mostLive: 1_000 },
}

/** Reads the command line. Throws for what it does not know. */
export function readOptions (args: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...args],
    options: {
      quick: { type: 'boolean' }, smoke: { type: 'boolean' }, long: { type: 'boolean' }, table: { type: 'boolean' },
      only: {
        type: 'string',
      }, live: { type: 'string' }, soak: { type: 'string' }, profile: { type: 'string' }, results: { type: 'string' },
    },
  })
  const name = values.smoke === true ? 'smoke' : values.quick === true ? 'quick' : 'whole'
  const { mostLive, ...length } = lengths[name]
  return {
    ...length,
    name,
    only: values.soak !== undefined ? new Set(['soak']) : values.only === undefined ? null : new Set(
      values.only.split(',').map(word => word.trim()),
    ),
    overloadMs: values.long === true ? 60_000 : name === 'whole' ? 15_000 : 3_000,
    mostLive: values.live === undefined ? mostLive : readCount('--live', values.live),
    isLiveAsked: values.live !== undefined,
    soakMinutes: values.soak === undefined ? 0 : readCount('--soak', values.soak),
    profileDir: values.profile ?? null,
    table: values.table === true,
    results: values.results ?? null,
  }
}

function readCount (name: string, text: string): number {
  const count = Number(text)
  if (!(count > 0)) throw new Error(`${name} must be a number above 0`)
  return count
}
