import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readFile, rm, writeFile, readdir } from 'node:fs/promises'
import { cpus, loadavg, platform, release, tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { findRedis, launchRedis } from '../scripts/redis.ts'
import { cases } from './cases/index.ts'
import { help, readOptions, type Options } from './options.ts'
import { imageNodeOptions, splitCores } from './processes.ts'
import { publish, publishedPath } from './publish.ts'
import { openRedisMeter } from './redis.ts'
import { hasGrossMiss, renderMarkdown, renderText, type Results } from './report.ts'
import { runCase, type Case } from './case-context.ts'

const folder = join(import.meta.dirname, 'results')

const isWanted = ({ only }: Options, { name, goals }: Case): boolean =>
  only === null || only.has(name) || goals.some(goal => only.has(goal))

/** Measures the selected cases; `say` receives the progress. All processes have ended when it returns. */
export async function run (options: Options, say: (line: string) => void): Promise<Results> {
  const cores = splitCores()
  say(
    cores === null
      ? 'not pinned: there is only one core, or no taskset'
      : `servers on core ${cores.server}, load generator, Redis and providers on ${cores.rest}`,
  )
  const dir = await mkdtemp(join(tmpdir(), 'verigate-bench-'))
  const redisBinary = await findRedis()
  const server = await launchRedis({ binary: redisBinary, dir: join(dir, 'redis'), persistent: false })
  const redis = await openRedisMeter(server.url)
  try {
    const results: Results = {
      madeAt: new Date().toISOString(),
      run: options.name,
      machine: {
        cpu: cpus()[0]?.model.trim() ?? 'unknown', cores: cpus().length, pinned: cores !== null,
        node: process.versions.node, redis: redis.version, platform: `${platform()} ${release()}`,
        load: [loadavg()[0] ?? NaN, NaN],
      },
      findings: [],
      figures: {},
      failures: [],
      samples: {},
    }
    const { findings, figures, samples, machine } = results
    const main = await bundle(join(dir, 'bundle'))
    for (const one of cases) {
      if (!isWanted(options, one) || (one.isOnlyByName === true && options.only === null)) continue
      const startedAt = performance.now()
      const known = results.findings.length
      try {
        await runCase(one, { options, redis, redisBinary, cores, dir, main, findings, figures, samples, say })
      } catch (error) {
        results.failures.push(`${one.name}: ${error instanceof Error ? error.message : String(error)}`)
        say(`\n${results.failures.at(-1)}`)
      }
      say(`\n${one.name} (${Math.round((performance.now() - startedAt) / 1000)} s)`)
      const found = results.findings.slice(known)
      if (found.length > 0) say(renderText({ ...results, findings: found }))
    }
    machine.load[1] = loadavg()[2] ?? NaN
    return results
  } finally {
    redis.close()
    await server.stop()
    await rm(dir, { recursive: true, force: true })
  }
}

/** Makes what the image contains, as its Dockerfile does. Returns the script that it starts. */
async function bundle (folder: string): Promise<string> {
  const script = join(import.meta.dirname, '..', 'scripts', 'bundle.ts')
  const env = { ...process.env, NODE_OPTIONS: imageNodeOptions }
  await promisify(execFile)(process.execPath, ['--no-warnings', script, folder], { env })
  return join(folder, 'main.cjs')
}

/** Writes the results to `path`, or to a file that is named by date and run. */
async function write (results: Results, path: string | null): Promise<string> {
  const chosen = path ?? join(folder, `${results.madeAt.slice(0, 16).replace(/[:T]/g, '-')}-${results.run}.json`)
  await mkdir(dirname(chosen), { recursive: true })
  await writeFile(chosen, `${JSON.stringify(results, null, 1)}\n`)
  return chosen
}

/** The results of `path`, or the newest: the last run that was written by date, or the published one. */
async function readNewest (path: string | null): Promise<Results> {
  const names = (await readdir(folder).catch(() => [])).filter(name => /^\d.*\.json$/.test(name)).sort()
  const newest = names.at(-1)
  return JSON.parse(await readFile(path ?? (newest === undefined ? publishedPath : join(folder, newest)), 'utf8'))
}

async function main (): Promise<void> {
  const args = process.argv.slice(2)
  if (args.includes('--help')) return console.log(help)
  const options = readOptions(args)
  if (options.show === 'publish') return await publish(await readNewest(options.results))
  if (options.show === 'table') return console.log(renderMarkdown(await readNewest(options.results)))
  const results = await run(options, line => console.log(line))
  if (results.findings.length > 0) console.log(`\n${renderMarkdown(results)}`)
  console.log(`\nfigures: ${await write(results, options.results)}`)
  if (hasGrossMiss(results) || results.failures.length > 0) process.exitCode = 1
}

if (import.meta.main) {
  try {
    await main()
  } catch (error) {
    console.error(error)
    process.exitCode = 1
  }
}
