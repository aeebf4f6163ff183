import { randomBytes, randomUUID } from 'node:crypto'
import t from 'tap'
import { looksLikeId, readRequestId } from '../../../src/api/plugins/request-id.ts'

t.test('ids of callers are kept', async t => {
  for (const id of [
    'abc', 'a'.repeat(128), 'req_8f3kQ2', 'signup-8842', '01ARZ3NDEKTSV4RRFFQ69G5FAV', 'V1StGXR8_Z5jdHi6B-myT',
    'trace:span=1.2',
    randomUUID(), randomUUID().toUpperCase(), '00000000-0000-4000-8000-00000000000a',
    '12345678-1234-4123-8123-1234567890ab',
    '4bf92f3577b34da6a3ce929d0e0e4736', '00f067aa0ba902b7',
  ]) {
    t.ok(looksLikeId(id), id)
    t.equal(readRequestId({ headers: { 'x-request-id': id } }), id)
  }
  for (let n = 0; n < 200; n += 1) t.ok(
    looksLikeId(randomUUID()) && looksLikeId(`a${randomBytes(16).toString('hex')}`.slice(0, 32)),
  )
})

t.test('anything else is replaced: it could be a number, an address or a message', async t => {
  for (const text of [
    '', ' ', 'a b', 'a'.repeat(129), 'ключ', 'a\tb', 'a, b', '!~"{}', '+14155550100', '14155550100', '4155550100',
    '415-555-0100',
    '415.555.0100', 'user-14155550100', 'tel:4155550100', '4155550100@example.com', 'ada@example.com', '<script>',
    '{"a":1}',
    '../etc', '/verifications', 'a/b', '-a', '4111111111111111', '\u202eabc', '2026-03-01T12:00:00Z',
  ]) {
    t.notOk(looksLikeId(text), JSON.stringify(text))
    t.match(readRequestId({ headers: { 'x-request-id': text } }), /^[0-9a-f-]{36}$/)
  }
  t.match(readRequestId({ headers: {} }), /^[0-9a-f-]{36}$/)
})
