import { randomBytes } from 'node:crypto'
import { createRequire } from 'node:module'
import { createServer, type Server } from 'node:net'
import { createInterface } from 'node:readline'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cp, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { basename, dirname, join, relative, resolve } from 'node:path'
import { build, type BuildOptions, type Plugin } from 'esbuild'

const root = resolve(import.meta.dirname, '..')

/** The files of packages that read files of their own. In the bundle such a package finds them in `node_modules`. */
const packageFiles: Readonly<Record<string, readonly string[]>> = {
  '@fastify/swagger-ui': ['static'],
  '@bull-board/ui': ['package.json', 'dist'],
}
const fileUrl = /new URL\('([^']+)', import\.meta\.url\)/g

/** Copies what a module names as `new URL('…', import.meta.url)` beside the bundle, and lets the bundle name that. */
const copyFiles = (folder: string): Plugin => ({
  name: 'files',
  setup (build) {
    build.onLoad({ filter: /\/src\/.*\.ts$/, namespace: 'file' }, async ({ path }) => {
      const source = await readFile(path, 'utf8')
      for (const [, file = ''] of source.matchAll(fileUrl)) {
        await cp(join(dirname(path), file), join(folder, basename(file)), { recursive: true })
      }
      const contents = source.replace(fileUrl, (_, file: string) =>
        `new URL('${basename(file)}${file.endsWith('/') ? '/' : ''}', import.meta.url)`)
      return { contents, loader: 'ts' }
    })
  },
})

/** Gives each module of such a package the folder that it would have below `node_modules` of the bundle. */
const copyPackageFiles = (folder: string): Plugin => ({
  name: 'package-files',
  async setup (build) {
    for (const [name, files] of Object.entries(packageFiles)) {
      for (const file of files) {
        const path = join('node_modules', name, file)
        await cp(join(root, path), join(folder, path), { recursive: true })
      }
    }
    const owners = Object.keys(packageFiles).join('|')
    build.onLoad({ filter: new RegExp(`/node_modules/(${owners})/.*\\.js$`) }, async ({ path }) => {
      const source = await readFile(path, 'utf8')
      const own = JSON.stringify(relative(root, dirname(path)))
      return { contents: source.replaceAll('__dirname', `require('node:path').join(__dirname, ${own})`), loader: 'js' }
    })
  },
})

/** What the gateway imports on demand is a script of its own, which a start does not read. Adds their sources. */
const scriptsOnDemand = (sources: Set<string>): Plugin => ({
  name: 'on-demand',
  setup (build) {
    build.onResolve({ filter: /^\.{1,2}\/.*\.ts$/ }, ({ kind, path, resolveDir }) => {
      if (kind !== 'dynamic-import') return undefined
      sources.add(resolve(resolveDir, path))
      return { path: `./${basename(path, '.ts')}.cjs`, external: true }
    })
  },
})

/**
 * What a start uses of undici, by file: the rest (fetch, WebSocket, caches) would be a tenth of a start. A name that is
 * missing here is an error of the build.
 */
const partsOfUndici: Plugin = {
  name: 'undici',
  setup (build) {
    build.onResolve({ filter: /^undici$/ }, () => ({ path: 'undici', namespace: 'parts' }))
    build.onLoad({ filter: /./, namespace: 'parts' }, () => ({
      contents: `import Dispatcher from 'undici/lib/dispatcher/dispatcher'
        import api from 'undici/lib/api'
        export { default as Agent } from 'undici/lib/dispatcher/agent'
        export { default as Pool } from 'undici/lib/dispatcher/pool'
        export { default as errors } from 'undici/lib/core/errors'
        Object.assign(Dispatcher.prototype, api)`,
      resolveDir: root,
    }))
  },
}

/** Modules of packages that a start does not use, as they are imported: they are loaded when they are first used. */
const rare = /^(yaml|cron-parser|@opentelemetry\/api|jose\/jw\w+\/\w+|\.\/postgres|\.\/client-h2\.js)$/
const loadedOnUse: Plugin = {
  name: 'loaded-on-use',
  setup (build) {
    build.onResolve({ filter: rare }, ({ path, importer, resolveDir, namespace }) => namespace === 'rare'
      ? undefined
      : { path: `${path} of ${importer}`, namespace: 'rare', pluginData: { path, importer, resolveDir } })
    build.onLoad({ filter: /./, namespace: 'rare' }, ({ pluginData: { path, importer, resolveDir } }) => {
      const load = `require(${JSON.stringify(path)})`
      const loaded: unknown = createRequire(importer)(path)
      const names = Object.keys(Object(loaded)).map(name => `get ${name} () { return ${load}.${name} }`)
      const contents = typeof loaded === 'function' ? `(...values) => ${load}(...values)` : `{ ${names.join()} }`
      return { contents: `module.exports = ${contents}`, resolveDir }
    })
  },
}

/**
 * Makes the gateway for the image in `folder`, which it empties: a script with what a start uses of all packages, one
 * for each part that is imported on demand, the files that they read, and the compiled code. `node main.cjs` starts it.
 */
export async function bundle (folder: string): Promise<void> {
  await rm(folder, { recursive: true, force: true })
  await mkdir(folder, { recursive: true })
  const onDemand = new Set<string>()
  const options = {
    absWorkingDir: root, bundle: true, platform: 'node', target: 'node24', format: 'cjs', logLevel: 'warning',
    metafile: true, sourcemap: 'external', sourcesContent: false,
    // Without indentation, because the text stays in memory. A line is short enough to be named by a stack trace.
    minifyWhitespace: true, minifySyntax: true, lineLimit: 160,
    // `debug` and `msgpackr` load them if they are there. Only packages of development bring the first; the second
    // looks for native code, which a script cannot contain.
    external: ['supports-color', 'msgpackr-extract'],
    define: { 'import.meta.url': 'bundleUrl' },
    // By `require`: Node.js does not find every name that a script exports when it imports the script.
    supported: { 'dynamic-import': false },
    plugins: [copyFiles(folder), copyPackageFiles(folder), scriptsOnDemand(onDemand)],
  } satisfies BuildOptions
  const bundleUrl = 'const bundleUrl = require(\'node:url\').pathToFileURL(__filename).href'
  const { metafile } = await build({
    ...options, entryPoints: [join(root, 'src/main.ts')], outfile: join(folder, 'verigate.cjs'),
    plugins: [...options.plugins, partsOfUndici, loadedOnUse],
    // The loader calls this function.
    banner: { js: `(function (require, __filename, __dirname) { ${bundleUrl}` }, footer: { js: '})' },
  })
  const inputs = Object.keys(metafile.inputs)
  // Such a part may import another one on demand, which the loop then reaches.
  for (const source of onDemand) {
    const { metafile } = await build({
      ...options, entryPoints: [source], outfile: join(folder, `${basename(source, '.ts')}.cjs`),
      banner: { js: bundleUrl },
    })
    inputs.push(...Object.keys(metafile.inputs))
  }
  await cp(join(import.meta.dirname, 'bundle-loader.cjs'), join(folder, 'main.cjs'))
  await writeFile(join(folder, 'LICENSES.txt'), await collectLicenses(inputs))
  await compile(folder)
}

/** The licenses of the packages of these files: each below a line with folder and version. */
export async function collectLicenses (inputs: readonly string[]): Promise<string> {
  const folders = inputs.map(path => /^[^:]*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path)?.[0])
  const sections = [...new Set(folders)].filter(folder => folder !== undefined).sort().map(async folder => {
    const { version, license } = JSON.parse(await readFile(join(root, folder, 'package.json'), 'utf8'))
    const files = (await readdir(join(root, folder))).filter(file => /^licen[cs]e/i.test(file))
    const texts = await Promise.all(files.map(file => readFile(join(root, folder, file), 'utf8')))
    return [`=== ${folder} ${version} (${license})`, ...texts.map(text => text.trim())].join('\n\n')
  })
  return `${(await Promise.all(sections)).join('\n\n')}\n`
}

/** Keeps the code that is compiled until the gateway listens, or until it has not listened for ten seconds. */
async function compile (folder: string): Promise<void> {
  const program = `process.once('SIGTERM', () => process.exit())
    const script = require('./main.cjs')
    process.once('exit', () => require('node:fs').writeFileSync('verigate.cache', script.createCachedData()))`
  const redis = standIn().listen(0, '127.0.0.1')
  await once(redis, 'listening')
  const address = redis.address()
  const port = typeof address === 'object' ? address?.port : null
  const appsFile = join(folder, 'apps.json')
  await writeFile(appsFile, '[]')
  const env = {
    PATH: process.env['PATH'], NODE_ENV: 'production', APPS_FILE: appsFile, PUBLIC_URL: 'https://localhost', PORT: '0',
    SEAL_KEYS: `k1:${randomBytes(32).toString('base64')}`, TRUID_CLIENT_ID: 'none',
    REDIS_URL: `redis://127.0.0.1:${port}`, TRUID_CLIENT_SECRET: 'none',
  }
  const child = spawn(process.execPath, ['-e', program], { cwd: folder, env, stdio: ['ignore', 'pipe', 'inherit'] })
  const limit = setTimeout(() => child.kill(), 10_000)
  createInterface(child.stdout).on('line', line => { if (line.includes('"listening"')) child.kill() })
  const [code] = await once(child, 'exit')
  clearTimeout(limit)
  redis.close()
  await rm(appsFile)
  if (code !== 0) throw new Error('the bundle does not start')
}

const bulk = (value: string): string => `$${value.length}\r\n${value}\r\n`

/** Answers as an empty Redis does to a gateway that starts. A command that it does not know has no answer. */
function standIn (): Server {
  const answers = new Map<string, string>([
    ['HELLO', '%1\r\n+proto\r\n:3\r\n'],
    ['INFO', bulk('redis_version:7.4.0\r\nloading:0\r\nmaxmemory_policy:noeviction\r\naof_enabled:1\r\n')],
    ['TIME', `*2\r\n${bulk('1700000000')}${bulk('0')}`], ['GET', '$-1\r\n'], ['SET', '$-1\r\n'],
  ])
  const accepted = ['CLIENT', 'HSET']
  return createServer(socket => {
    socket.on('error', () => {}).on('data', data => {
      // One command: an array of its words.
      for (const [, words = ''] of data.toString('latin1').matchAll(/\*\d+\r\n((?:\$\d+\r\n[^*]*\r\n)+)/g)) {
        const name = words.split('\r\n')[1]?.toUpperCase() ?? ''
        socket.write(answers.get(name) ?? (accepted.includes(name) ? '+OK\r\n' : ''))
      }
    })
  })
}

if (import.meta.main) await bundle(resolve(process.argv[2] ?? join(root, 'dist')))
