import { globSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import t from 'tap'

const root = join(import.meta.dirname, '../src')

/** Every import in src: who, what (a path below src, or a package), and whether only types come of it. */
const imports = globSync('**/*.ts', { cwd: root }).flatMap(file => {
  const text = readFileSync(join(root, file), 'utf8')
  return [
    ...text.matchAll(
      /^(?:import|export) (?<type>type )?[^'\n]*?(?:\n(?![^\n]*from)[^\n]*)*?from '(?<what>[^']+)'|import\('(?<dynamic>[^']+)'\)/gm,
    ),
  ].map(({ groups = {} }) => {
    const what = groups.what ?? groups.dynamic ?? ''
    const isDynamic = groups.dynamic !== undefined
    return {
      file, isDynamic, what: what.startsWith('.') ? relative(root, join(root, dirname(file), what)) : what,
      isType: groups.type !== undefined,
    }
  })
})
const importers = (what: RegExp): string[] => [
  ...new Set(imports.filter(entry => what.test(entry.what)).map(({ file }) => file)),
].sort()
const outside = (files: string[], ...rooms: RegExp[]): string[] =>
  files.filter(file => !rooms.some(room => room.test(file)))

t.test('the reader of imports sees them', async t => {
  t.ok(imports.some(({ file, what }) => file === 'gateway.ts' && what === 'verification.ts'))
  t.ok(imports.some(({ file, what }) => file === 'jobs/queues.ts' && what === 'bullmq'))
  t.ok(imports.length > 200)
})

t.test('the core imports nothing but itself', async t => {
  const core = ['verification.ts', 'reasons.ts', 'news.ts']
  t.strictSame(imports.filter(({ file, what, isType }) => core.includes(file) && !isType && !core.includes(what)), [])
})

t.test('every line knows its room', async t => {
  t.strictSame(
    outside(importers(/^(fastify|@fastify\/)(?!error)/), /^plugins\//, /^routes\//, /^sandbox\//, /^server\.ts$/), [],
    'Fastify',
  )
  t.strictSame(outside(importers(/^bullmq$/), /^jobs\//), [], 'BullMQ')
  t.strictSame(importers(/^@opentelemetry\//), ['otel.ts'], 'OpenTelemetry')
  t.match(
    imports.filter(({ what }) => what === 'otel.ts'), [{ file: 'main.ts', isDynamic: true }],
    'which is loaded only when tracing is on',
  )
  t.ok(
    imports.filter(({ what }) => what.startsWith('@bull-board/')).every(
      ({ file, isDynamic }) => file === 'plugins/queues-page.ts' && isDynamic,
    ),
    'the page of the queues',
  )
  t.strictSame(outside(importers(/^ioredis$/), /^store\//), [], 'Redis')
  t.strictSame(outside(importers(/^sandbox\//), /^sandbox\//, /^main\.ts$/), [], 'the simulators')
  t.strictSame(
    imports.filter(
      ({ file, what }) => file.startsWith('sandbox/') && /\.ts$/.test(what) && !what.startsWith('sandbox/'),
    ),
    [], 'simulators know nothing of the gateway',
  )
  t.strictSame(
    outside(importers(/^adapters\/(truecaller|truid|otpless)\//), /^adapters\//), [],
    'a vendor is known to its folder and to the registry',
  )
  t.strictSame(
    outside(
      globSync('**/*.ts', { cwd: root }).filter(file => readFileSync(join(root, file), 'utf8').includes('process.env')),
      /^main\.ts$/,
    ),
    [], 'the environment',
  )
})

t.test('scripts of the store have no business words', async t => {
  for (const file of globSync('store/*', { cwd: root })) {
    t.notMatch(readFileSync(join(root, file), 'utf8'), /verified|pending|phone|attempt(?!s)|provider|webhook/i, file)
  }
})
