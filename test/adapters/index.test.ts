import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Type } from 'typebox'
import t from 'tap'
import type { AdapterIo, Provider } from '../../src/adapters/adapter.ts'
import { createHttp } from '../../src/adapters/http.ts'
import { providers } from '../../src/adapters/index.ts'
import { openAdapters, variablesOf } from '../../src/adapters/instances.ts'
import type { Action } from '../../src/core/vocabulary.ts'
import { simulators } from '../../src/sandbox/simulators.ts'
import { openIo } from '../../src/conformance/index.ts'

const folder = join(import.meta.dirname, '../../src/adapters')
/** Which of our own files: test/architecture.test.ts. */
const packages = /^(typebox(\/\w+)?|node:crypto|jose(\/[\w/]+)?|ip-address|yaml)$/
const importLine = /^(?:import|export)\s[^'"]*?\sfrom '(?<from>[^']+)'/gm

t.test('a provider imports schemas, addresses and cryptography, and no other package', async t => {
  const entries = readdirSync(folder, { withFileTypes: true })
  const names = entries.filter(entry => entry.isDirectory()).map(({ name }) => name)
  // `declared` makes providers of PROVIDERS_FILE.
  const known = [...providers.map(({ provider }) => provider), 'declared']
  t.same(names.sort(), known.sort(), 'every folder is in the registry')
  for (const name of names) {
    for (const file of readdirSync(join(folder, name))) {
      const text = readFileSync(join(folder, name, file), 'utf8')
      const imports = [...text.matchAll(importLine)].map(({ groups }) => groups?.['from'] ?? '')
      t.equal(imports.length, (text.match(/^import\s/gm) ?? []).length, 'every import is read')
      t.same(imports.filter(from => !from.startsWith('.') && !packages.test(from)), [], `${name}/${file}`)
      t.notMatch(
        text, /\bimport\(|\brequire\(|\bfetch\((?!\))|process\.|Date\.now|setTimeout|(?<!io\.)randomBytes\(/,
        'it has no other network, clock or random source',
      )
    }
  }
})

t.test('in production every provider that calls back must prove that it is the sender', async t => {
  const http = createHttp()
  t.teardown(http.close)
  const io: AdapterIo = { openHttp: http.openHttp, now: () => 0, randomBytes: Buffer.alloc, allowInsecure: false }
  const own = { TRUECALLER_CALLBACK_KEY: 'e'.repeat(22) }
  const env = Object.assign(own, ...simulators.map(({ settings }) => settings('https://provider.example')))
  const adapters = openAdapters(providers, env, io).filter(({ receive }) => receive !== undefined)
  t.ok(adapters.length >= 3)
  for (const { provider, acceptsAnySender = false, receive } of adapters) {
    t.notOk(acceptsAnySender, provider)
    const rawBody = Buffer.from('{}')
    for (const key of [null, 'k'.repeat(48)]) {
      const received = await receive?.({ key, url: 'https://verify.example', headers: {}, rawBody, body: {} })
      t.match(received, { type: 'refused' }, `${provider} refuses a callback without proof`)
    }
  }
})

t.test('providers, methods and variables have distinct names', async t => {
  const http = createHttp()
  t.teardown(http.close)
  const io: AdapterIo = { openHttp: http.openHttp, now: () => 0, randomBytes: Buffer.alloc, allowInsecure: false }
  const names = providers.flatMap(({ settings }) => Object.keys(settings.properties))
  const own = { TRUECALLER_CALLBACK_KEY: 'e'.repeat(22) }
  const env = Object.assign(own, ...simulators.map(({ settings }) => settings('https://provider.example')))
  const adapters = openAdapters(providers, env, io)
  const ids = adapters.map(({ provider }) => provider)
  t.same(ids.filter(id => !id.includes('-')), providers.map(({ provider }) => provider))
  t.equal(new Set(ids).size, ids.length)
  const methods = adapters.flatMap(adapter => Object.entries(adapter.methods))
  for (const { provider, methods } of adapters) {
    for (const name of Object.keys(methods)) t.match(name, new RegExp(`^${provider}\\.[a-z_]+$`))
    const ranks = Object.values(methods).flatMap(({ defaultRank }) => defaultRank ?? [])
    t.equal(new Set(ranks).size, ranks.length, `the default order of ${provider} is unambiguous`)
  }
  const ranksOf = (action: Action['type']) =>
    methods.flatMap(([, { nextActions, defaultRank }]) => nextActions.includes(action) ? defaultRank ?? [] : [])
  t.ok(Math.max(...ranksOf('openUrlOnCellular')) < Math.min(...ranksOf('submitCode')), 'silent methods come first')
  t.equal(new Set(names).size, names.length)
  for (const { provider, settings } of providers) {
    for (const name of Object.keys(settings.properties)) t.ok(name.startsWith(`${provider.toUpperCase()}_`), name)
  }
})

t.test('a provider with instances is opened once for each of them', async t => {
  const acme: Provider = {
    provider: 'acme',
    settings: Type.Object({ ACME_KEY: Type.Optional(Type.String({ description: 'Key.' })) }),
    hasInstances: true,
    open: ({ ACME_KEY: key }, _io, id) => {
      if (key === undefined) return null
      if (key === 'bad') throw new Error('ACME_KEY must be good')
      return {
        provider: id, methods: {}, start: async () => ({ state: key, action: { type: 'answerCall' } }),
        resolve: async () => ({ verdict: 'incorrect' }),
      }
    },
  }
  const open = (settings: Record<string, string>) => openAdapters([acme], settings, openIo(t))
  const idsOf = (settings: Record<string, string>) => open(settings).map(({ provider }) => provider)
  t.same(idsOf({}), [])
  t.same(idsOf({ ACME_KEY: 'a' }), ['acme'])
  const both = { ACME_INSTANCES: 'north, south2', ACME_NORTH_KEY: 'n', ACME_SOUTH2_KEY: 's' }
  t.same(idsOf(both), ['acme-north', 'acme-south2'], 'the plain variables are not set')
  t.same(idsOf({ ...both, ACME_KEY: 'a' }), ['acme', 'acme-north', 'acme-south2'])
  t.same(
    Object.keys(variablesOf(acme, both)), ['ACME_KEY', 'ACME_INSTANCES', 'ACME_NORTH_KEY', 'ACME_SOUTH2_KEY'],
  )
  t.throws(() => open({ ACME_INSTANCES: 'north' }), { message: 'ACME_INSTANCES names north, which has no credentials' })
  t.throws(() => open({ ...both, ACME_NORTH_KEY: 'bad' }), { message: 'ACME_NORTH_KEY must be good' })
  for (const names of ['North', 'a,a', 'a-b', '1', 'ü', 'x'.repeat(17)]) {
    t.throws(() => open({ ACME_INSTANCES: names }), { message: /^ACME_INSTANCES must be / }, names)
  }
  t.same(openAdapters([{ ...acme, hasInstances: false }], both, openIo(t)), [], 'only where the provider has instances')
})
