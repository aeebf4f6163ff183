import t from 'tap'
import { readDeepLink } from '../../../src/sandbox/truecaller/deep-link.ts'

const base = 'truecallersdk://truesdk/web_verify?'
const good = {
  type: 'btmsheet', requestNonce: 'RL8YZ41FQMt5Jiak2sc_Ys0OgQA=', partnerKey: 'key', partnerName: 'An App',
}
const link = (parameters: Record<string, string>) => base + new URLSearchParams({ ...good, ...parameters })

t.test('a link with what is needed, and one with everything', async t => {
  t.strictSame(readDeepLink(link({}), 'key'), { requestNonce: good.requestNonce })
  t.strictSame(readDeepLink(link({
    lang: 'sw', privacyUrl: 'https://example.com/privacy', termsUrl: 'https://example.com/terms',
    loginPrefix: 'getstarted', loginSuffix: 'login', ctaPrefix: 'use', ctaColor: '#f75d34', ctaTextColor: '#FFFFFF',
    btnShape: 'round', skipOption: 'useanothernum', ttl: '8000',
  }), 'key'), { requestNonce: good.requestNonce })
})

t.test('each parameter has its values', async t => {
  const bad: Record<string, string[]> = {
    type: ['', 'popup', 'btmsheetrequestNonce=abcdefgh'],
    requestNonce: ['short12', 'x'.repeat(65), 'with space', 'slash/slash', 'plus+plus+'],
    partnerKey: [''],
    partnerName: [''],
    lang: ['', 'fr', 'en-US', 'EN'],
    privacyUrl: ['javascript:alert(1)', 'https://', 'example.com'],
    termsUrl: ['ftp://example.com'],
    loginPrefix: ['login'],
    loginSuffix: ['getstarted'],
    ctaPrefix: ['tap'],
    ctaColor: ['f75d34', '#f75', 'red'],
    ctaTextColor: ['#f75d3400'],
    btnShape: ['square'],
    skipOption: ['skip'],
    ttl: ['', '8s', '-1', '1.5'],
  }
  for (const [name, values] of Object.entries(bad)) {
    const problem = `${name} has a value that is not allowed`
    for (const value of values) t.strictSame(readDeepLink(link({ [name]: value }), 'key'), { problem })
  }
})

t.test('the link as a whole', async t => {
  const problems: [string, RegExp][] = [
    [link({}).replace('?', '?\n  '), /one line/],
    [link({}).replace('truesdk', 'other'), /must begin/],
    [link({}).replace('truecallersdk:', 'https:'), /must begin/],
    [`${link({})}&ctaColor=#f75d34`, /%23/],
    [link({}).replace('type=btmsheet&', ''), /type is missing/],
    [link({}).replace('btmsheet&', 'btmsheet'), /requestNonce is missing/],
    [link({}).replace(/&partnerKey=key/, ''), /partnerKey is missing/],
    [link({}).replace(/&partnerName=.*/, ''), /partnerName is missing/],
    [`${link({})}&requestNonce=anothernonce`, /twice/],
    [link({ title: 'logIn' }), /title is not a parameter/],
    [link({ constructor: 'x' }), /constructor is not a parameter/],
  ]
  for (const [text, problem] of problems) t.match(readDeepLink(text, 'key'), { problem }, String(problem))
  t.match(readDeepLink(link({}), 'another key'), { problem: /not a known app key/ })
})

t.test('the documented mistake, type and nonce run together, is refused', async t => {
  t.hasProp(
    readDeepLink(`${base}type=btmsheetrequestNonce=UNIQUE_REQUEST_ID&partnerKey=key&partnerName=An+App`, 'key'),
    'problem',
  )
})
