import { execFile, execFileSync } from 'node:child_process'
import { chown, glob, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import { findExecutable } from '../../scripts/install.ts'
import type { CaseContext } from '../case-context.ts'
import { freePort } from '../gateway.ts'
import type { Measured } from '../processes.ts'

export type RunningPostgres = { url: string, process: Measured, remove (): Promise<void> }

/** A PostgreSQL that keeps nothing when the machine fails. Null: it is not installed. */
export async function startPostgres (context: CaseContext): Promise<RunningPostgres | null> {
  const packaged: string[] = []
  for await (const folder of glob('/usr/lib/postgresql/*/bin')) packaged.push(folder)
  const initdb = await findExecutable(['initdb'], [...packaged, process.env['PATH']].join(delimiter))
  if (initdb === null) return null
  const user = unprivileged()
  const dir = await mkdtemp(join(tmpdir(), 'verigate-postgres-'))
  if (user !== null) await chown(dir, user, user)
  const asUser = user === null ? {} : { uid: user, gid: user }
  await promisify(execFile)(initdb, ['-D', dir, '-U', 'bench', '-A', 'trust', '--no-sync'], { ...asUser, cwd: dir })
  const port = await freePort()
  const settings = ['listen_addresses=127.0.0.1', 'unix_socket_directories=', 'fsync=off', 'log_min_messages=fatal']
  const server = context.startProgram({
    name: 'PostgreSQL', core: 'rest', cwd: dir, ...asUser,
    program: [
      join(dirname(initdb), 'postgres'), '-D', dir, '-p', String(port), ...settings.flatMap(setting => ['-c', setting]),
    ],
  })
  const url = `postgres://bench@127.0.0.1:${port}/postgres`
  const isReady = join(dirname(initdb), 'pg_isready')
  for (const until = performance.now() + 20_000; ;) {
    const ready = await promisify(execFile)(isReady, ['-d', url]).catch(() => null)
    if (ready !== null) break
    if (performance.now() > until) throw new Error('PostgreSQL is not ready after 20 s')
    await delay(50)
  }
  return {
    url, process: server,
    async remove () {
      await server.stop()
      await rm(dir, { recursive: true, force: true })
    },
  }
}

/** PostgreSQL refuses to run as root. Null: this user is not root. */
function unprivileged (): number | null {
  if (process.getuid?.() !== 0) return null
  return Number(execFileSync('id', ['-u', 'nobody'], { encoding: 'utf8' }))
}
