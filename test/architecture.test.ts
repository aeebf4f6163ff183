import { globSync, readdirSync, readFileSync } from 'node:fs'
import { stripTypeScriptTypes } from 'node:module'
import { dirname, join, relative } from 'node:path'
import { parse } from 'acorn'
import { full } from 'acorn-walk'
import t from 'tap'

const root = join(import.meta.dirname, '..')
const src = join(root, 'src')

/** Which rooms, and which files beside the rooms, a room may import. */
const rooms: Readonly<Record<string, readonly string[]>> = {
  core: [],
  store: ['core'],
  telemetry: ['core'],
  adapters: ['core', 'telemetry', 'phone.ts', 'net.ts'],
  apps: ['core', 'store', 'telemetry', 'net.ts'],
  jobs: ['core', 'store', 'telemetry'],
  webhooks: ['core', 'store', 'telemetry', 'apps', 'jobs', 'net.ts'],
  verifications: ['core', 'store', 'telemetry', 'adapters', 'apps', 'jobs', 'webhooks', 'phone.ts', 'net.ts'],
  api: [
    'core', 'store', 'telemetry', 'adapters', 'apps', 'jobs', 'webhooks', 'verifications', 'phone.ts', 'net.ts',
    'config.ts',
  ],
  checks: ['core', 'store', 'adapters', 'apps', 'api', 'net.ts', 'config.ts', 'environment.ts', 'providers.ts'],
  sandbox: [],
  conformance: ['core', 'adapters', 'phone.ts'],
}
/** Packages that only these rooms may import. */
const packages: readonly [name: RegExp, rooms: readonly string[]][] = [
  [/^ioredis$/, ['store']],
  [/^bullmq$/, ['jobs']],
  [/^(fastify$|@fastify\/)/, ['api', 'sandbox']],
  [/^@bull-board\//, ['api']],
  [/^@opentelemetry\//, ['telemetry']],
  [/^prom-client$/, ['telemetry', 'api']],
  [/^pino$/, ['telemetry']],
  [/^fast-check$/, ['conformance']],
]
/** Files outside the rooms: what they are made of is theirs to say. */
const top: Readonly<Record<string, readonly string[]>> = {
  'main.ts': ['app.ts', 'check.ts', 'provider-test.ts', 'config.ts', 'telemetry', 'sandbox'],
  'provider-test.ts': ['providers.ts', 'adapters', 'core', 'config.ts', 'environment.ts', 'phone.ts'],
  'check.ts': ['checks', 'adapters', 'verifications', 'config.ts', 'environment.ts'],
  'app.ts': [
    'config.ts', 'providers.ts', 'reload.ts',
    ...Object.keys(rooms).filter(room => !['sandbox', 'checks'].includes(room)),
  ],
  'reload.ts': ['config.ts', 'providers.ts', 'adapters', 'api', 'apps', 'telemetry', 'verifications'],
  'providers.ts': ['config.ts', 'adapters', 'jobs', 'store', 'telemetry'],
  'config.ts': ['adapters', 'store', 'environment.ts', 'net.ts'],
  'environment.ts': [],
  'phone.ts': [],
  'net.ts': [],
}
/** What a provider's folder may import. */
const providerMay = [
  'adapters/adapter.ts', 'adapters/cached.ts', 'adapters/key-set.ts', 'adapters/made-code.ts', 'adapters/message.ts',
  'adapters/refusal.ts', 'adapters/settings.ts', 'phone.ts',
]
/** All of it under one name, for providers outside of this repository. */
const forProviders = 'adapters/public.ts'

const files = globSync('**/*.ts', { cwd: src })
const roomOf = (file: string): string => file.includes('/') ? file.slice(0, file.indexOf('/')) : file

type Import = { file: string, what: string, isPackage: boolean, isDynamic: boolean }

/** Every import and re-export in src: a path below src, or a package. */
const imports: Import[] = files.flatMap(file => {
  const text = readFileSync(join(src, file), 'utf8')
  return [
    ...text.matchAll(/^(?:import|export)\b[^;]*?\bfrom '(?<what>[^']+)'|\bimport\('(?<dynamic>[^']+)'\)/gm)
  ].map(({ groups = {} }) => {
    const what = groups['what'] ?? groups['dynamic'] ?? ''
    const isPackage = !what.startsWith('.')
    const path = isPackage ? what : relative(src, join(src, dirname(file), what))
    return { file, what: path, isPackage, isDynamic: groups['dynamic'] !== undefined }
  })
})
const show = ({ file, what }: Pick<Import, 'file' | 'what'>): string => `${file} imports ${what}`
const inside = imports.filter(({ isPackage, what }) => !isPackage && !what.startsWith('..'))

t.test('the imports are found', async t => {
  const found = imports.map(show)
  t.ok(found.includes('verifications/create.ts imports apps/apps.ts'))
  t.ok(found.includes('jobs/queues.ts imports bullmq'))
  t.ok(found.includes('main.ts imports sandbox/simulators.ts'))
  t.ok(imports.length > 400)
})

t.test('every file is in a room, or one of those beside them', async t => {
  t.strictSame(readdirSync(src).sort(), [...Object.keys(rooms), ...Object.keys(top)].sort())
})

t.test('every import follows the table', async t => {
  const mayImport = ({ file, what }: Import): boolean => {
    const [from, to] = [roomOf(file), roomOf(what)]
    const may = rooms[from] ?? top[from]
    return from === to || may?.includes(to) === true
  }
  t.strictSame(inside.filter(entry => !mayImport(entry)).map(show), [])
  // The adapters' guard, and nothing else of them, reads the telemetry.
  const outward = inside.filter(({ file, what }) => roomOf(file) === 'adapters' && roomOf(what) === 'telemetry')
  t.strictSame(outward.filter(({ what }) => what !== 'telemetry/tracing.ts').map(show), [])
})

t.test('the core imports nothing but itself', async t => {
  t.strictSame(imports.filter(({ file, what }) => roomOf(file) === 'core' && roomOf(what) !== 'core').map(show), [])
})

t.test('a package belongs to its rooms', async t => {
  for (const [name, owners] of packages) {
    const users = imports.filter(({ isPackage, what }) => isPackage && name.test(what))
    t.ok(users.length > 0, `${name} is used`)
    t.strictSame(users.filter(({ file }) => !owners.includes(roomOf(file))).map(show), [], String(name))
  }
})

t.test('no circle among files', async t => {
  const next = Map.groupBy(inside, ({ file }) => file)
  const done = new Set<string>()
  const circles: string[] = []
  const visit = (file: string, path: readonly string[]): void => {
    if (path.includes(file)) return void circles.push([...path.slice(path.indexOf(file)), file].join(' > '))
    if (done.has(file)) return
    for (const { what } of next.get(file) ?? []) visit(what, [...path, file])
    done.add(file)
  }
  for (const file of files) visit(file, [])
  t.strictSame(circles, [])
})

t.test('a vendor is known to its folder and to the registry only', async t => {
  const vendors = readdirSync(join(src, 'adapters'), { withFileTypes: true }).filter(entry => entry.isDirectory())
  t.ok(vendors.length >= 3)
  for (const { name } of vendors) {
    const folder = `adapters/${name}/`
    const users = inside.filter(({ file, what }) => what.startsWith(folder) && !file.startsWith(folder))
    t.strictSame(users.map(({ file }) => file), ['adapters/index.ts'], name)
    const used = inside.filter(({ file, what }) => file.startsWith(folder) && !what.startsWith(folder))
    const allowed = ({ what }: Import): boolean =>
      [...providerMay, forProviders].includes(what) || roomOf(what) === 'core'
    t.strictSame(used.filter(entry => !allowed(entry)).map(show), [], name)
    const exported = inside.filter(({ file }) => file === forProviders).map(({ what }) => what)
    const needed = [...providerMay, ...used.map(({ what }) => what)].filter(what => what !== forProviders)
    t.strictSame(needed.filter(what => !exported.includes(what)), [], `${name}, outside of this repository`)
  }
})

t.test('what is loaded only on demand', async t => {
  const users = (what: RegExp) => imports.filter(entry => what.test(entry.what) && !what.test(entry.file))
  t.strictSame(users(/^telemetry\/otel\.ts$/).map(({ file, isDynamic }) => [file, isDynamic]), [['main.ts', true]])
  t.strictSame(users(/^sandbox\//).map(({ file, isDynamic }) => [file, isDynamic]), [['main.ts', true]])
  t.strictSame(users(/^conformance\//), [], 'only tests need it')
  t.strictSame(users(/^check\.ts$/).map(({ file, isDynamic }) => [file, isDynamic]), [['main.ts', true]])
  t.strictSame(users(/^@bull-board\//).filter(({ isDynamic }) => !isDynamic), [])
  const readers = files.filter(file => readFileSync(join(src, file), 'utf8').includes('process.env'))
  t.strictSame(readers, ['main.ts'], 'the environment is read in one place')
})

/** The packages that become part of what a package of packages/ publishes. */
const bundled: Readonly<Record<string, readonly string[]>> = {
  client: ['eventsource-parser', 'openapi-fetch', 'standardwebhooks'],
}

t.test('a package of packages/ imports its own files, and no package but those that it publishes', async t => {
  const own = globSync('packages/*/src/**/*.ts', { cwd: root })
  t.ok(own.length > 10)
  const importsOf = (file: string): string[] => [
    ...readFileSync(join(root, file), 'utf8').matchAll(/\bfrom '([^']+)'|\bimport\('([^']+)'\)/g),
  ].map(([, what, dynamic]) => what ?? dynamic ?? '')
  const isOwn = (what: string): boolean => /^\.\/[\w-]+\.(ts|css)$/.test(what)
  const isBundled = (file: string, what: string): boolean => bundled[file.split('/')[1] ?? '']?.includes(what) === true
  t.strictSame(own.flatMap(file =>
    importsOf(file).filter(what => !isOwn(what) && !isBundled(file, what)).map(what => show({ file, what }))), [])
})

t.test('scripts of the store have no business words', async t => {
  const words = /verified|pending|phone|attempt(?!s)|provider|webhook/i
  t.strictSame(
    globSync('*.lua', { cwd: join(src, 'store') }).filter(
      file => words.test(readFileSync(join(src, 'store', file), 'utf8')),
    ),
    [],
  )
})

t.test('no file is over 300 lines, and no line over 120 columns', async t => {
  const foreign = ['**/node_modules/**', 'packages/client/src/schema.ts']
  const code = globSync('{src,test,bench,scripts,packages/*/src}/**/*.ts', { cwd: root, exclude: foreign }).map(
    file => ({ file, lines: readFileSync(join(root, file), 'utf8').split('\n') }),
  )
  t.strictSame(
    code.filter(
      ({ file, lines }) => /^(src|packages)\//.test(file) && lines.length > 301,
    ).map(({ file, lines }) => `${file} ${lines.length - 1}`),
    [],
  )
  t.strictSame(
    code.flatMap(({ file, lines }) => lines.flatMap((line, at) => line.length > 120 ? [`${file}:${at + 1}`] : [])), [],
  )
})

t.test('no function is over 80 lines', async t => {
  const lengths = globSync('{src,packages/*/src}/**/*.ts', { cwd: root }).flatMap(file => {
    // Types become blanks, so that every line stays where it is.
    const code = stripTypeScriptTypes(readFileSync(join(root, file), 'utf8'))
    const found: { file: string, lines: number }[] = []
    full(parse(code, { ecmaVersion: 'latest', sourceType: 'module' }), ({ type, start, end }) => {
      if (type.includes('Function')) found.push({ file, lines: code.slice(start, end).split('\n').length })
    })
    return found
  })
  t.ok(lengths.length > 1000)
  t.strictSame(lengths.filter(({ lines }) => lines > 80), [])
})
