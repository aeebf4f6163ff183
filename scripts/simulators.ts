import { readFile, writeFile } from 'node:fs/promises'
import { once } from 'node:events'
import { parseArgs, parseEnv } from 'node:util'
import { startSimulators } from '../src/sandbox/simulators.ts'

const usage = `npm run -s simulators -- [--port=3001] [--gateway=http://localhost:3000] [--write=FILE]

Starts the simulators of all providers, and writes the environment variables that point a gateway at them to the
standard output, or to FILE. With them, and your own PUBLIC_URL, REDIS_URL, SEAL_KEYS and APPS_FILE, a gateway runs as
in production, and no provider is called.
`

/** The variables as a file that Node.js, Compose and systemd read. The values have no blanks, quotes or \`$\`. */
export const writeEnvironment = (settings: Readonly<Record<string, string>>): string =>
  Object.entries(settings).map(([name, value]) => `${name}=${value}\n`).join('')

/** Overwrites the file of an earlier run, and no file with other variables: there may be keys among them. */
async function writeSettings (path: string, settings: Readonly<Record<string, string>>): Promise<void> {
  const before = parseEnv(await readFile(path, 'utf8').catch(() => ''))
  const other = Object.keys(before).find(name => !(name in settings))
  if (other !== undefined) throw new Error(`nothing is written: ${path} has ${other}; name another file`)
  await writeFile(path, writeEnvironment(settings), { mode: 0o600 })
}

if (import.meta.main) {
  try {
    const { values: { port, gateway, write, help } } = parseArgs({
      options: {
        port: { type: 'string', default: '3001' }, gateway: { type: 'string', default: 'http://localhost:3000' },
        write: { type: 'string' }, help: { type: 'boolean', default: false },
      },
    })
    if (help || !/^\d{1,5}$/.test(port) || !URL.canParse(gateway)) throw new Error(usage)
    const simulators = await startSimulators({
      port: Number(port), gatewayUrl: gateway, onError: message => process.stderr.write(`${message}\n`),
    })
    try {
      const { settings } = simulators
      if (write === undefined) process.stdout.write(writeEnvironment(settings))
      else await writeSettings(write, settings)
      process.stderr.write(`The simulators listen on ${simulators.url}. Ctrl-C stops them.\n`)
      await Promise.race(['SIGINT', 'SIGTERM'].map(signal => once(process, signal)))
    } finally {
      await simulators.close()
    }
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
    process.exitCode = 1
  }
}
