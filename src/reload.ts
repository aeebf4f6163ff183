import type { Methods } from './adapters/guard.ts'
import { summarizeApps } from './api/operations/summary.ts'
import { sandboxApp, type App, type Apps } from './apps/apps.ts'
import { inspectAppsFile, readAppsFile } from './apps/apps-file.ts'
import type { Config } from './config.ts'
import type { guardProviders } from './providers.ts'
import type { Logger } from './telemetry/logger.ts'
import { createAppsFileChecks } from './verifications/apps-file-checks.ts'
import { findWorkflowProblem } from './verifications/workflow.ts'

/** Reads the apps, which may name these methods. Throws an `Error` that names the place in `APPS_FILE`. */
export type LoadApps = (methods: Methods) => App[]

/** In the sandbox, the app `sandbox` comes after those of the file. */
export const createLoadApps = (
  { appsFile, sandbox, publicUrl }: Pick<Config, 'appsFile' | 'sandbox' | 'publicUrl'>,
  webhook?: Parameters<typeof sandboxApp>[1],
): LoadApps => methods => [
  ...appsFile === null ? [] : readAppsFile(appsFile, createAppsFileChecks(methods)),
  ...sandbox ? [sandboxApp(publicUrl, webhook)] : [],
]

export type ReloadParts = {
  apps: Apps
  loadApps: LoadApps
  files: Pick<Config, 'appsFile' | 'providersFile'>
  providers: Pick<ReturnType<typeof guardProviders>, 'adapters' | 'methods' | 'metrics' | 'reload'>
  log: Pick<Logger, 'info' | 'error'>
  now: () => number
}

/**
 * Reads the providers, then the apps. Each file replaces what it says, or leaves it as it was: an error in one must not
 * keep a key of the other in use.
 */
export function createReload ({ apps, loadApps, files, providers, log, now }: ReloadParts): () => void {
  const { adapters, methods, metrics } = providers

  /** The apps of the file as it is now; those in use, where it cannot be read. */
  function assertUsable (next: Methods): void {
    const named = (files.appsFile === null ? null : inspectAppsFile(files.appsFile)) ?? [...apps.all()]
    for (const [index, app] of named.entries()) {
      const problem = findWorkflowProblem(app, next)
      if (problem === null) continue
      throw new Error(`PROVIDERS_FILE lacks what an app needs: APPS_FILE/${index}/${problem.field} ${problem.message}`)
    }
  }

  function attempt (action: string, done: string, run: () => object, failed: string): boolean {
    const audit = { audit: 'operator_action', action }
    try {
      log.info({ ...audit, ...run() }, done)
      return true
    } catch (error) {
      const cause = error instanceof Error ? error.message : 'unknown'
      log.error({ ...audit, cause }, failed)
      return false
    }
  }

  function readProviders (): object {
    providers.reload(assertUsable)
    return { providers: [...adapters.keys()] }
  }

  function readApps (): object {
    apps.replace(loadApps(methods))
    metrics.recordAppsLoaded(now())
    return summarizeApps([...apps.all()], now())
  }

  return () => {
    const hasProviders = files.providersFile === null || attempt(
      'providers_read', 'PROVIDERS_FILE reloaded',
      readProviders, 'PROVIDERS_FILE reload failed; keeping the previous providers',
    )
    const hasApps = attempt(
      'apps_read', 'APPS_FILE reloaded', readApps, 'APPS_FILE reload failed; keeping the previous apps',
    )
    metrics.countReload(hasProviders && hasApps ? 'ok' : 'invalid')
  }
}
