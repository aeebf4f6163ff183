import { watchFile } from 'node:fs'
import closeWithGrace from 'close-with-grace'
import manifest from '../package.json' with { type: 'json' }
import { startApp, type RunningApp } from './app.ts'
import { readConfig, type Config } from './config.ts'
import { createLogger } from './telemetry/logger.ts'
import { noTracing, traceIdOf } from './telemetry/tracing.ts'

/** The process: environment → app → listen → graceful close. */
async function main (): Promise<void> {
  let config = readConfig(process.env)
  const tracing = config.tracing === null
    ? noTracing
    : (await import('./telemetry/otel.ts')).createOtlpTracing(config.tracing, {
    version: manifest.version, onError: () => log.warn('traces cannot be exported'),
  })
  const log = createLogger(
    config.logLevel, undefined, tracing === noTracing ? undefined : () => traceIdOf(tracing.traceparent()),
  )
  const simulators = config.sandbox ? await (await import('./sandbox/simulators.ts')).startSimulators({
    port: config.sandboxPort, host: config.host, gatewayUrl: config.publicUrl, settings: config.settings,
    onError: message => log.warn({ cause: message }, 'simulator'),
  }) : null
  if (simulators !== null) config = pointAt(config, simulators.settings)

  let app: RunningApp | null = null
  const reload = (): void => app?.reloadApps()
  process.on('SIGHUP', reload)
  if (config.appsFile !== null) watchFile(config.appsFile, { interval: 2_000, persistent: false }, reload)

  closeWithGrace({
    delay: config.shutdownDelayMs + 9_000, skip: ['SIGHUP'],
    logger: {
      error: (...words: unknown[]) =>
        log.error({ cause: words.filter(word => typeof word === 'string').join(' ') }, 'closing'),
    },
  }, async ({ err }) => {
    if (err !== undefined) log.fatal({ err }, 'stopped by an error')
    // After an error that nobody caught nothing more is taken.
    await app?.close(err === undefined ? config.shutdownDelayMs : 0)
    await tracing.close()
    await simulators?.close()
  })
  app = await startApp(config, { log, tracing })
  const address = await app.server.listen({ port: config.port, host: config.host })
  const operations = config.operations === null ? null : await app.operations?.listen({ ...config.operations })
  log.info(
    {
      address, ...(operations === null ? {} : { operations }), role: config.role, sandbox: config.sandbox,
      ...(simulators === null ? {} : { simulators: simulators.url }),
    },
    'listening',
  )
}

/** The sandbox's own credentials and addresses take the place of any that the environment has. */
function pointAt (config: Config, settings: Record<string, string>): Config {
  return Object.freeze({ ...config, settings: Object.freeze({ ...config.settings, ...settings }) })
}

try {
  await main()
} catch (error) {
  process.stderr.write(
    `${JSON.stringify({ level: 60, time: new Date().toISOString(), msg: 'not started', cause: error instanceof Error ? error.message : 'unknown' })}\n`,
  )
  process.exit(1)
}
