import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { writeRequest } from '../../bench/connection.ts'
import { formatGoal, goals, judge } from '../../bench/goals.ts'
import { noiseOf, ratioOf, spreadOf } from '../../bench/measure.ts'
import { readOptions } from '../../bench/options.ts'
import { documents, publishedPath, readBlock, type Published } from '../../bench/publish.ts'
import { reasonOf, reasons } from '../../bench/reasons.ts'
import { hasGrossMiss, renderMarkdown, renderText, verdictOf, type Results } from '../../bench/report.ts'
import { run } from '../../bench/run.ts'

const root = join(import.meta.dirname, '../..')

const results: Results = {
  madeAt: '2026-11-26T10:00:00.000Z', run: 'whole', machine: {
    cpu: 'A CPU', cores: 2, pinned: true, node: '24.0.0', redis: '7.0.15', platform: 'linux', load: [0.24, 1.96],
  },
  findings: [
    { goal: 'forged', median: 0, min: 0, max: 0 },
    { goal: 'N1', median: 1.701, min: 1.69, max: 1.84, note: '170 µs ÷ 100 µs', noise: 0.042 },
    { goal: 'N11', median: 900, min: 900, max: 900 },
  ],
  figures: {}, failures: [], samples: {},
}

t.test('goals', async t => {
  t.equal(judge('N1', 1.8), 'met')
  t.equal(judge('N1', 1.81), 'not met')
  t.equal(judge('N1', 1.8 * 1.26), 'missed by more than 25 %')
  t.equal(judge('N9', 0.9), 'met')
  t.equal(judge('N9', 0.89), 'not met')
  t.equal(judge('N9', 0.9 * 0.74), 'missed by more than 25 %')
  t.equal(judge('forged', 1), 'missed by more than 25 %')
  t.equal(judge('N1', NaN), 'missed by more than 25 %', 'a figure that is not a number is not met')
  t.strictSame(
    [formatGoal('N9'), formatGoal('N11'), formatGoal('forged')], ['≥ 0.9×', '≤ 850 B (stretch 700 B)', '0'],
  )
})

t.test('rounds', async t => {
  t.strictSame(spreadOf([3, 1, 2]), { median: 2, min: 1, max: 3 })
  t.strictSame(spreadOf([4, 1, 2, 3]), { median: 2.5, min: 1, max: 4 })
  t.strictSame(ratioOf([10, 20], [20, 10]), { median: 1.25, min: 0.5, max: 2 }, 'the ratio of each round')
  t.equal(noiseOf({ first: [8, 10, 12], second: [8, 8, 8] }), 0.25, 'the distance of two copies')
})

t.test('tables', async t => {
  t.equal(renderText(results).split('\n').map(line => line.trim().split(/ {2,}/).join('|')).join('\n'), [
    'id|what|goal|measured|noise|verdict',
    'N1|create ÷ its floor, CPU|≤ 1.8×|1.7× (1.69–1.84)|4 %|met',
    '170 µs ÷ 100 µs',
    'N11|Redis memory per live verification, all its keys|≤ 850 B (stretch 700 B)|900 B|not met',
    'forged|forged callback: Redis commands|0|0|met',
  ].join('\n'))
  const text = renderMarkdown(results)
  t.match(text, /^Measured 2026-11-26 .*: A CPU, 2 cores \(one reserved for the server\),\nNode\.js 24\.0\.0, Redis 7/)
  t.match(text, 'load average 0.2 before and 2.0 after')
  t.match(text, '| N1 | create ÷ its floor, CPU (170 µs ÷ 100 µs) | ≤ 1.8× | 1.7× (1.69–1.84) | 4 % | met |')
  t.match(text, /\n- N11: .*$/, 'why a goal was missed')
  t.equal(hasGrossMiss(results), false)
  t.equal(hasGrossMiss({ findings: [{ goal: 'N11', median: 1200, min: 1200, max: 1200 }] }), true)
})

t.test('reasons', async t => {
  t.match(
    reasonOf('N1', { createFloorMicros: 100, createWholeMicros: 150, createMicros: 180 }),
    /floor cost 1\.5 × their sum \(150 µs\); Verigate costs 1\.2 × as much/,
  )
  t.match(reasonOf('N1', {}), 'did not measure how much', 'an earlier run')
})

t.test('options', async t => {
  t.match(readOptions([]), { name: 'whole', rounds: 6, only: null, live: 1_000_000, soakMinutes: 0, show: null })
  t.match(
    readOptions(['--quick', '--only', 'N1, read', '--live', '5000', '--against', '../earlier']),
    { name: 'quick', rounds: 2, only: new Set(['N1', 'read']), live: 5000, against: '../earlier' },
  )
  t.match(readOptions(['--soak', '30']), { only: new Set(['soak']), soakMinutes: 30 })
  t.equal(readOptions(['--publish']).show, 'publish')
  t.throws(() => readOptions(['--soak', 'long']), { message: '--soak must be a number above 0' })
  t.throws(() => readOptions(['--slow']))
})

t.test('the published figures', async t => {
  const published: Published = JSON.parse(await readFile(publishedPath, 'utf8'))
  for (const [path, render] of Object.entries(documents)) {
    t.equal(readBlock(await readFile(join(root, path), 'utf8')), render(published), `${path} has those of the last run`)
  }
  t.equal(documents['README.md']?.(published).split('\n').length, 5, 'five lines for users')
  t.strictSame(published.failures, [])
  t.strictSame(
    published.findings.map(({ goal }) => goal).sort(), Object.keys(goals).sort(), 'every goal has its figure',
  )
  const missed = published.findings.filter(finding => verdictOf(finding) !== 'met')
  t.strictSame(missed.filter(({ goal }) => reasons[goal] === undefined), [], 'every missed goal has its reason')
})

t.test('requests of the generator', async t => {
  t.equal(
    writeRequest('PUT', '/a', { headers: 'x: 1\r\n', body: 'b=ü', type: 'text/plain' }),
    'PUT /a HTTP/1.1\r\nhost: localhost\r\nx: 1\r\ncontent-type: text/plain\r\ncontent-length: 4\r\n\r\nb=ü',
  )
})

t.test('the shortest run', async t => {
  const { findings, failures, figures } = await run(readOptions(['--smoke', '--only', 'requests,callback']), () => {})
  t.strictSame(failures, [])
  t.strictSame(findings.map(({ goal }) => goal), ['N1', 'N2', 'N3', 'forged', 'callback'])
  t.ok(findings.every(({ median }) => Number.isFinite(median)))
  t.match(findings.find(({ goal }) => goal === 'forged'), { median: 0 }, 'a forged callback sends no Redis command')
  t.ok([figures.createMicros, figures.createWholeMicros, figures.readWholeMicros].every(Number.isFinite))
})
