import t from 'tap'
import { textsFor } from '../../packages/element/src/languages.ts'
import { channelList, directionOf, english, fill, type TextKey, type Texts } from '../../packages/element/src/texts.ts'
import { translations } from '../../packages/element/src/translations.ts'

const keys = Object.keys(english) as TextKey[]
const placeholders = (text: string): string[] => [...text.matchAll(/\{\w+\}/g)].map(([name]) => name).sort()

t.test('every language has every text, with the same values', async t => {
  t.strictSame(Object.keys(translations).sort(), ['ar', 'de', 'es', 'hi', 'pt'])
  for (const [language, texts] of Object.entries(translations)) {
    // The bundle relies on the order, too.
    t.strictSame(Object.keys(texts), keys, language)
    for (const key of keys) {
      t.strictSame(placeholders(texts[key]), placeholders(english[key]), `${language} ${key}`)
      t.not(texts[key].trim(), '', `${language} ${key}`)
    }
    // Words that are the same in both languages.
    const same = keys.filter(key => texts[key] === english[key] && !/^(later)$/.test(key))
    t.strictSame(same, [], `${language}: nothing was forgotten`)
  }
})

t.test('the language of a tag', async t => {
  const codes = { 'de-AT': 'de', PT_br: 'pt', 'ar-EG': 'ar', hi: 'hi', 'es-419': 'es' }
  for (const [tag, code] of Object.entries(codes)) {
    t.equal(textsFor(tag), translations[code], tag)
  }
  for (const tag of ['en', 'EN-gb']) t.equal(textsFor(tag), english, tag)
  for (const tag of ['fr', '', 'deutsch']) t.equal(textsFor(tag), null, tag)
})

t.test('the direction', async t => {
  for (const tag of ['ar', 'ar-EG', 'he', 'fa-IR', 'UR']) t.equal(directionOf(tag), 'rtl', tag)
  for (const tag of ['en', 'arn', 'de']) t.equal(directionOf(tag), 'ltr', tag)
})

t.test('values are filled in, and unknown ones stay', async t => {
  t.equal(fill('{a} and {b} and {a}', { a: 1, b: '{a}' }), '1 and {a} and 1')
  t.equal(fill('{nothing} $&', {}), '{nothing} $&')
})

t.test('channels have names', async t => {
  const list = (texts: Texts, ...channels: string[]) => channelList(channels, texts)
  t.equal(list(english, 'SMS'), 'SMS')
  t.equal(list(english, 'WHATSAPP', 'sms', 'VOICE_CALL'), 'WhatsApp / SMS / phone call')
  t.equal(list(textsFor('de') ?? english, 'SMS', 'voice_call'), 'SMS / Anruf')
  t.equal(list(english, 'SMS', 'sms'), 'SMS')
  t.equal(list(english, 'PIGEON'), 'PIGEON')
  t.equal(list(english), '')
})
