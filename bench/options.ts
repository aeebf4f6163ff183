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
  /** How often a part of the floor is repeated in a round. */
  partCount: number
  /** The duration of the overload. */
  overloadMs: number
  /** Clients of a crowd. */
  clients: number
  /** The number of live verifications with which latencies are compared. */
  live: number
  /** Another checkout, whose start is compared. */
  against: string | null
  /** Installs the peers first. */
  install: boolean
  /** How long the memory is observed; 0: not at all. */
  soakMinutes: number
  /** Where the gateways write their CPU profiles. */
  profileDir: string | null
  /** Only renders the table of existing results, or writes it into the documentation. */
  show: 'table' | 'publish' | null
  /** The results file. */
  results: string | null
  name: 'whole' | 'quick' | 'smoke'
}

export const help = `npm run bench -- [options]

  --quick            two short rounds of everything (about three minutes)
  --only N1,read     only these goals, or cases
  --install          first install the peers: better-auth with npm, otpgateway with Go, into bench/peers
  --against DIR      compare the start with that of another checkout
  --live 100000      compare latencies with this many live verifications (1000000; about 1 GB of memory)
  --soak 30          only observe memory under load, for this many minutes
  --profile DIR      write CPU profiles of the gateway to DIR
  --results FILE     write the figures to FILE (bench/results/<date>-<name>.json)
  --table            print the table of FILE (default: the newest results) as Markdown, and measure nothing
  --publish          write the figures of FILE into bench/results/latest.json, README.md, bench/README.md and
                     docs/operations.md, and measure nothing
`

const lengths = {
  whole: {
    rounds: 6, roundMs: 1_500, warmupRequests: 20_000, partCount: 4_000, overloadMs: 15_000, clients: 2_000,
    live: 1_000_000,
  },
  quick: {
    rounds: 2, roundMs: 500, warmupRequests: 3_000, partCount: 1_000, overloadMs: 4_000, clients: 2_000, live: 20_000,
  },
  smoke: {
    rounds: 1, roundMs: 100, warmupRequests: 100, partCount: 20, overloadMs: 500, clients: 20, live: 2_000,
  },
}

/** Reads the command line. Throws for unknown options. */
export function readOptions (args: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...args],
    options: {
      quick: { type: 'boolean' }, smoke: { type: 'boolean' }, install: { type: 'boolean' },
      table: { type: 'boolean' }, publish: { type: 'boolean' }, only: { type: 'string' }, live: { type: 'string' },
      against: { type: 'string' }, soak: { type: 'string' }, profile: { type: 'string' }, results: { type: 'string' },
    },
  })
  const name = values.smoke === true ? 'smoke' : values.quick === true ? 'quick' : 'whole'
  const { live, ...length } = lengths[name]
  return {
    ...length,
    name,
    only: values.soak === undefined ? readList(values.only) : new Set(['soak']),
    live: values.live === undefined ? live : readCount('--live', values.live),
    against: values.against ?? null,
    install: values.install === true,
    soakMinutes: values.soak === undefined ? 0 : readCount('--soak', values.soak),
    profileDir: values.profile ?? null,
    show: values.publish === true ? 'publish' : values.table === true ? 'table' : null,
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
