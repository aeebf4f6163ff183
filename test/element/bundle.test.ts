import { readFileSync } from 'node:fs'
import { gzipSync } from 'node:zlib'
import { parse } from 'acorn'
import t from 'tap'
import { buildBundle, bundleFile } from '../../packages/element/build.ts'
import manifest from '../../packages/element/package.json' with { type: 'json' }

const text = readFileSync(bundleFile, 'utf8')
const maxZippedBytes = 12_000

t.test('the bundle is what the sources make: `npm run build:element` renews it', async t => {
  t.equal(await buildBundle(), text)
})

t.test('it is one ES module without dependencies', async t => {
  const { body } = parse(text, { ecmaVersion: 'latest', sourceType: 'module' })
  t.strictSame(body.filter(({ type }) => type === 'ImportDeclaration'), [])
  t.notMatch(text, /\bimport\(|\brequire\(|\beval\(|new Function|innerHTML|\.style\b/)
  t.match(manifest, { exports: './dist/phone-verification.js', files: ['dist'] })
  t.notOk('dependencies' in manifest)
})

t.test('it is small', async t => {
  const bytes = gzipSync(text, { level: 9 }).length
  t.ok(bytes <= maxZippedBytes, `${bytes} bytes zipped`)
})
