import fc from 'fast-check'
import t from 'tap'
import { createOutcomeWindow } from '../../src/adapters/outcome-window.ts'

t.test('each verification counts once, with its newest outcome, for 30 seconds', async t => {
  const step = fc.record({ id: fc.nat({ max: 5 }).map(String), isFailed: fc.boolean(), after: fc.nat({ max: 8_000 }) })
  fc.assert(fc.property(fc.array(step, { maxLength: 40 }), steps => {
    const window = createOutcomeWindow()
    const newest = new Map<string, { isFailed: boolean, at: number }>()
    let at = 1_000
    for (const { id, isFailed, after } of steps) {
      at += after
      window.add(id, isFailed, at)
      newest.set(id, { isFailed, at })
      const recent = [...newest.values()].filter(outcome => outcome.at > at - 30_000)
      const failed = recent.filter(({ isFailed }) => isFailed).length
      const counted = window.count(at)
      if (counted.failed !== failed || counted.ok !== recent.length - failed) throw new Error(JSON.stringify(counted))
      if (window.hasFailed(id) !== isFailed) throw new Error(id)
    }
  }))
  t.pass()
})

t.test('it forgets the oldest ones beyond its size, and everything when it is cleared', async t => {
  const window = createOutcomeWindow()
  for (let n = 0; n < 6_000; n += 1) window.add(`ver_${n}`, n < 3_000, 1)
  t.strictSame(window.count(1), { ok: 3_000, failed: 2_000 })
  window.clear()
  t.strictSame(window.count(1), { ok: 0, failed: 0 })
  t.notOk(window.hasFailed('ver_5999'))
})

t.test('thirty seconds are over when they have passed', async t => {
  const window = createOutcomeWindow()
  window.add('ver_1', true, 1_000)
  t.strictSame([window.count(30_999), window.count(31_000)], [{ ok: 0, failed: 1 }, { ok: 0, failed: 0 }])
})
