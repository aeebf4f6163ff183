import t from 'tap'
import { foldCode } from '../../src/core/typed-code.ts'

t.test('the same code, however it is typed', async t => {
  for (const text of [
    '550100', ' 550 100 ', '550-100', '550\u2013100', '\u200e550100\u200f', '550100\r\n',
    '\u0665\u0665\u0660\u0661\u0660\u0660',
    '\uff15\uff15\uff10\uff11\uff10\uff10', '\u{1d7fb}\u{1d7fb}\u{1d7f6}\u{1d7f7}\u{1d7f6}\u{1d7f6}',
  ]) t.equal(foldCode(text), '550100', JSON.stringify(text))
  t.equal(foldCode('1234abcd'), '1234abcd')
  t.equal(foldCode(' - '), '')
})
