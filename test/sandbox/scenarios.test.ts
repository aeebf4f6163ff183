import t from 'tap'
import { provenDigits, scenarioOf, scenarios } from '../../src/sandbox/scenarios.ts'

t.test('the last two digits decide, then the last one', async t => {
  const expected: Record<string, string> = {
    99: 'error', 98: 'malformed', 97: 'flaky', 96: 'startFails', 95: 'reordered', 94: 'repeated', 93: 'slow',
    92: 'silent',
    91: 'unsupported', 90: 'rejected', 89: 'mismatch', 88: 'verified', '00': 'verified', '01': 'mismatch',
    '09': 'mismatch', 10: 'verified',
  }
  for (const [suffix, scenario] of Object.entries(expected)) {
    t.equal(scenarioOf(`+141555501${suffix}`), scenario, `+…${suffix}`)
    t.equal(scenarioOf(`141555501${suffix}`), scenario, `…${suffix}`)
    t.equal(scenarioOf(Number(`141555501${suffix}`)), scenario, `…${suffix} as a JSON number`)
  }
})

t.test('each scenario has one row', async t => {
  t.equal(new Set(scenarios.map(({ scenario }) => scenario)).size, scenarios.length)
})

t.test('the proven number is the one asked about, or under mismatch a neighbour', async t => {
  t.equal(provenDigits('+14155550100'), '14155550100')
  t.equal(provenDigits(14155550100), '14155550100')
  t.equal(provenDigits('+14155550101'), '14155550102')
  t.equal(provenDigits('14155550109'), '14155550100')
  t.equal(provenDigits('14155550197'), '14155550197')
})
