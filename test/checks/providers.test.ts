import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { providers } from '../../src/adapters/index.ts'
import { checkProviders } from '../../src/checks/providers.ts'
import { startSimulators } from '../../src/sandbox/simulators.ts'
import { toy } from '../adapters/toy/index.ts'

t.test('the simulators accept the credentials that they announce, and are asked for nothing that costs', async t => {
  const { settings, close, requests } = await startSimulators({ gatewayUrl: 'http://127.0.0.1:1' })
  t.teardown(close)
  const { findings, adapters } = await checkProviders({ settings, allowInsecureProviders: true }, providers)
  t.strictSame(adapters.map(({ provider }) => provider), providers.map(({ provider }) => provider))
  t.strictSame(findings.filter(({ verdict }) => verdict === 'wrong'), [])
  const probes = adapters.flatMap(({ provider, probes = {} }) => Object.keys(probes).map(name => [provider, name]))
  t.ok(probes.length >= 6)
  t.strictSame(
    findings.filter(({ verdict }) => verdict === 'ok').map(({ subject, text }) => `${subject} ${text}`),
    probes.map(([provider, name]) => `${provider} ${name}: accepted`),
  )
  const paid = /checks|requests$|initiate|send/
  t.strictSame(requests.filter(({ path }) => paid.test(path)), [], 'no check, no push, no message')
})

t.test('refused credentials: what the provider answered, and which variables to correct', async t => {
  const { settings, close } = await startSimulators({ gatewayUrl: 'http://127.0.0.1:1' })
  t.teardown(close)
  const bad = {
    ...settings, TRUID_CLIENT_SECRET: 'hunter2', OTPLESS_CLIENT_SECRET: 'hunter2', TRUECALLER_APP_KEY: 'hunter2',
    TRUECALLER_OAUTH_CLIENT_ID: '',
  }
  const { findings } = await checkProviders({ settings: bad, allowInsecureProviders: true }, providers)
  const wrong = findings.filter(({ verdict }) => verdict === 'wrong').map(({ subject, text }) => `${subject} ${text}`)
  t.match(wrong, [
    /^truecaller credentials of missed calls: provider_misconfigured \(404 404 "Invalid partner.*TRUECALLER_APP_KEY/,
    /^truid credentials: provider_misconfigured \(401 .*\): check TRUID_CLIENT_ID, TRUID_CLIENT_SECRET, and/,
    /^otpless credentials: provider_misconfigured \(401 .*\): check OTPLESS_CLIENT_ID, OTPLESS_CLIENT_SECRET/,
  ])
  t.equal(wrong.length, 3)
  t.notMatch(JSON.stringify(findings), /hunter2/)
})

t.test('a provider that is out of reach, one that cannot be opened, and none at all', async t => {
  const dead = { TRUID_CLIENT_ID: 'a', TRUID_CLIENT_SECRET: 'b', TRUID_API_URL: 'http://127.0.0.1:1' }
  const out = await checkProviders({ settings: dead, allowInsecureProviders: true }, providers)
  t.match(out.findings, [
    { verdict: 'ok', subject: 'truecaller', text: 'off: no credentials' },
    { verdict: 'wrong', text: /provider_error \(ECONNREFUSED\): check DNS, firewall and proxy/ }, { verdict: 'ok' },
  ])
  const half = await checkProviders({ settings: { TRUID_CLIENT_ID: 'a' }, allowInsecureProviders: false }, providers)
  t.match(half.findings[1], { verdict: 'wrong', subject: 'truid', text: 'TRUID_CLIENT_SECRET is missing' })
  const none = await checkProviders({ settings: {}, allowInsecureProviders: false }, [toy])
  t.match(none.findings, [{ verdict: 'ok' }, { verdict: 'wrong', subject: 'providers' }])
})

t.test('a providers file: each provider, what its texts cost, and everything that is wrong', async t => {
  const folder = await mkdtemp(join(tmpdir(), 'verigate-check-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const providersFile = join(folder, 'providers.json')
  const entry = {
    name: 'acme', channel: 'sms', codeLength: 4, accepted: { status: [200] },
    request: {
      url: 'https://sms.example/send', headers: { 'x-key': '${env:KEY}' }, body: { to: '{digits}', t: '{text}' },
    },
    text: { default: '{code} is your code for {app}', el: `{code} ${'είναι ο κωδικός σας '.repeat(4)}` },
  }
  const check = async (...entries: unknown[]) => {
    await writeFile(providersFile, JSON.stringify(entries))
    const lookUp = (name: string): string | null => name === 'KEY' ? 'hunter2' : null
    return checkProviders({ settings: {}, allowInsecureProviders: false, providersFile, lookUp }, [toy])
  }
  const { adapters, findings } = await check(entry)
  t.match(adapters, [{ methods: { 'acme.sms': {} } }])
  t.match(findings.filter(({ subject }) => subject === 'PROVIDERS_FILE'), [
    { verdict: 'ok', text: /^acme\.sms: not called, because a message costs money/ },
    { verdict: 'warning', text: 'acme: text/el is sent in several parts, each of which is paid' },
    { verdict: 'warning', text: /^acme: codeLength is below 6/ },
  ])
  t.notOk(findings.some(({ verdict }) => verdict === 'wrong'), 'a provider of the file is enough')
  const wrong = await check({ ...entry, name: 'toy', codeLength: 3 }, 'x')
  t.match(wrong.findings.filter(({ verdict }) => verdict === 'wrong'), [
    { text: /^\/0\/codeLength must/ }, { text: /^\/1 must be an object/ }, { text: /^\/0\/name is the name of/ },
  ])
  t.notMatch(JSON.stringify([findings, wrong]), /hunter2/)
})
