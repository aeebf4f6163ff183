import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import t from 'tap'
import { createIds } from '../../src/store/ids.ts'
import { createKeys, partitions } from '../../src/store/keys.ts'
import { createStore } from '../../src/store/record-store.ts'
import { createScripts } from '../../src/store/scripts.ts'
import { createSealer } from '../../src/store/sealing.ts'
import { readTable, startOfTable, type Entry } from '../../src/store/tables.ts'
import type { Operation, WriteRefusal } from '../../src/store/writes.ts'
import { connectTo, startRedis } from '../helpers/redis.ts'
import { jsonRecords } from './json-records.ts'

const { url } = await startRedis(t)
const redis = await connectTo(t, url)
const keys = createKeys('vg')
const sealer = createSealer(`k1:${randomBytes(32).toString('base64')}`)
const ids = createIds(sealer, { partitions, randomBytes })
const operateAt = (now: () => number) => createScripts({ redis, keys, timed: reply => reply, now }).operate
const newName = (): string => randomBytes(16).toString('base64url')

/** What an operation does to the entries of one table, in a few plain words. */
function operateOn (entries: Entry[], { kind, name, field, value, expiresAt, limit }: Operation, now: number) {
  const entry = entries.find(each => each.field === field)
  const named = { name, ...field === '' ? {} : { field } }
  if (kind === 'release') return { next: entry?.value === value ? entries.filter(each => each !== entry) : entries }
  const put = (text: string, expiry: number): Entry[] => entry === undefined
    ? [...entries, { field, value: text, expiresAt: expiry }]
    : entries.map(each => each === entry ? { field, value: text, expiresAt: expiry } : each)
  if (kind === 'claim' || kind === 'list') {
    if (entry !== undefined && entry.value !== value) {
      return { next: entries, refusal: { claimConflict: { ...named, value: entry.value } } }
    }
    return { next: put(value, expiresAt) }
  }
  const [count, add] = [Number(entry?.value ?? 0), Number(value)]
  if (limit !== null && count >= Number(limit)) {
    const retryAfterMs = entry === undefined ? 0 : entry.expiresAt - now
    return { next: entries, refusal: { counterExceeded: { ...named, retryAfterMs } } }
  }
  if (add === 0 || (entry === undefined && add < 0)) return { next: entries }
  return { next: put(String(count + add), entry?.expiresAt ?? expiresAt) }
}

t.test('operations, in whatever order, and time that passes', async t => {
  const base = Date.now() + 1_000_000
  const life = fc.integer({ min: 1, max: 50 })
  const claimed = { field: fc.constantFrom('', 'a', '\xff\0'), value: fc.constantFrom('x', '\0\xe9', 'y'.repeat(255)) }
  const operation = fc.oneof(
    fc.record({ kind: fc.constantFrom('claim', 'release'), ...claimed, life, limit: fc.constant(null) }),
    fc.record({
      kind: fc.constant('count'), field: fc.constantFrom('n', 'm'), value: fc.constantFrom('-1', '0', '1', '2'), life,
      limit: fc.option(fc.integer({ min: 0, max: 4 })),
    }),
  )
  // Each step is one call of the script: all of its operations, on two tables, or none.
  const step = fc.record({
    pass: fc.integer({ min: 0, max: 20 }),
    operations: fc.array(fc.tuple(fc.nat({ max: 1 }), operation), { minLength: 1, maxLength: 4 }),
  })
  await fc.assert(fc.asyncProperty(fc.array(step, { maxLength: 12 }), async steps => {
    const names = [newName(), newName()]
    let now = base
    let model: Entry[][] = [[], []]
    const operate = operateAt(() => now)
    for (const { pass, operations } of steps) {
      now += pass
      model = model.map(entries => entries.filter(({ expiresAt }) => expiresAt > now))
      const next = [...model]
      let refusal: WriteRefusal | null = null
      const called = operations.map(([table, { life, ...rest }]) =>
        ({ table, operation: { ...rest, name: names[table] ?? '', expiresAt: now + life, partition: 3 } as Operation }))
      for (const { table, operation } of called) {
        const done = operateOn(next[table] ?? [], operation, now)
        if (done.refusal !== undefined) refusal = done.refusal
        if (refusal !== null) break
        next[table] = done.next
      }
      if (refusal === null) model = next
      t.strictSame(await operate(called.map(({ operation }) => operation)), refusal)
      const stored = await Promise.all(names.map(async name =>
        readTable(await redis.getBuffer(keys.table(3, name)), now)))
      t.strictSame(stored, model)
    }
  }), { numRuns: 150 })
})

t.test('a table is gone with its last entry', async t => {
  const name = newName()
  const operate = operateAt(Date.now)
  const claim: Operation = {
    kind: 'claim', name, field: 'a', value: 'x', expiresAt: Date.now() + 60_000, limit: null, partition: 3,
  }
  await operate([claim])
  const table = await redis.getBuffer(keys.table(3, name))
  t.strictSame(table?.subarray(0, 4), startOfTable('a', 'x'))
  t.equal(await redis.pexpiretime(keys.table(3, name)), claim.expiresAt)
  await operate([{ ...claim, kind: 'release', value: 'y' }])
  t.equal(await redis.exists(keys.table(3, name)), 1, 'another value releases nothing')
  await operate([{ ...claim, kind: 'release' }])
  t.equal(await redis.exists(keys.table(3, name)), 0)
  t.strictSame(readTable(null, 0), [])
})

t.test('a table lives as long as the entry that lives longest', async t => {
  const name = newName()
  const operate = operateAt(Date.now)
  const [soon, late] = [Date.now() + 30_000, Date.now() + 60_000]
  const claim = { kind: 'claim', name, value: 'x', limit: null, partition: 3 } as const
  for (const [field, expiresAt] of [['a', soon], ['b', late], ['c', soon]] as const) {
    await operate([{ ...claim, field, expiresAt }])
  }
  t.equal(await redis.pexpiretime(keys.table(3, name)), late)
})

t.test('only listed records move to the set of a long table', async t => {
  const name = newName()
  const operate = operateAt(Date.now)
  const expiresAt = Date.now() + 60_000
  const entry = { name, expiresAt, limit: null, partition: 3 } as const
  await operate([
    { ...entry, kind: 'claim', field: 'live', value: 'x' }, { ...entry, kind: 'count', field: 'n', value: '1' },
  ])
  const store = createStore({ redis, sealer, ...jsonRecords })
  const listed: string[] = []
  for (let n = 0; n < 40; n += 1) {
    const id = ids.newId('app', 3)
    listed.unshift(id)
    await store.insert(id, 'record', { expiresAt, dueAt: null, listings: [{ name, expiresAt: expiresAt + n }] })
  }
  const entries = readTable(await redis.getBuffer(keys.table(3, name)), Date.now())
  t.strictSame(entries.filter(({ value }) => value !== '').map(({ field }) => field), ['live', 'n'])
  t.equal(entries.length, 34, 'the newest 32 stay')
  t.strictSame(await store.find(name, 40), listed, 'and all are found')
})
