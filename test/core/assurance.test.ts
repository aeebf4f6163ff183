import t from 'tap'
import {
  assuranceLevels, assuranceOf, bindings, levelOf, possessions, rate, testAssurance, type Assurance,
} from '../../src/core/assurance.ts'

t.test('the level follows from possession and binding', async t => {
  t.strictSame(
    possessions.map(possession => bindings.map(binding => levelOf({ possession, binding }))),
    [[3, 1], [2, 1], [2, 1]], 'sim, message and account; with session and without',
  )
  t.strictSame(assuranceLevels, [1, 2, 3])
  t.strictSame(rate(testAssurance), { level: 1, possession: 'message', binding: 'none', restricted: true })
  const assurance: Assurance = { possession: 'message', binding: 'session', restricted: true }
  t.strictSame(rate(assurance), { level: 2, ...assurance }, 'restricted does not change it')
})

t.test('a method proves always the same, or what its options say', async t => {
  const bound: Assurance = { possession: 'sim', binding: 'session', restricted: false }
  t.equal(assuranceOf(bound, { version: 1 }), bound)
  t.strictSame(
    assuranceOf(({ version }) => version === 1 ? { ...bound, binding: 'none' } : bound, { version: 1 }),
    { ...bound, binding: 'none' },
  )
})
