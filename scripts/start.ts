import { once } from 'node:events'
import { createServer } from 'node:net'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { startChild } from './child.ts'
import { findRedis, launchRedis } from './redis.ts'

const levels = { trace: 10, debug: 20, info: 30, warn: 40, error: 50, fatal: 60, silent: 100 } as const

type Level = keyof typeof levels

/** Prints the short guide to a running sandbox. `address` is where it listens, for example `http://127.0.0.1:3000`. */
export function describeSandbox (address: string): string {
  const url = new URL(address)
  if (['0.0.0.0', '127.0.0.1', '[::]', '[::1]'].includes(url.hostname)) url.hostname = 'localhost'
  const auth = "-H 'authorization: Bearer vgk_sandbox'"
  const json = "-H 'content-type: application/json'"
  const body = '{"phoneNumber":"+14155550100","workflow":["otpless.otp"]}'
  const readId = `ID=$(echo "$ANSWER" | sed -nE 's/.*"id": *"(ver_[^"]+)".*/\\1/p')`
  return `
Open ${url.origin} to verify a number on a simulated phone.

API documentation: ${url.origin}/docs
API key:           vgk_sandbox
No provider is called: the number's last two digits choose what happens, its last six are the code.

The same with curl: create a verification, submit the code, read the result:

ANSWER=$(curl -s ${url.origin}/verifications ${auth} ${json} -d '${body}'); ${readId}; echo "$ANSWER"

curl -s ${url.origin}/verifications/$ID/check ${auth} ${json} -d '{"code":"550100"}'; echo

curl -s ${url.origin}/verifications/$ID ${auth}; echo

Ctrl-C stops everything. Data stays in .data/.
`
}

/**
 * Runs `program` in the sandbox with a Redis under `.data/` (or that of `REDIS_URL`) until a signal, or until one of
 * them ends. Resolves with the exit code once both have ended.
 */
export async function start (program: string): Promise<number> {
  let interrupt: () => void = () => {}
  const interrupted = new Promise<'signal'>(done => { interrupt = () => done('signal') })
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
  let hasSignal = false
  void interrupted.then(() => { hasSignal = true })
  for (const signal of signals) process.on(signal, interrupt)
  // A killed npm sends no signal.
  const parent = process.ppid
  const parentWatch = setInterval(
    () => { if (process.env['npm_lifecycle_event'] !== undefined && process.ppid !== parent) interrupt() }, 500,
  )
  parentWatch.unref()
  // Writing to a closed terminal fails; the children must still be stopped in order.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {})

  const port = process.env['PORT'] || '3000'
  const sandboxPort = process.env['SANDBOX_PORT'] || (port === '0' ? '0' : String(Number(port) + 1))
  for (
    const [name, value] of [['PORT', port], ['SANDBOX_PORT', sandboxPort]] as const
  ) await refuseTakenPort(name, value)

  const redis = process.env['REDIS_URL'] || process.env['REDIS_URL_FILE']
    ? null
    : await launchRedis({ binary: await findRedis(), dir: join('.data', 'redis'), persistent: true })
  try {
    if (hasSignal) return 0
    const { LOG_LEVEL: ownLevel } = process.env
    const shown = isLevel(ownLevel) ? ownLevel : null
    const level = levels[shown ?? 'info'] > levels.info ? 'info' : shown ?? ownLevel ?? 'info'
    const main = startChild(process.execPath, [program], {
      // Caches the compiled sources for the next start.
      env: {
        NODE_COMPILE_CACHE: join('.data', 'compiled'), ...process.env, SANDBOX: 'true', PORT: port, LOG_LEVEL: level,
        ...(redis === null ? {} : { REDIS_URL: redis.url }),
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    showLog(main.stdout, process.stdout, shown)
    showLog(main.stderr, process.stderr, shown)
    const first = await Promise.race(
      [interrupted, main.ended.then(() => 'main' as const), redis?.ended.then(() => 'redis' as const) ?? interrupted],
    )
    if (first === 'redis') process.stderr.write('Redis ended unexpectedly: stopping.\n')
    const { code } = await main.stop(15_000)
    if (first === 'main' && code !== 0) process.stderr.write(`${program} ended with exit code ${code}.\n`)
    return first === 'redis' && code === 0 ? 1 : code
  } finally {
    await redis?.stop()
    clearInterval(parentWatch)
    for (const signal of signals) process.off(signal, interrupt)
  }
}

const isLevel = (text: string | undefined): text is Level => text !== undefined && Object.hasOwn(levels, text)

/** Without `LOG_LEVEL`, shows only warnings and errors, in short form. Lines that are not log lines pass unchanged. */
function showLog (input: Readable | null, output: NodeJS.WriteStream, shown: Level | null): void {
  if (input === null) return
  createInterface({ input }).on('line', line => {
    const entry = readEntry(line)
    if (entry === null || (shown !== null && entry.level >= levels[shown])) output.write(`${line}\n`)
    else if (shown === null && entry.level >= levels.warn) process.stderr.write(`${entry.text}\n`)
    if (entry?.address !== undefined) process.stdout.write(describeSandbox(entry.address))
  })
}

type LogEntry = { level: number, text: string, address?: string }

function readEntry (line: string): LogEntry | null {
  let value: unknown
  try {
    value = JSON.parse(line)
  } catch {
    return null
  }
  if (typeof value !== 'object' || value === null || !('level' in value) || !('msg' in value)) return null
  const label = String(value.level)
  const level = isLevel(label) ? levels[label] : Number(value.level) || levels.info
  const name = Object.entries(levels).findLast(([, threshold]) => level >= threshold)?.[0] ?? 'trace'
  const thrown = 'err' in value && typeof value.err === 'object' && value.err !== null && 'message' in value.err
    ? value.err.message
    : undefined
  const cause = thrown ?? ('cause' in value ? value.cause : undefined)
  const advice = 'set' in value ? `set ${String(value.set)}` : undefined
  const text = [`${name}: ${String(value.msg)}`, cause, advice].filter(part => part !== undefined).join(': ')
  return value.msg === 'listening' && 'address' in value && typeof value.address === 'string'
    ? { level, text, address: value.address }
    : { level, text }
}

/** Throws one line if the port is in use. The program itself refuses an invalid port. */
async function refuseTakenPort (name: string, value: string): Promise<void> {
  if (!/^\d{1,5}$/.test(value) || Number(value) > 65_535) return
  const server = createServer()
  try {
    server.listen({ port: Number(value), host: process.env['HOST'] || '127.0.0.1' })
    await once(server, 'listening')
  } catch (error) {
    const reason = error instanceof Error && 'code' in error && error.code === 'EADDRINUSE'
      ? 'is already in use'
      : 'cannot be used'
    throw new Error(
      `Port ${value} ${reason}: choose another one, for example ${name}=${(Number(value) + 1000) % 65_536} npm start`,
    )
  }
  server.close()
  await once(server, 'close')
}

if (import.meta.main) {
  try {
    process.exitCode = await start(process.argv[2] ?? resolve(import.meta.dirname, '../src/main.ts'))
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
    process.exitCode = 1
  }
}
