import { readdir, readFile } from 'node:fs/promises'
import t from 'tap'
import { providers } from '../../src/adapters/index.ts'
import { createHttp } from '../../src/adapters/http.ts'

const folder = new URL('../../src/adapters/', import.meta.url)
const allowed = [
  './wire.ts', './signature.ts', '../adapter.ts', '../../errors.ts', '../../phone.ts', 'node:crypto', 'jose/jwks/local',
]
const importLine = /^(?:import|export)\s(?<what>[^'"]*?)\sfrom '(?<from>[^']+)'/gm

t.test('an adapter imports the interface, errors, numbers and cryptography, and nothing else', async t => {
  const names = (
    await readdir(folder, { withFileTypes: true })
  ).filter(entry => entry.isDirectory()).map(({ name }) => name)
  t.same(names.sort(), providers.map(({ provider }) => provider).sort(), 'every folder is in the registry')
  for (const name of names) {
    const files = await readdir(new URL(`${name}/`, folder))
    t.same(files.filter(file => file !== 'signature.ts').sort(), ['index.ts', 'wire.ts'])
    for (const file of files) {
      const text = await readFile(new URL(`${name}/${file}`, folder), 'utf8')
      const imports = [...text.matchAll(importLine)].map(
        ({ groups }) => ({ what: groups?.what ?? '', from: groups?.from ?? '' }),
      )
      t.equal(imports.length, (text.match(/^import\s/gm) ?? []).length, 'every import is read')
      for (const { what, from } of imports) {
        const isTypeBox = from === 'typebox' || from.startsWith('typebox/')
        const isReasonType = from === '../../reasons.ts' && what.startsWith('type ')
        t.ok(isTypeBox || isReasonType || allowed.includes(from), `${name}/${file} imports ${from}`)
      }
      t.notMatch(
        text, /\bimport\(|\brequire\(|\bfetch\(|process\.|Date\.now|setTimeout/,
        'no other way out, and no clock of its own',
      )
      t.ok(text.split('\n').length <= 250)
    }
  }
})

t.test('providers, methods and variables have names of their own', async t => {
  const http = createHttp()
  t.teardown(http.close)
  const io = { openHttp: http.openHttp, now: () => 0, allowInsecure: false }
  const pairs = ['TRUID', 'OTPLESS'].flatMap(name => [`${name}_CLIENT_ID`, `${name}_CLIENT_SECRET`])
  const env = Object.fromEntries(['TRUECALLER_APP_KEY', 'OTPLESS_APP_ID', ...pairs].map(name => [name, 'a']))
  const adapters = providers.map(provider => provider.open(env, io))
  const methods = adapters.flatMap(adapter => Object.entries(adapter?.methods ?? {}))
  t.same(
    methods.map(([name]) => name).sort(),
    ['otpless.otp', 'otpless.token', 'truecaller.push', 'truecaller.web', 'truid.phone_check'],
  )
  const order = methods.toSorted(
    ([, one], [, other]) => (one.defaultRank ?? 0) - (other.defaultRank ?? 0),
  ).map(([name]) => name)
  t.same(
    order, ['truid.phone_check', 'truecaller.push', 'otpless.otp', 'truecaller.web', 'otpless.token'],
    'silent ones first',
  )
  const variables = providers.flatMap(
    ({ provider, settings }) => Object.keys(settings.properties).map(name => [provider, name]),
  )
  t.equal(new Set(variables.map(([, name]) => name)).size, variables.length)
  for (const [provider = '', name = ''] of variables) t.ok(name.startsWith(`${provider.toUpperCase()}_`), name)
})
