import t from 'tap'
import { reasonWords } from '../../src/core/reasons.ts'
import {
  limits, provenDigits, reasonExamples, scenarioOf, scenarios, variants,
} from '../../src/sandbox/scenarios.ts'
import { simulators } from '../../src/sandbox/simulators.ts'

const providers = ['truecaller', 'truid', 'otpless', 'acme']

t.test('the last two digits decide, then the last one', async t => {
  const expected: Record<string, string> = {
    99: 'error', 98: 'malformed', 97: 'flaky', 96: 'startFails', 95: 'reordered', 94: 'repeated', 93: 'slow',
    92: 'silent',
    91: 'unsupported', 90: 'rejected', 89: 'mismatch', 88: 'verified', '00': 'verified', '01': 'mismatch',
    '09': 'mismatch', 10: 'verified',
  }
  for (const provider of providers) {
    for (const [suffix, scenario] of Object.entries(expected)) {
      t.equal(scenarioOf(`+141555501${suffix}`, provider), scenario, `${provider}, +…${suffix}`)
      t.equal(scenarioOf(`141555501${suffix}`, provider), scenario, `${provider}, …${suffix}`)
      t.equal(scenarioOf(Number(`141555501${suffix}`), provider), scenario, `${provider}, …${suffix} as a JSON number`)
    }
  }
})

t.test('the third-last digit limits the last two to one provider', async t => {
  const concerned: Record<string, string[]> = { 2: ['truecaller'], 3: ['truid'], 4: ['otpless'], 5: ['acme'] }
  for (const digit of '0123456789') {
    for (const [suffix, scenario] of [['91', 'unsupported'], ['01', 'mismatch'], ['02', 'verified']] as const) {
      for (const provider of providers) {
        const isConcerned = (concerned[digit] ?? providers).includes(provider)
        const expected = isConcerned ? scenario : 'verified'
        t.equal(scenarioOf(`+14155550${digit}${suffix}`, provider), expected, `${provider}, …${digit}${suffix}`)
      }
    }
  }
  const known = simulators.map(({ provider }) => provider)
  t.strictSame(limits.flatMap(({ provider }) => provider ?? []).filter(provider => !known.includes(provider)), [])
  t.equal(limits.filter(({ provider }) => provider === null).length, 1, 'every other simulator has one digit together')
})

t.test('the two digits before choose another outcome of the suffix, with the providers that have it', async t => {
  for (const { digits, suffix, scenario, providers: listed } of variants) {
    const usual = scenarios.find(row => row.suffix === suffix)?.scenario ?? 'verified'
    for (const provider of providers) {
      const expected = listed.some(one => one === provider) ? scenario : usual
      t.equal(scenarioOf(`+14155${digits}1${suffix}`, provider), expected, `${provider}, …${digits}1${suffix}`)
    }
    t.equal(scenarioOf(`+14155${digits}102`, 'truid'), 'verified', 'of this suffix only')
    t.equal(scenarioOf(`+14155${digits}4${suffix}`, 'truecaller'), 'verified', 'limited like the suffix')
  }
  t.equal(scenarioOf('+14155584191', 'truid'), 'unsupported', 'no such digits')
})

t.test('each scenario has one row', async t => {
  const all = [...scenarios, ...variants].map(({ scenario }) => scenario)
  t.equal(new Set(all).size, all.length)
})

t.test('every reason of the API has a number', async t => {
  const examples = reasonExamples.map(({ reason }) => reason)
  // Nothing that could forbid a verification is built.
  t.strictSame([...examples].sort(), reasonWords.filter(word => word !== 'blocked').sort())
})

t.test('the proven number is the one asked about, or under mismatch a neighbour', async t => {
  t.equal(provenDigits('+14155550100', 'truid'), '14155550100')
  t.equal(provenDigits(14155550100, 'truid'), '14155550100')
  t.equal(provenDigits('+14155550101', 'truid'), '14155550102')
  t.equal(provenDigits('14155550109', 'truid'), '14155550100')
  t.equal(provenDigits('14155550197', 'truid'), '14155550197')
  t.equal(provenDigits('14155550301', 'truid'), '14155550302')
  t.equal(provenDigits('14155550301', 'otpless'), '14155550301')
})
