import { randomBytes } from 'node:crypto'
import t from 'tap'
import { createApps, type App } from '../../src/apps/apps.ts'
import { createLimits, type StartFacts, type Target } from '../../src/apps/limits.ts'
import { createSealer, numberTag } from '../../src/store/sealing.ts'

const sealer = createSealer(`k1:${randomBytes(32).toString('base64')}`)
const [at, hour, day] = [1_000, 3_600_000, 86_400_000]
const app = (more: App['limits'] = {}, id = 'shop'): App => ({ id, name: 'Shop', keys: [], limits: more })
const target: Target = { appId: 'shop', phoneNumber: '+14155550123', country: 'US' }
const otp: StartFacts = { name: 'loud.otp', sendsMessage: true, codeAttempts: 5, isFirst: true, isFirstMessage: true }

/** The limits of two apps that have these settings. */
const limitsOf = (more: App['limits'] = {}, exemptApp: string | null = null) => createLimits({
  sealer, apps: createApps([app(more), app(more, 'bank')]),
  messagesPerNumber: { perHour: 6, perDay: 15, exemptApp },
})
const starts = (more: App['limits'], start: Partial<StartFacts> = {}, changed: Partial<Target> = {}) => limitsOf(more)
  .forStart({ ...target, ...changed }, { ...otp, ...start }, at)
  .map(({ field, add, below, expiresAt }) => [field?.split('.')[0], add, below, expiresAt - at])
const [verification, codes, messages] = [
  [['creates', 1, 10, hour], ['prefix', 1, 100, hour]],
  [['codes', 0, 15, hour], ['dayCodes', 0, 50, day]],
  [['messages', 1, 6, hour], ['dayMessages', 1, 15, day]],
]

t.test('a create counts nothing but the address it comes from', async t => {
  t.strictSame(limitsOf().forCreate(app(), '203.0.113.7', at), [], 'off by default')
  const create = (ip: string, id = 'shop') => limitsOf().forCreate(app({ createsPerIpPerHour: 3 }, id), ip, at)
  const [counter] = create('203.0.113.7')
  t.match(counter, { name: /^[\w-]{22}$/, field: 'ip', add: 1, below: 3, expiresAt: at + hour, partition: Number })
  t.not(create('203.0.113.8')[0]?.name, counter?.name)
  t.equal(create('::ffff:203.0.113.7')[0]?.name, counter?.name)
  t.strictSame(create('2001:db8::1'), create('2001:db8::ffff'))
  t.not(create('203.0.113.7', 'bank')[0]?.name, counter?.name, 'another app')
})

t.test('the counters of a start', async t => {
  t.strictSame(starts({}), [...verification, ...codes, ...messages], 'the defaults')
  t.strictSame(starts({}, { isFirstMessage: false }), [...codes, ...messages], 'the verification is counted once')
  const { codeAttempts: _, ...push } = otp
  const counted = limitsOf().forStart(target, { ...push, maxPerNumberPerDay: 5 }, at)
  t.strictSame(
    counted.map(({ field, below }) => [field?.split('.')[0], below]),
    [['creates', 10], ['prefix', 100], ['starts', 5], ['messages', 6], ['dayMessages', 15]], 'a push takes no code',
  )
  t.strictSame(starts({}, { sendsMessage: false }), [['silent', 1, 10, hour]], 'a silent verification is counted apart')
  t.strictSame(starts({}, { sendsMessage: false, isFirst: false }), [], 'and once')
  t.strictSame(starts({}, {}, { phoneNumber: null }), [])
  const none = {
    createsPerNumberPerHour: null, createsPerPrefixPerHour: null, wrongCodesPerNumberPerHour: null,
    wrongCodesPerNumberPerDay: null,
  }
  t.strictSame(starts(none), messages, 'no app can lift the limits of the gateway')
  t.strictSame(starts({ ...none, createsPerCountryPerHour: 2, messagesPerAppPerHour: 9 }), [
    ['country', 1, 2, hour], ...messages, ['app', 1, 9, hour],
  ])
  t.strictSame(
    limitsOf(none, 'shop').forStart(target, otp, at), [], 'the sandbox\'s app sends as many messages as it likes',
  )
  t.equal(limitsOf(none, 'shop').forStart({ ...target, appId: 'bank' }, otp, at).length, 2, 'another app does not')
})

t.test('what shares a counter, whose name shows nothing', async t => {
  const names = (changed: Partial<Target> = {}, name = 'loud.otp') => Object.fromEntries(
    limitsOf({ createsPerCountryPerHour: 9, messagesPerAppPerHour: 9 })
      .forStart({ ...target, ...changed }, { ...otp, name, maxPerNumberPerDay: 5 }, at)
      .map(({ name, field, partition }) => [field?.split('.')[0], `${name} ${field} ${partition}`]),
  )
  const own = names()
  /** The kinds of counters that the changed target shares with the first one. */
  const shared = (changed: Partial<Target>, method?: string): string =>
    Object.entries(names(changed, method)).filter(([kind, name]) => own[kind] === name).map(([kind]) => kind).join()
  t.equal(shared({ appId: 'bank' }), 'messages,dayMessages', 'only messages are counted over all apps')
  t.equal(shared({ phoneNumber: '+14155559999' }), 'prefix,country,app', 'a prefix leaves out the last four digits')
  t.equal(shared({ phoneNumber: '+14155660123' }), 'country,app')
  t.equal(shared({ country: 'GB' }), 'creates,prefix,codes,dayCodes,starts,messages,dayMessages,app')
  t.equal(shared({}, 'loud.push'), 'creates,prefix,country,codes,dayCodes,messages,dayMessages,app')
  t.notMatch(Object.values(own).join(), /4155550|\bUS\b|shop|loud/)
})

t.test('a message that is sent again counts as a message', async t => {
  const kinds = limitsOf().forMessage(target, at).map(({ field, add, below }) => [field, add, below])
  t.strictSame(kinds, [['messages', 1, 6], ['dayMessages', 1, 15]])
  t.strictSame(limitsOf().forMessage({ ...target, phoneNumber: null }, at), [])
})

t.test('the counters of codes', async t => {
  const name = sealer.keyedHash('number', 'shop +14155550123')
  const [hourly, daily] = [
    { name, field: 'codes', expiresAt: at + hour }, { name, field: 'dayCodes', expiresAt: at + day },
  ]
  const limits = limitsOf({ wrongCodesPerNumberPerHour: 3 })
  t.strictSame(limits.forCode(target, at), [{ ...hourly, add: 0, below: 3 }, { ...daily, add: 0, below: 50 }])
  t.match(limits.forCode({ ...target, appId: 'gone' }, at), [{ below: 15 }, { below: 50 }])
  const off = { wrongCodesPerNumberPerHour: null, wrongCodesPerNumberPerDay: null }
  t.strictSame(limitsOf(off).forCode(target, at), [])
  t.strictSame(limits.forWrongCode(target, at), [
    { ...hourly, add: 1, below: null }, { ...daily, add: 1, below: null },
  ])
})

t.test('what an exceeded limit means', async t => {
  const tagged = numberTag(sealer, '+14155550123')
  const limits = limitsOf()
  const table = [
    ['creates', 'number_limit', { reason: 'recently_tried' }], ['starts', 'number_limit', { reason: 'recently_tried' }],
    ['codes', 'code_limit', { reason: 'code_attempts_exhausted' }],
    ['dayCodes', 'code_limit', { reason: 'code_attempts_exhausted' }],
    ['messages', 'message_limit', { reason: null }], ['dayMessages', 'message_limit', { reason: null }],
    ['app', 'app_message_limit', { reason: null }], ['prefix', 'prefix_limit', { reason: null }],
    ['country', 'country_limit', { reason: null }], ['ip', 'ip_limit', undefined],
  ] as const
  for (const [kind, cause, skip] of table) {
    const refused = limits.refuse({ name: 'tag', field: kind, retryAfterMs: 1_500 }, target.phoneNumber)
    t.match(refused.error, {
      apiCode: 'rate_limited', extra: { retryAfterSeconds: 1.5, refusal: { cause, numberTag: tagged } },
    })
    t.strictSame(refused.skip?.reason, skip?.reason, kind)
    t.equal(refused.skip?.isOfEveryMessage, skip && !/codes|starts/i.test(kind), kind)
    t.notMatch(refused.error.message, '415')
  }
  t.strictSame(limits.refuse({ name: 'tag', field: 'ip', retryAfterMs: 0 }, null).error.extra, {
    retryAfterSeconds: 1, refusal: { cause: 'ip_limit' },
  })
  t.throws(() => limits.refuse({ name: 'tag', field: 'else', retryAfterMs: 0 }, null), TypeError)
})
