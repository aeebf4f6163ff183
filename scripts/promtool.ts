import { findExecutable, install } from './install.ts'

/**
 * The path of Prometheus's `promtool`, which the tests of the alert rules need. If it is missing, apt installs it,
 * where that needs no answer. Null if that fails: a line on stderr says so, and those tests are skipped.
 */
export async function findPromtool (searchPath: string = process.env['PATH'] ?? ''): Promise<string | null> {
  const programs = ['promtool']
  const found = await findExecutable(programs, searchPath)
  if (found !== null) return found
  const installed = await install(
    { programs, packages: { 'apt-get': ['prometheus'] }, services: ['prometheus'], searchPath },
  )
  if (installed !== null && installed.path !== null) return installed.path
  const why = installed === null ? 'it comes with Prometheus' : `${installed.manager}: ${installed.failure}`
  process.stderr.write(`promtool is not on the PATH (${why}): the alert rules are not tested.\n`)
  return null
}
