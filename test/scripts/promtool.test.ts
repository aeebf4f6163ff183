import { chmod } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { findPromtool } from '../../scripts/promtool.ts'

const isRoot = process.getuid?.() === 0

/** What becomes of it where nothing but these programs is on the search path, and what was said on stderr. */
const find = async (t: Test, files: Record<string, string>): Promise<{
  folder: string, path: string | null, said: string,
}> => {
  const folder = t.testdir(files)
  for (const name of Object.keys(files)) await chmod(join(folder, name), 0o755)
  let said = ''
  const { write } = process.stderr
  process.stderr.write = (text: string | Uint8Array): boolean => {
    said += String(text)
    return true
  }
  try {
    return { folder, path: await findPromtool(folder), said }
  } finally {
    process.stderr.write = write
  }
}

t.test('finds it on the search path, and says nothing', async t => {
  const { folder, path, said } = await find(t, { promtool: '#!/bin/sh\n' })
  t.equal(path, join(folder, 'promtool'))
  t.equal(said, '')
})

t.test('says in one line that it is not there', async t => {
  const { path, said } = await find(t, {})
  t.equal(path, null)
  t.match(said, /^promtool is not on the PATH .*not tested\.\n$/)
})

t.test('installs it as root where there is apt', async t => {
  const manager = '#!/bin/sh\n[ "$2" = update ] && exit\necho "$@" > "${0%/*}/asked"\n'
    + 'echo "#!/bin/sh" > "${0%/*}/promtool"\n/bin/chmod 755 "${0%/*}/promtool"\n'
  const { folder, path, said } = await find(t, { 'apt-get': manager })
  t.equal(path, isRoot ? join(folder, 'promtool') : null)
  t.match(said, isRoot ? /^promtool is not on the PATH: installing it with apt-get\.\n$/ : /not tested/)
})

t.test('says in one line why it could not be installed', { skip: !isRoot && 'only root installs by apt' }, async t => {
  const { path, said } = await find(t, { 'apt-get': '#!/bin/sh\necho no network >&2\nexit 100\n' })
  t.equal(path, null)
  t.match(said, /installing it with apt-get\.\npromtool is not on the PATH \(apt-get: no network\): .*not tested\.\n$/)
})
