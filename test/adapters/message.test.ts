import t from 'tap'
import {
  createReader, membersOf, readBoolean, readList, readNumber, readString, readText, upTo,
} from '../../src/adapters/message.ts'

t.test('only an object has members', async t => {
  t.strictSame(membersOf({ a: null }), { a: null })
  for (const other of [undefined, null, 'abc', 1, true, ['a']]) t.strictSame(membersOf(other), {})
  const { status } = membersOf(JSON.parse('{"__proto__":{"status":"forged"}}'))
  t.equal(status, undefined, 'a member with the name `__proto__` is not a prototype')
})

t.test('a word is never a number', async t => {
  t.equal(readString('a'), 'a')
  t.equal(readString('abc', 3), 'abc')
  for (const none of [undefined, null, '', 5, true, {}, ['a'], 'x'.repeat(257)]) {
    t.equal(readString(none), null, String(none))
  }
})

t.test('a text, or a number, which is the same as its text', async t => {
  for (const [value, text] of [['a', 'a'], [5, '5'], ['5', '5'], [467601234567, '467601234567'], [0, '0']] as const) {
    t.equal(readText(value), text)
  }
  for (const none of [undefined, null, '', NaN, Infinity, true, {}, ['a'], 'x'.repeat(257)]) {
    t.equal(readText(none), null, String(none))
  }
  t.equal(readText('abc', 3), 'abc')
  t.equal(readText('abcd', 3), null)
})

t.test('a number, or the text of one', async t => {
  const numbers = [[5, 5], ['5', 5], [1.5, 1.5], ['1.5', 1.5], [-1, -1], ['-1', -1], ['0', 0], ['0.10', 0.1]] as const
  for (const [value, number] of numbers) t.equal(readNumber(value), number)
  for (const none of [undefined, null, '', ' ', '5s', '0x10', '1e3', '.5', NaN, Infinity, true, [5], '9'.repeat(16)]) {
    t.equal(readNumber(none), null, String(none))
  }
})

t.test('nothing but true is yes, and nothing but false is no', async t => {
  t.equal(readBoolean(true), true)
  t.equal(readBoolean(false), false)
  for (const neither of [undefined, null, 'true', 'false', 1, 0, '', {}]) t.equal(readBoolean(neither), null)
})

t.test('a list has an end', async t => {
  t.strictSame(readList([1, null, 3], 2), [1, null])
  for (const other of [undefined, null, 'abc', { length: 2 }]) t.strictSame(readList(other, 2), [])
})

t.test('several members at once, each by itself', async t => {
  const read = createReader({ id: upTo(3, readText), ttl: readNumber, links: createReader({ self: readString }) })
  t.strictSame(read({ id: 12, ttl: '5', links: { self: 'a', more: 1 }, more: 2 }), {
    id: '12', ttl: 5, links: { self: 'a' },
  })
  t.strictSame(read({ id: '1234', ttl: 7 }), { id: null, ttl: 7, links: { self: null } }, 'what cannot be read is null')
  for (const other of [undefined, null, 'abc', []]) t.strictSame(read(other), read({}))
})
