import t from 'tap'
import { cleanProfile } from '../../src/core/profile.ts'

t.test('control characters are dropped everywhere, and nothing else', async t => {
  t.strictSame(cleanProfile({
    name: { first: 'A\0d\x1ba\r\n', last: '\u202eelpmaxE\u2066' }, email: 'ada@example.com\n', gender: '\x7fF\x9f',
    company: ' Example\tLtd ', jobTitle: '\ud800Engineer', about: 'Likes 🏔️ and ن\u200cم',
    addresses: [{ city: 'Spring\x08field', street: '\0' }, { zipcode: '\r' }], badges: ['verified\x00', '\n'],
  }), {
    name: { first: 'Ada', last: 'elpmaxE' }, email: 'ada@example.com', gender: 'F', company: 'ExampleLtd',
    jobTitle: 'Engineer', about: 'Likes 🏔️ and ن\u200cم', addresses: [{ city: 'Springfield' }], badges: ['verified'],
  })
  const clean = { name: { first: 'Ada' }, about: 'Zoë, 李', addresses: [{ countryCode: 'US' }], badges: ['a', 'b'] }
  t.strictSame(cleanProfile(clean), clean)
})

t.test('URLs are https or absent', async t => {
  for (const url of ['https://example.com', 'https://example.com/a?b=c#d', 'https://example.com/%20~']) {
    t.strictSame(cleanProfile({ url, avatarUrl: url }), { url, avatarUrl: url }, url)
  }
  for (const url of [
    'http://example.com/', 'javascript:alert(1)', 'JavaScript:alert(1)', 'java\nscript:alert(1)',
    '\x01javascript:alert(1)',
    'data:text/html,x', 'blob:https://example.com/x', 'file:///etc/passwd', '//example.com/x', '/x', 'example.com',
    'www.example.com', '',
    'https://', 'https://user@example.com/', 'https://user:pw@example.com/', 'https://exa mple.com/',
    'view-source:https://example.com/',
  ]) t.equal(cleanProfile({ url, avatarUrl: url }), null, JSON.stringify(url))
  const dangerous = cleanProfile({ avatarUrl: 'HTTPS://example.com/"><script>\\x' })
  t.strictSame(dangerous, { avatarUrl: 'https://example.com/%22%3E%3Cscript%3E/x' }, 'in its canonical form')
})

t.test('a profile of which nothing is left is none', async t => {
  for (const profile of [{}, { about: '\0' }, { name: {} }, { addresses: [{}] }, { badges: [] }]) {
    t.equal(cleanProfile(profile), null, JSON.stringify(profile))
  }
})
