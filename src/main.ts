import { watchFile } from 'node:fs'
import closeWithGrace from 'close-with-grace'
import manifest from '../package.json' with { type: 'json' }
import { startApp, type RunningApp } from './app.ts'
import { readConfig, type Config } from './config.ts'
import { createLogger, type Logger } from './telemetry/logger.ts'
import { noTracing, traceIdOf, type Tracing } from './telemetry/tracing.ts'

/** Node.js accepts one connection in an iteration of the event loop, so a burst of new clients waits in the kernel. */
const backlog = 4_096
/** Graceful shutdown must end within this time after the delay for load balancers. */
const shutdownMs = 9_000

/** Reads the environment, starts the app, listens, and shuts down gracefully on a signal or an uncaught error. */
async function main (): Promise<void> {
  const given = readConfig(process.env)
  const { log, tracing } = await createTelemetry(given)
  const simulators = given.sandbox ? await openSimulators(given, log) : null
  const config = simulators === null ? given : withSettings(given, simulators.settings)

  let app: RunningApp | null = null
  const reload = (): void => app?.reload()
  process.on('SIGHUP', reload)
  for (const file of [config.appsFile, config.providersFile]) {
    if (file !== null) watchFile(file, { interval: 2_000, persistent: false }, reload)
  }

  const logger = {
    error: (...values: unknown[]) =>
      log.error({ cause: values.filter(value => typeof value === 'string').join(' ') }, 'shutdown failed'),
  }
  closeWithGrace({ delay: config.shutdownDelayMs + shutdownMs, skip: ['SIGHUP'], logger }, async ({ err, signal }) => {
    const startedAt = performance.now()
    const reason = signal ?? 'uncaught error'
    if (err === undefined) log.info({ reason, delayMs: config.shutdownDelayMs }, 'stopping')
    else log.fatal({ err }, 'shutting down after an uncaught error')
    // After an uncaught error the process accepts no more requests, so it does not wait for load balancers.
    await app?.close(err === undefined ? config.shutdownDelayMs : 0)
    await tracing.close()
    await simulators?.close()
    log.info({ reason, durationMs: Math.round(performance.now() - startedAt) }, 'stopped')
    await new Promise<void>(resolve => log.flush(() => resolve()))
  })
  app = await startApp(config, { log, tracing, ...simulators === null ? {} : { sandbox: simulators } })
  const address = await app.server.listen({ port: config.port, host: config.host, backlog })
  const operations = config.operations === null ? null : await app.operations?.listen({ ...config.operations })
  const fields = {
    address, ...(operations === null ? {} : { operations }), ...app.summary,
    ...(simulators === null ? {} : { simulators: simulators.url }),
  }
  log.info(fields, 'listening')
  log.flush()
}

async function createTelemetry (config: Config): Promise<{ log: Logger, tracing: Tracing }> {
  if (config.tracing === null) return { log: createLogger(config.logLevel), tracing: noTracing }
  const { createOtlpTracing } = await import('./telemetry/otel.ts')
  const onError = (): void => log.warn('trace export failed')
  const tracing = createOtlpTracing(config.tracing, { version: manifest.version, onError })
  const log = createLogger(config.logLevel, undefined, () => traceIdOf(tracing.traceparent()))
  return { log, tracing }
}

async function openSimulators (config: Config, log: Logger) {
  const { startSimulators } = await import('./sandbox/simulators.ts')
  return startSimulators({
    port: config.sandboxPort, host: config.host, gatewayUrl: config.publicUrl, settings: config.settings,
    onError: message => log.warn({ cause: message }, 'simulator error'),
  })
}

/** The simulators' credentials and addresses replace those of the environment, also in their providers file. */
function withSettings (config: Config, settings: Record<string, string>): Config {
  return Object.freeze({
    ...config, settings: Object.freeze({ ...config.settings, ...settings }),
    providersFile: settings['PROVIDERS_FILE'] ?? null, lookUp: (name: string) => settings[name] ?? null,
  })
}

/** `node src/main.ts check`: looks at the configuration, and starts nothing. */
async function check (args: string[]): Promise<void> {
  const { runCheck } = await import('./check.ts')
  process.exitCode = await runCheck(process.env, args, text => process.stdout.write(text))
}

/** `node src/main.ts provider:test`: shows a request of `PROVIDERS_FILE`, and starts nothing. */
async function testProvider (args: string[]): Promise<void> {
  const { runProviderTest } = await import('./provider-test.ts')
  process.exitCode = await runProviderTest(process.env, args, text => process.stdout.write(text))
}

const [, , command = '', ...args] = process.argv
const isCheck = command === 'check' || command === 'provider:test'
const work = command === 'check' ? check(args) : command === 'provider:test' ? testProvider(args) : main()
work.catch((error: unknown) => {
  const cause = error instanceof Error ? error.message : 'unknown'
  const line = { level: 60, time: new Date().toISOString(), msg: 'startup failed', cause }
  process.stderr.write(isCheck ? `${cause}\n` : `${JSON.stringify(line)}\n`)
  process.exit(1)
})
