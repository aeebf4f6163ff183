import t from 'tap'
import type { App } from '../../src/apps/apps.ts'
import { allowsReturnUrl } from '../../src/apps/return-urls.ts'

const app = (...allowedReturnUrls: string[]): App => ({ id: 'shop', name: 'Shop', keys: [], allowedReturnUrls })

t.test('only listed URLs are allowed, in their canonical spelling', async t => {
  const shop = app('https://shop.example/verified', 'https://shop.example/app/', 'shop://verified')
  for (const url of [
    'https://shop.example/verified', 'https://shop.example/verified?cart=7',
    'https://shop.example/verified?to=../x%2f..&q=a|b', 'https://shop.example/verified#top',
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
      'https://shop.example/app/x/../../other',
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
