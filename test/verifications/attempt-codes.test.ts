import { randomBytes } from 'node:crypto'
import t from 'tap'
import { createSealer } from '../../src/store/sealing.ts'
import { createAttemptCode } from '../../src/verifications/attempt-codes.ts'

const newKey = (id: string): string => `${id}:${randomBytes(32).toString('base64')}`

t.test('a code is the same each time, and another one for each attempt', async t => {
  const sealer = createSealer(newKey('a'))
  const code = createAttemptCode(sealer, 'ver_1 0')
  for (const length of [4, 6, 10]) {
    const made = code.make(length)
    t.match(made.code, new RegExp(`^\\d{${length}}$`))
    t.strictSame(createAttemptCode(sealer, 'ver_1 0').make(length), made)
    t.strictSame(code.make(length, made.hash), made)
    t.ok(code.matches(made.code, made.hash))
    t.notOk(code.matches(made.code.replace(/^./, digit => digit === '0' ? '1' : '0'), made.hash))
    t.notOk(code.matches('', made.hash) || code.matches(made.code, ''))
    t.notOk(made.hash.includes(made.code))
    t.notOk(createAttemptCode(sealer, 'ver_1 1').matches(made.code, made.hash), 'the hash is of one attempt')
  }
  const others = Array.from({ length: 200 }, (_, at) => createAttemptCode(sealer, `ver_2 ${at}`).make(6).code)
  t.ok(new Set(others).size > 195)
  const digits = others.join('').split('')
  for (const digit of '0123456789') t.ok(digits.filter(one => one === digit).length > 60, `${digit} occurs evenly`)
})

t.test('after a change of keys, an earlier code is still correct, and sent again', async t => {
  const [former, later] = [newKey('a'), newKey('b')]
  const before = createAttemptCode(createSealer(former), 'ver_1 0').make(6)
  const rotated = createAttemptCode(createSealer(`${later},${former}`), 'ver_1 0')
  t.ok(rotated.matches(before.code, before.hash))
  t.strictSame(rotated.make(6, before.hash), before)
  t.not(rotated.make(6).code, before.code, 'a new attempt uses the first key')
  const gone = createAttemptCode(createSealer(later), 'ver_1 0')
  t.notOk(gone.matches(before.code, before.hash), 'a key that is gone')
  const replaced = gone.make(6, before.hash)
  t.ok(gone.matches(replaced.code, replaced.hash), 'the next message has a code that works')
})

t.test('a fixed code replaces the derived one', async t => {
  const code = createAttemptCode(createSealer(newKey('a')), 'ver_1 0', length => '123456'.slice(-length))
  const made = code.make(6)
  t.equal(made.code, '123456')
  t.strictSame(code.make(6, made.hash), made)
  t.ok(code.matches('123456', made.hash))
})
