import { posix } from 'node:path'
import fc from 'fast-check'
import t from 'tap'
import type { App } from '../../src/apps/apps.ts'
import { addReturnParameters, allowsReturnUrl, pageHostOf } from '../../src/apps/return-urls.ts'

const app = (...allowedReturnUrls: string[]): App => ({ id: 'shop', name: 'Shop', keys: [], allowedReturnUrls })

t.test('only listed URLs are allowed, in their canonical spelling', async t => {
  const shop = app('https://shop.example/verified', 'https://shop.example/app/', 'shop://verified')
  for (const url of [
    'https://shop.example/verified', 'https://shop.example/verified?cart=7',
    'https://shop.example/verified?to=../x%2f..&q=a|b&u=https://x.example//y', 'https://shop.example/verified?',
    'https://shop.example/verified?q=%20~%7e+&flag', 'https://shop.example/verified?a?b',
    'https://shop.example/app/', 'https://shop.example/app/deep/page', 'https://shop.example/app/%C3%A9',
    'shop://verified?x=1', 'shop://verified',
  ]) t.ok(allowsReturnUrl(shop, url), url)
  for (const url of ['https://shop.example', 'https://shop.example/', 'https://shop.example?x=1']) {
    t.ok(allowsReturnUrl(app('https://shop.example'), url), `${url} for an origin`)
  }
  const hostile = {
    'other paths': [
      'https://shop.example/', 'https://shop.example/verified/more', 'https://shop.example/verified/',
      'https://shop.example/Verified', 'https://shop.example/app', 'shop://other', 'shop://verified/x',
    ],
    'look-alike hosts': [
      'https://shop.example.evil.example/verified', 'https://evil.example/https://shop.example/verified',
      'https://xshop.example/verified', 'https://shop.example.', 'https://shop-example/verified',
      'https://ѕhop.example/verified', 'https://shop.exаmple/app/', 'https://xn--hop-3kd.example/verified',
      'https://shop。example/verified', 'https://shop%2eexample/verified', 'https://SHOP.example/verified',
    ],
    'a trailing dot': ['https://shop.example./verified', 'https://shop.example./app/'],
    'user info': [
      'https://user@shop.example/verified', 'https://user:pw@shop.example/verified', 'https://@shop.example/verified',
      'https://:@shop.example/verified', 'https://shop.example@evil.example/verified',
      'https://shop.example:443@evil.example/verified', 'https://evil.example#@shop.example/verified',
      'https://evil.example?@shop.example/verified', 'https://shop.example%40evil.example/verified',
    ],
    backslashes: [
      'https://shop.example\\@evil.example/verified', 'https://evil.example\\@shop.example/verified',
      'https:\\\\shop.example\\verified', 'https://shop.example/app\\..\\other',
      'https://shop.example/app/\\evil.example',
      'https:/\\shop.example/verified', 'shop://verified\\x',
    ],
    'other spellings': [
      'https:shop.example/verified', 'https:/shop.example/verified', 'https:///shop.example/verified',
      '//shop.example/verified', '/verified', 'verified', '', 'HTTPS://shop.example/verified',
      'https://shop.example:443/verified',
    ],
    'paths that leave the folder': [
      'https://shop.example/app/../other', 'https://shop.example/app/..', 'https://shop.example/app/./page',
      'https://shop.example/app/%2e%2e/other', 'https://shop.example/app/.%2E/other',
      'https://shop.example/app/..%2fother',
      'https://shop.example/app/..%2Fother', 'https://shop.example/app/..%5cother',
      'https://shop.example/app/%2e%2e%2fother', 'https://shop.example/app/%252e%252e%252fother',
      'https://shop.example/app/..;/../other',
      'https://shop.example/app/x/../../other', 'https://shop.example/app/..;/', 'https://shop.example/app/..;',
      'https://shop.example/app/.;/x', 'https://shop.example/app/..;a=b/other', 'https://shop.example/app/..%3b/other',
      'https://shop.example/app/%2e%2e;/other', 'https://shop.example/app/x/..;/..;/other',
    ],
    'empty segments': [
      'https://shop.example//verified', 'https://shop.example/app//evil.example', 'https://shop.example/app/x//',
      'https://shop.example/app/;/x', 'https://shop.example/app/;a=b',
      'shop://verified//x',
    ],
    'control characters': [
      'https://shop.example/app/%00', 'https://shop.example/app/x%00.html',
      'https://shop.example/app/%0d%0aSet-Cookie:x',
      'https://shop.example/app/%0D%0A', 'https://shop.example/app/%09', 'https://shop.example/app/%7f',
      'https://shop.example/app/%1F', 'https://shop.example/verified?x=%0d%0ay', 'https://shop.example/verified?%00',
    ],
    'escapes that are not UTF-8': [
      'https://shop.example/app/%', 'https://shop.example/app/%zz', 'https://shop.example/app/%u002e',
      'https://shop.example/app/%c0%ae%c0%ae/other', 'https://shop.example/app/%ff',
    ],
    fragments: [
      'https://shop.example/verified#top', 'https://shop.example/verified#', 'https://shop.example/app/#/../x',
      'https://shop.example/verified?x#y', 'shop://verified#x',
    ],
    'another port': [
      'https://shop.example:8443/verified', 'https://shop.example:80/verified', 'https://shop.example:0/verified',
      'https://shop.example:99999/verified',
    ],
    'another scheme': [
      'http://shop.example/verified', 'ftp://shop.example/verified', 'ws://shop.example/verified', 'shops://verified',
      'javascript:alert(1)', 'javascript://shop.example/verified', 'javascript://shop.example/verified%0aalert(1)',
      'javascript://verified', 'data:text/html,x', 'data://shop.example/verified', 'file:///verified',
      'blob:https://shop.example/verified', 'view-source:https://shop.example/verified',
      'intent://shop.example/verified#Intent;end',
    ],
    'white space': [
      ' https://shop.example/verified', 'https://shop.example/verified ', 'https://shop.example/ver\tified',
      'https://shop.ex\nample/verified', 'ht\ttps://shop.example/verified', 'https://shop.example/verified\r\n',
      'https://shop.example\t@evil.example/verified', 'https://shop.example/verified\0', 'java\nscript:alert(1)',
    ],
    addresses: [
      'https://2130706433/verified', 'https://0x7f000001/verified', 'https://0177.0.0.1/verified',
      'https://127.1/verified', 'https://127.0.0.1/verified', 'https://[::1]/verified',
      'https://[::ffff:7f00:1]/verified',
    ],
  }
  for (const [name, urls] of Object.entries(hostile)) {
    for (const url of urls) t.notOk(allowsReturnUrl(shop, url), `${name}: ${JSON.stringify(url)}`)
  }
  t.notOk(allowsReturnUrl(app(), 'https://shop.example/verified'), 'an empty list')
  const { allowedReturnUrls: _allowedReturnUrls, ...withoutList } = app()
  t.notOk(allowsReturnUrl(withoutList, 'https://shop.example/verified'), 'no list')

  const local = app('http://127.0.0.1/app/', 'http://[::1]/app/')
  for (const url of ['http://127.0.0.1/app/x', 'http://[::1]/app/x']) t.ok(allowsReturnUrl(local, url), url)
  for (
    const host of [
      '2130706433', '0x7f000001', '0177.0.0.1', '127.1', '127.0.0.1.', '[0:0:0:0:0:0:0:1]', '[::0001]',
      '[::ffff:127.0.0.1]', 'localhost', '127.0.0.1:80',
    ]
  ) {
    t.notOk(allowsReturnUrl(local, `http://${host}/app/x`), host)
  }
})

t.test('a custom scheme with a path works as RFC 8252 writes it', async t => {
  const mobile = app('com.example.app:/verify', 'com.example.app:/folder/', 'com.example.other:///verify')
  for (const url of [
    'com.example.app:/verify', 'com.example.app:/verify?a=b', 'com.example.app:/folder/', 'com.example.app:/folder/x',
    'com.example.other:///verify',
  ]) t.ok(allowsReturnUrl(mobile, url), url)
  for (const url of [
    'com.example.app:verify', 'com.example.app://verify', 'com.example.app://evil/verify', 'com.example.app:/',
    'com.example.app:',
    'com.example.app:/verify/', 'com.example.app:/Verify', 'com.example.app:/x/../verify', 'com.example.app:/./verify',
    'com.example.app://x@/verify', 'com.example.app:/folder/..;/x', 'com.example.app:/folder/%2e%2e/x',
    'com.example.app:/folder/../x', 'com.example.app:/folder//x', 'com.example.app:/folder/\\x',
    'com.example.app:\\verify',
    'COM.EXAMPLE.APP:/verify', 'com.example.app.evil:/verify', 'com.example.app:/verify#x',
    'com.example.app:/verify%00',
    'com.example.app:/.//verify', 'com.example.other:/folder/x',
  ]) t.notOk(allowsReturnUrl(mobile, url), url)
})

t.test('no URL that is allowed leaves its folder, in any parser', async t => {
  const shop = app('https://shop.example/app/')
  const pieces = [
    '/', '//', '.', '..', ';', ';x=1', '%2e', '%252e', '%2f', '%5c', '%00', '%0d%0a', '%20', '%c0%ae', '%', '\\', '@',
    ':', '#', '?',
    'a', 'é', ' ', '~', '*', '%E2%80%8E', 'https://shop.example', 'https:', 'evil.example', 'app', 'shop.example',
  ]
  const tail = fc.array(fc.constantFrom(...pieces), { maxLength: 8 }).map(parts => parts.join(''))
  const start = fc.constantFrom(
    'https://shop.example/app/', 'https://shop.example', 'https:', '//', 'com.example.app:/', '',
  )
  let allowed = 0
  fc.assert(fc.property(start, tail, (begin, rest) => {
    const url = `${begin}${rest}`
    if (!allowsReturnUrl(shop, url)) return
    allowed += 1
    // A browser, a plain reading by RFC 3986, and a server that decodes twice and drops path parameters.
    const [, scheme, authority, path = ''] = /^([^:/?#]+):\/\/([^/?#]*)([^?#]*)/.exec(url) ?? []
    const decoded = decodeURIComponent(decodeURIComponent(path)).replaceAll(/;[^/]*/g, '')
    const sane = scheme === 'https' && authority === 'shop.example' && posix.normalize(decoded).startsWith('/app/')
      && new URL(url).origin === 'https://shop.example' && !/[\0-\x1f\x7f\\]|\/\//.test(decoded) && !url.includes('#')
    if (!sane) throw new Error(url)
  }), { numRuns: 4_000 })
  t.ok(allowed > 100, 'many of them are allowed')
})

t.test('only our parameters are added to the query', async t => {
  const add = (url: string) => addReturnParameters(url, { code: 'a b&c', verification: 'ver_1' })
  const ours = 'code=a+b%26c&verification=ver_1'
  for (
    const query of [
      'q=%20', 'q=~', 'flag', 'flag=', 'a=1&a=2', 'q=a+b', 'x=%7E%zz', 'a?b=c', 'barcode=1', 'xcode=1', 'code_=1',
    ]
  ) {
    t.equal(add(`https://shop.example/x?${query}`), `https://shop.example/x?${query}&${ours}`, query)
  }
  for (const base of ['https://shop.example/x', 'https://shop.example', 'com.example.app:/verify', 'shop://verified']) {
    t.equal(add(base), `${base}?${ours}`, base)
    t.equal(add(`${base}?`), `${base}?${ours}`, `${base}?`)
  }
  t.equal(
    addReturnParameters('https://shop.example/x?a', { error: 'evidence_expired', verification: 'ver_1' }),
    'https://shop.example/x?a&error=evidence_expired&verification=ver_1',
  )
})

t.test('a parameter of the app with one of our names does not survive', async t => {
  for (const query of [
    'code=evil', 'error=evil', 'verification=ver_2', 'code', 'c%6fde=evil', 'CODE=evil', 'Error=evil', 'code[]=evil',
    'code[0]=evil',
    '%63ode%5B%5D=evil', '+code=evil', 'code%20=evil', 'x=1;code=evil', 'code=1&error=2&verification=3',
  ]) {
    const url = addReturnParameters(
      `https://shop.example/x?a=%20&${query}&flag`, { code: 'good', verification: 'ver_1' },
    )
    t.equal(url, 'https://shop.example/x?a=%20&flag&code=good&verification=ver_1', query)
  }
})

t.test('whatever the query of the app, ours is read once', async () => {
  const piece = fc.constantFrom(
    'code', 'error', 'verification', 'state', '=', '&', '&', ';', '+', '%63', '%', '[', ']', '?', 'a', '~', '%20',
    'Code',
  )
  const query = fc.array(piece, { maxLength: 12 }).map(parts => parts.join(''))
  fc.assert(fc.property(query, query => {
    const added = addReturnParameters(`https://shop.example/x?${query}`, { code: 'good', verification: 'ver_1' })
    const { searchParams, origin, pathname } = new URL(added)
    const foreign = query.split('&').filter(pair => pair !== '' && !/code|%63ode|error|verification/i.test(pair))
    if (!added.endsWith('code=good&verification=ver_1') || `${origin}${pathname}` !== 'https://shop.example/x'
      || searchParams.getAll('code').join() !== 'good' || searchParams.getAll('error').length > 0
      || searchParams.getAll('verification').join() !== 'ver_1'
      || !foreign.every(pair => added.split(/[?&]/).includes(pair) || pair.includes('?'))) throw new Error(added)
  }), { numRuns: 2_000 })
})

t.test('the host of the page that takes a code', async t => {
  const origins = (...allowedOrigins: string[]) => ({ allowedOrigins })
  const app = origins('https://shop.example', 'https://shop.example/', 'com.example.app://x')
  t.equal(pageHostOf(app, 'https://www.shop.example/verified?a=1'), 'www.shop.example', 'that of the return URL')
  t.equal(pageHostOf(app, null), 'shop.example', 'the only one')
  t.equal(pageHostOf(origins('https://a.example', 'https://b.example'), null), null, 'one of two is a guess')
  t.equal(pageHostOf({}, null), null)
  t.equal(pageHostOf(app, 'com.example.app:/verify'), null, 'an app has no host')
  t.equal(pageHostOf(origins('http://localhost:3000', 'https://shop.example:8443'), null), null, 'https, and no port')
})
