import { randomBytes } from 'node:crypto'
import { createServer, type Server } from 'node:net'
import { createInterface } from 'node:readline'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cp, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { basename, dirname, join, relative, resolve } from 'node:path'
import { build, type Plugin } from 'esbuild'
import undici from 'undici'

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
    build.onLoad({ filter: /\/src\/.*\.ts$/ }, async ({ path }) => {
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

/**
 * The parts of undici that the gateway uses, by their files. The rest (fetch, WebSocket, caches) is a tenth of a start,
 * and is loaded when it is used.
 */
const partsOfUndici: Plugin = {
  name: 'undici',
  setup (build) {
    const parts = { Agent: 'dispatcher/agent', Pool: 'dispatcher/pool', errors: 'core/errors' }
    const eager = Object.entries(parts).map(([name, file]) => `${name}: require('undici/lib/${file}')`)
    const lazy = Object.keys(undici).filter(name => !Object.hasOwn(parts, name))
      .map(name => `get ${name} () { return require('undici').${name} }`)
    build.onResolve({ filter: /^undici$/ }, ({ importer }) =>
      importer.includes('/src/') ? { path: 'undici', namespace: 'parts' } : undefined)
    build.onLoad({ filter: /^undici$/, namespace: 'parts' }, () => ({
      contents: `module.exports = { ${[...eager, ...lazy].join()} }
        Object.assign(require('undici/lib/dispatcher/dispatcher').prototype, require('undici/lib/api'))`,
      resolveDir: root,
    }))
  },
}

/**
 * Makes the gateway for the image in `folder`, which it empties: one script with all packages, the files that it reads,
 * and its compiled code. `node main.cjs` starts it.
 */
export async function bundle (folder: string): Promise<void> {
  await rm(folder, { recursive: true, force: true })
  await mkdir(folder, { recursive: true })
  const { metafile } = await build({
    entryPoints: [join(root, 'src/main.ts')], absWorkingDir: root, outfile: join(folder, 'verigate.cjs'),
    bundle: true, platform: 'node', target: 'node24', format: 'cjs', logLevel: 'warning', metafile: true,
    sourcemap: 'external', sourcesContent: false,
    // Without indentation, because the text stays in memory. A line is short enough to be named by a stack trace.
    minifyWhitespace: true, minifySyntax: true, lineLimit: 160,
    // `debug` and `msgpackr` load them if they are there. Only packages of development bring the first; the second
    // looks for native code, which a script cannot contain.
    external: ['supports-color', 'msgpackr-extract'],
    define: { 'import.meta.url': 'bundleUrl' },
    // The loader calls this function.
    banner: { js: '(function (require, __filename, __dirname) { const bundleUrl = require(\'node:url\')'
      + '.pathToFileURL(__filename).href' },
    footer: { js: '})' },
    plugins: [copyFiles(folder), copyPackageFiles(folder), partsOfUndici],
  })
  await cp(join(import.meta.dirname, 'bundle-loader.cjs'), join(folder, 'main.cjs'))
  await writeFile(join(folder, 'LICENSES.txt'), await collectLicenses(Object.keys(metafile.inputs)))
  await compile(folder)
}

/** The licenses of the packages of these files: each below a line with folder and version. */
export async function collectLicenses (inputs: readonly string[]): Promise<string> {
  const folders = inputs.map(path => /.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path)?.[0])
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
