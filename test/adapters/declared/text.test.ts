import t from 'tap'
import { chooseText, otpLine, segmentsOf, writeText } from '../../../src/adapters/declared/text.ts'

t.test('the text of the closest language', async t => {
  const texts = { default: 'default {code}', de: 'de {code}', 'pt-BR': 'pt-BR {code}', 'zh-Hant': 'zh-Hant {code}' }
  const chosen = (locale: string | null) => chooseText(texts, locale).split(' ')[0]
  for (const locale of ['de', 'de-AT', 'DE-at', 'de_CH', 'de-Latn-AT-x-a']) t.equal(chosen(locale), 'de', locale)
  t.equal(chosen('zh-hant-TW'), 'zh-Hant')
  for (
    const locale of [null, '', '-', 'pt', 'zh', 'fr', 'default-x']
  ) t.equal(chosen(locale), 'default', String(locale))
})

t.test('a name is text, whatever it contains', async t => {
  const write = (app: string, host: string | null = null) => writeText({ default: '{app}: {code}' }, null, {
    code: '123456', app, host,
  })
  t.equal(write('Shop'), 'Shop: 123456')
  t.equal(write('{code} ${env:X} $& {app}'), '{code} ${env:X} $& {app}: 123456', 'it is not filled again')
  t.equal(write('A\r\n@evil.example #1\u2028B\u202e'), 'A @evil.example #1 B : 123456', 'it is one line')
  t.equal(write('Shop', 'shop.example'), 'Shop: 123456\n\n@shop.example #123456')
  t.equal(otpLine('shop.example', 'code'), '@shop.example #code')
})

t.test('in how many parts a text is sent', async t => {
  const cases: [text: string, alphabet: string, segments: number][] = [
    ['', 'GSM-7', 1], ['a'.repeat(160), 'GSM-7', 1], ['a'.repeat(161), 'GSM-7', 2], ['a'.repeat(306), 'GSM-7', 2],
    ['a'.repeat(307), 'GSM-7', 3], ['€'.repeat(80), 'GSM-7', 1], ['€'.repeat(81), 'GSM-7', 2], ['äöüß@\n', 'GSM-7', 1],
    ['ê', 'UCS-2', 1], ['я'.repeat(70), 'UCS-2', 1], ['я'.repeat(71), 'UCS-2', 2], ['😀'.repeat(35), 'UCS-2', 1],
    ['😀'.repeat(36), 'UCS-2', 2],
  ]
  for (const [text, alphabet, segments] of cases) {
    t.strictSame(segmentsOf(text), { alphabet, segments }, text.slice(0, 3) + text.length)
  }
})
