import t from 'tap'
import { keyIdOf, type App } from '../../../src/apps/apps.ts'
import { summarize, summarizeApps } from '../../../src/api/operations/summary.ts'
import type { AdapterMap, GuardedAdapter } from '../../../src/adapters/guard.ts'

const sha256 = 'AB'.repeat(32)
const now = Date.parse('2026-03-01T12:00:00Z')
const at = (hours: number) => new Date(now + hours * 3_600_000).toISOString()

const apps: App[] = [
  {
    id: 'shop', name: 'Shop',
    keys: [
      { sha256, scopes: [], expiresAt: at(-1) }, { sha256: '00'.repeat(32), scopes: [], expiresAt: at(1) },
      { id: 'old', sha256: '11'.repeat(32), scopes: [], expiresAt: at(0) }, { sha256: '22'.repeat(32), scopes: [] },
    ],
    testNumbers: {
      '+14155550100': { code: '123456', expiresAt: at(1) }, '+14155550101': { code: '1234', expiresAt: at(-1) },
    },
  },
  { id: 'bank', name: 'Bank', keys: [] },
]

t.test('apps and keys are counted, and the expired ones are named as in the audit log', async t => {
  t.strictSame(summarizeApps(apps, now), {
    apps: 2, keys: 4, expiredKeys: ['shop/abababab', 'shop/old'], testNumbers: 1,
  })
  t.equal(keyIdOf({ sha256 }), 'abababab')
  t.strictSame(summarizeApps([], now), { apps: 0, keys: 0, expiredKeys: [], testNumbers: 0 })
})

t.test('what is off says why, and no value is secret', async t => {
  const adapter = (methods: string[]) =>
    ({ methods: Object.fromEntries(methods.map(name => [name, {}])) }) as unknown as GuardedAdapter
  const adapters: AdapterMap = new Map([
    ['truid', adapter(['truid.phone_check'])], ['acme-north', adapter(['acme-north.sms'])],
  ])
  const summary = summarize({
    config: {
      role: 'all', sandbox: false, publicUrl: 'https://user:hunter2@verify.example.com/gateway', waitReplicas: 1,
      redisUrl: 'rediss+sentinel://user:hunter2@a:1,b:2/main?sentinelPassword=hunter2', retentionMs: 86_400_000,
    },
    providers: [{ provider: 'truecaller' }, { provider: 'truid' }], adapters,
    redis: { server: 'valkey', version: '8.1.3', hasAppendOnlyFile: true }, apps: { all: () => apps }, now: () => now,
  })
  t.match(summary, {
    version: /^\d+\.\d+\.\d+/, role: 'all', sandbox: false, publicUrl: 'https://verify.example.com/gateway',
    providers: { truecaller: 'off: no credentials', truid: 'on', 'acme-north': 'on' },
    methods: ['truid.phone_check', 'acme-north.sms'], apps: { apps: 2 }, retentionSeconds: 86_400,
    redis: {
      form: 'sentinel', tls: true, waitReplicas: 1, server: 'valkey', version: '8.1.3', hasAppendOnlyFile: true,
    },
  })
  t.notMatch(JSON.stringify(summary), /hunter2/)
})
