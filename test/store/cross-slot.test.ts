import t from 'tap'
import { createCrossSlot } from '../../src/store/cross-slot.ts'
import type { Operation, WriteRefusal } from '../../src/store/writes.ts'

const entry = { name: 'table', field: '', expiresAt: 9, limit: null, partition: 5 } as const
const claim: Operation = { ...entry, kind: 'claim', name: 'claim', value: 'x' }
const count: Operation = { ...entry, kind: 'count', name: 'count', value: '2', limit: 7 }
const release: Operation = { ...entry, kind: 'release', name: 'old', value: 'y' }
const here: Operation = { ...entry, kind: 'claim', name: 'own', value: 'x', partition: 3 }
const conflict: WriteRefusal = { claimConflict: { name: 'claim', value: 'z' } }

/** Writes all of these from partition 3. `refuses`: what an operation elsewhere, or the write here, answers. */
async function write (refuses: (name: string) => WriteRefusal | null = () => null) {
  const log: string[] = []
  const { write } = createCrossSlot(async operations => {
    log.push(...operations.map(({ kind, name, value, limit }) => `${kind} ${name} ${value} ${limit}`))
    return refuses(operations[0]?.name ?? '')
  })
  const refusal = await write([claim, here, count, release], 3, async operations => {
    log.push(`here: ${operations.map(({ name }) => name).join()}`)
    return refuses('here')
  })
  return { refusal, log }
}
const taken = ['claim claim x null', 'count count 2 7', 'here: own']

t.test('claims and counters of other slots first, releases last', async t => {
  t.strictSame(await write(), { refusal: null, log: [...taken, 'release old y null'] })
})

t.test('what refuses the write undoes what was taken before', async t => {
  const refusing = (refused: string) => write(name => name === refused ? conflict : null)
  t.strictSame(await refusing('claim'), { refusal: conflict, log: taken.slice(0, 1) })
  t.strictSame(
    await refusing('count'), { refusal: conflict, log: [...taken.slice(0, 2), 'release claim x null'] },
  )
  t.strictSame(
    await refusing('here'),
    { refusal: conflict, log: [...taken, 'release claim x null', 'count count -2 null'] }, 'and releases nothing',
  )
})

t.test('a record that conflicts keeps the claims, which may be those of its writer, and counts nothing', async t => {
  const { refusal, log } = await write(name => name === 'here' ? 'conflict' : null)
  t.strictSame([refusal, log], ['conflict', [...taken, 'count count -2 null']])
})

t.test('a reply that is lost undoes nothing', async t => {
  const log: string[] = []
  const { write, release: giveUp } = createCrossSlot(async ([operation]) => {
    log.push(operation?.name ?? '')
    if (log.length > 1) throw new Error('lost')
    return null
  })
  await t.rejects(write([claim, here], 3, async () => { throw new Error('lost') }))
  t.strictSame(log, ['claim'])
  await giveUp([release])
  t.strictSame(log, ['claim', 'old'], 'a claim that cannot be released expires')
})
