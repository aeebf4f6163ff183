import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { access, constants, rm, writeFile } from 'node:fs/promises'
import { basename, delimiter, join } from 'node:path'

type PackageManager = {
  name: 'apt-get' | 'dnf' | 'brew', asRoot: boolean, startsServices: boolean, update: readonly string[] | null,
  install: readonly string[],
}

/** Those that install without a question: Homebrew refuses to run as root, the others require it. */
const packageManagers: readonly PackageManager[] = [
  {
    name: 'apt-get', asRoot: true, startsServices: true, update: ['-q', 'update'],
    install: ['-q', '-y', '--no-install-recommends', 'install'],
  },
  { name: 'dnf', asRoot: true, startsServices: false, update: null, install: ['-q', '-y', 'install'] },
  { name: 'brew', asRoot: false, startsServices: false, update: null, install: ['install', '--quiet'] },
]

/** A program that a package manager can install. `packages`: alternatives, in order of preference. */
export type Wanted = {
  /** Its possible names on the search path. */
  programs: readonly string[]
  packages: { [manager in PackageManager['name']]?: readonly string[] }
  /** The services that its packages would start. */
  services: readonly string[]
  searchPath: string
  /** A step of an installation is stopped after this time; default: three minutes. */
  timeoutMs?: number
}

/** The path of the first of these programs that is executable; null when there is none. */
export async function findExecutable (
  names: readonly string[], searchPath: string = process.env['PATH'] ?? '',
): Promise<string | null> {
  const folders = searchPath.split(delimiter).filter(folder => folder !== '')
  for (const path of names.flatMap(name => folders.map(folder => join(folder, name)))) {
    if (await access(path, constants.X_OK).then(() => true, () => false)) return path
  }
  return null
}

/**
 * Installs a program with the system's package manager, where that needs no answer, and says so. Null: there is no such
 * package manager. `path` null: the installation failed, and `failure` is the last line of its output.
 */
export async function install ({ programs, packages, services, searchPath, timeoutMs }: Wanted): Promise<{
  manager: string, path: string | null, failure: string,
} | null> {
  const isRoot = process.getuid?.() === 0
  for (const manager of packageManagers) {
    const names = packages[manager.name] ?? []
    const command = await findExecutable([manager.name], searchPath)
    if (command === null || names.length === 0 || manager.asRoot !== isRoot) continue
    process.stderr.write(`${programs.join(' or ')} is not on the PATH: installing it with ${manager.name}.\n`)
    const work = (): Promise<string | null> => installFirst(command, manager, names, timeoutMs)
    const failure = manager.startsServices ? await withoutServices(services, searchPath, work) : await work()
    return {
      manager: manager.name, path: await findExecutable(programs, searchPath),
      failure: failure ?? 'the package does not contain it',
    }
  }
  return null
}

/** The last line of the last failure, or null. */
async function installFirst (
  command: string, manager: PackageManager, names: readonly string[], timeoutMs: number | undefined,
): Promise<string | null> {
  if (manager.update !== null) await runQuietly(command, manager.update, timeoutMs)
  let failure: string | null = null
  for (const name of names) {
    failure = await runQuietly(command, [...manager.install, name], timeoutMs)
    if (failure === null) return null
  }
  return failure
}

/** Runs a program without a terminal. Null, or the last line of its output when it failed. */
export async function runQuietly (
  command: string, args: readonly string[], timeoutMs = 3 * 60_000,
): Promise<string | null> {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', NONINTERACTIVE: '1', HOMEBREW_NO_AUTO_UPDATE: '1' }
  const child = spawn(command, args, { env, stdio: ['ignore', 'pipe', 'pipe'], timeout: timeoutMs })
  const lines: string[] = []
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on(
    'data', (text: string) => lines.push(...text.split('\n').filter(line => line.trim() !== '')),
  )
  const code = await new Promise<number | null>(
    resolve => child.once('error', () => resolve(null)).once('close', resolve),
  )
  return code === 0 ? null : lines.at(-1)?.trim() ?? `${basename(command)} ended with ${code}`
}

/**
 * A Debian package starts its service at once unless this file forbids it (invoke-rc.d(8), deb-systemd-invoke(1)), and
 * at every boot unless disabled. An existing file is the policy of the machine's owner, and stays.
 */
async function withoutServices<T> (services: readonly string[], searchPath: string, run: () => Promise<T>): Promise<T> {
  const policy = '/usr/sbin/policy-rc.d'
  const ours = await writeFile(
    policy, '#!/bin/sh\nexit 101\n', { mode: 0o755, flag: 'wx' },
  ).then(() => true, () => false)
  try {
    return await run()
  } finally {
    if (ours) await rm(policy, { force: true })
    const systemctl = existsSync('/run/systemd/system') ? await findExecutable(['systemctl'], searchPath) : null
    if (systemctl !== null) for (const name of services) await runQuietly(systemctl, ['disable', '--now', name])
  }
}

/**
 * The path of a program that some tests need. If it is missing, it is installed where that needs no answer. Null if
 * that fails: a line on stderr says so, with what is not done `without` it.
 */
export async function findOptional (
  { from, without, ...wanted }: Wanted & { from: string, without: string },
): Promise<string | null> {
  const found = await findExecutable(wanted.programs, wanted.searchPath)
  if (found !== null) return found
  const installed = await install(wanted)
  if (installed !== null && installed.path !== null) return installed.path
  const why = installed === null ? `it comes with ${from}` : `${installed.manager}: ${installed.failure}`
  process.stderr.write(`${wanted.programs[0]} is not on the PATH (${why}): ${without}.\n`)
  return null
}
