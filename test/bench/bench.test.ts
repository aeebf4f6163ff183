import t from 'tap'
import { judge, formatGoal } from '../../bench/goals.ts'
import { ratioOf, spreadOf } from '../../bench/measure.ts'
import { readOptions } from '../../bench/options.ts'
import { hasGrossMiss, renderMarkdown, renderText, type Results } from '../../bench/report.ts'
import { run } from '../../bench/run.ts'

const results: Results = {
  madeAt: '2026-11-26T10:00:00.000Z', run: 'whole', machine: {
    cpu: 'A CPU', cores: 2, pinned: true, node: '24.0.0', redis: '7.0.15', platform: 'linux',
  },
  findings: [
    { goal: 'P5r', median: 0, min: 0, max: 0 },
    { goal: 'P1', median: 0.801, min: 0.79, max: 0.84, note: '22.0 µs ÷ 27.5 µs' },
    { goal: 'P17', median: 1100, min: 1100, max: 1100 },
  ],
  figures: {}, failures: [],
}

t.test('goals', async t => {
  t.equal(judge('P1', 0.78), 'met')
  t.equal(judge('P1', 0.77), 'not met')
  t.equal(judge('P1', 0.78 * 0.74), 'missed by more than 25 %')
  t.equal(judge('P17', 950), 'met')
  t.equal(judge('P17', 1100), 'not met')
  t.equal(judge('P17', 1200), 'missed by more than 25 %')
  t.equal(judge('P5r', 1), 'missed by more than 25 %')
  t.equal(judge('P1', NaN), 'missed by more than 25 %', 'a figure that is not a number is not met')
  t.strictSame([formatGoal('P1'), formatGoal('P17'), formatGoal('P5r')], ['≥ 0.78×', '≤ 950 B', '0'])
})

t.test('rounds', async t => {
  t.strictSame(spreadOf([3, 1, 2]), { median: 2, min: 1, max: 3 })
  t.strictSame(spreadOf([4, 1, 2, 3]), { median: 2.5, min: 1, max: 4 })
  t.strictSame(ratioOf([10, 20], [20, 10]), { median: 1.25, min: 0.5, max: 2 }, 'the ratio of each round')
})

t.test('tables', async t => {
  t.equal(renderText(results).split('\n').map(line => line.trim().split(/ {2,}/).join('|')).join('\n'), [
    'id|what|goal|measured|verdict',
    'P1|create, no provider call: baseline (Fastify + one create script) ÷ ours, CPU|≥ 0.78×|0.8× (0.79–0.84)|'
      + 'met',
    '22.0 µs ÷ 27.5 µs',
    'P5r|forged callback: Redis commands|0|0|met',
    'P17|Redis memory per live verification, all its keys|≤ 950 B|1100 B|not met',
  ].join('\n'))
  const lines = renderMarkdown(results).split('\n')
  t.match(
    lines[0],
    /^Measured 2026-11-26 .*: A CPU, 2 cores \(one reserved for the server\), Node\.js 24\.0\.0, Redis 7\.0\.15/,
  )
  t.equal(lines.at(-1), '| P17 | Redis memory per live verification, all its keys | ≤ 950 B | 1100 B | not met |')
  t.equal(hasGrossMiss(results), false)
  t.equal(hasGrossMiss({ ...results, findings: [{ goal: 'P17', median: 1200, min: 1200, max: 1200 }] }), true)
})

t.test('options', async t => {
  t.match(readOptions([]), { name: 'whole', rounds: 5, only: null, soakMinutes: 0 })
  t.match(
    readOptions(['--quick', '--only', 'P1, read', '--live', '1000000']),
    { name: 'quick', rounds: 2, only: new Set(['P1', 'read']), maxLive: 1_000_000 },
  )
  t.match(readOptions(['--soak', '30']), { only: new Set(['soak']), soakMinutes: 30 })
  t.throws(() => readOptions(['--soak', 'long']), { message: '--soak must be a number above 0' })
  t.throws(() => readOptions(['--slow']))
})

t.test('the shortest run', async t => {
  const { findings, failures, figures } = await run(readOptions(['--smoke', '--only', 'callback']), () => {})
  t.strictSame(failures, [])
  t.strictSame(findings.map(({ goal }) => goal), ['P4', 'P5', 'P5r', 'callbackP99'])
  t.ok(findings.every(({ median }) => Number.isFinite(median)))
  t.match(findings.find(({ goal }) => goal === 'P5r'), { median: 0 }, 'a forged callback sends no Redis command')
  t.ok('callback: 50 connections' in figures)
})
