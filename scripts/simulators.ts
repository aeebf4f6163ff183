import { writeFile } from 'node:fs/promises'
import { once } from 'node:events'
import { parseArgs } from 'node:util'
import { startSimulators } from '../src/sandbox/simulators.ts'

const usage = `npm run -s simulators -- [--port=3001] [--gateway=http://localhost:3000] [--write=FILE]

Starts the simulators of all providers, and writes the environment variables that point a gateway at them to the
standard output, or to FILE. With them, and your own PUBLIC_URL, REDIS_URL, SEAL_KEYS and APPS_FILE, a gateway runs as
in production, and no provider is called.
`

/** The variables as a file that Node.js, Compose and systemd read. The values have no blanks, quotes or \`$\`. */
export const writeEnvironment = (settings: Readonly<Record<string, string>>): string =>
  Object.entries(settings).map(([name, value]) => `${name}=${value}\n`).join('')

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
    const text = writeEnvironment(simulators.settings)
    if (write === undefined) process.stdout.write(text)
    else await writeFile(write, text, { mode: 0o600 })
    process.stderr.write(`The simulators listen on ${simulators.url}. Ctrl-C stops them.\n`)
    await Promise.race(['SIGINT', 'SIGTERM'].map(signal => once(process, signal)))
    await simulators.close()
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
    process.exitCode = 1
  }
}
