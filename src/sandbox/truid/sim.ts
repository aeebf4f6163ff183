import type { Scenario } from '../scenarios.ts'

/** Documented: 7 days. */
const defaultPeriod = 10_080
/** Documented: more than a year. */
const longAgo = 525_601

/**
 * Minutes since the SIM was changed, as one of the documented buckets. 43201 is in the vendor's example only. Numbers
 * with the suffix `odd` have a changed SIM in tru.ID's own sandbox.
 */
const changedWithin: Partial<Record<Scenario, number>> = { simChanged: 1440, simChangedOddly: 43_201, mismatch: 4320 }

export type SimData = { no_sim_change: boolean, sim_change_within: number | string, no_sim_change_period: number }

/** What the operator says about the SIM of a number; undefined: nothing. */
export function describeSim (scenario: Scenario, period = defaultPeriod): SimData | undefined {
  if (scenario === 'simUnknown') return undefined
  const within = changedWithin[scenario] ?? longAgo
  return {
    // The vendor's example contradicts itself: changed longer ago than the period, and yet changed within it.
    no_sim_change: scenario !== 'simChangedOddly' && within > period,
    sim_change_within: scenario === 'unusual' ? String(within) : within,
    no_sim_change_period: period,
  }
}
