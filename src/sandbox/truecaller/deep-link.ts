const languages = ['en', 'hi', 'mr', 'te', 'ml', 'ur', 'pa', 'ta', 'bn', 'kn', 'sw', 'ar']
const prefixes =
  ['getstarted', 'continue', 'placeorder', 'completepurchase', 'checkout', 'completebooking', 'proceedwithbooking',
  'continuewith', 'getdetails', 'viewmore', 'continuereading', 'proceed', 'newupdates', 'getupdates',
  'subscribe', 'subscribeforupdates']
const color = /^#[0-9a-f]{6}$/i
const webPage = (value: string) => /^https?:\/\//.test(value) && URL.canParse(value)

type Rule = readonly string[] | RegExp | ((value: string) => boolean)

/** The parameters of the link and their allowed values (docs.truecaller.com/truecaller-sdk, mobile web). */
const rules = new Map<string, Rule>(Object.entries({
  type: ['btmsheet'],
  requestNonce: /^[A-Za-z0-9._~=-]{8,64}$/,
  partnerKey: /./,
  partnerName: /./,
  lang: languages,
  privacyUrl: webPage,
  termsUrl: webPage,
  loginPrefix: prefixes,
  loginSuffix: ['login', 'signup', 'loginsignup', 'register', 'signin', 'verifymobile'],
  ctaPrefix: ['use', 'continuewith', 'proceedwith'],
  ctaColor: color,
  ctaTextColor: color,
  btnShape: ['round', 'rect'],
  skipOption: ['useanothernum', 'useanothermethod', 'manualdetails', 'later'],
  ttl: /^\d+$/,
}))
const start = 'truecallersdk://truesdk/web_verify?'
const required = ['type', 'requestNonce', 'partnerKey', 'partnerName']

function allows (rule: Rule, value: string): boolean {
  if (typeof rule === 'function') return rule(value)
  return rule instanceof RegExp ? rule.test(value) : rule.includes(value)
}

/**
 * Reads `truecallersdk://truesdk/web_verify?…` as the app on the handset does, but strictly (the app itself shows
 * English for an unknown `lang`). Returns the nonce, or the first problem, which names the parameter and never its
 * value.
 */
export function readDeepLink (link: string, partnerKey: string): { requestNonce: string } | { problem: string } {
  if (/\s/.test(link)) return { problem: 'the link must be one line without white space' }
  if (!link.startsWith(start)) return { problem: `the link must begin with ${start}` }
  if (link.includes('#')) return { problem: 'the link must not have a fragment: the # of a color is written %23' }
  const given = new URLSearchParams(link.slice(start.length))
  const missing = required.find(name => !given.has(name))
  if (missing !== undefined) return { problem: `${missing} is missing` }
  for (const [name, value] of given) {
    const rule = rules.get(name)
    if (rule === undefined) return { problem: `${name} is not a parameter of the link` }
    if (given.getAll(name).length > 1) return { problem: `${name} is given twice` }
    if (!allows(rule, value)) return { problem: `${name} has a value that is not allowed` }
  }
  if (given.get('partnerKey') !== partnerKey) return { problem: 'partnerKey is not a known app key' }
  return { requestNonce: given.get('requestNonce') ?? '' }
}
