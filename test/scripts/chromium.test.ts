import { chmod } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { findChromium } from '../../scripts/chromium.ts'

const isRoot = process.getuid?.() === 0

t.test('finds it under any of its names', async t => {
  const folder = t.testdir({ 'google-chrome': '#!/bin/sh\n' })
  await chmod(join(folder, 'google-chrome'), 0o755)
  t.equal(await findChromium(folder), join(folder, 'google-chrome'))
})

t.test('installs it as root where there is apt', { skip: !isRoot && 'only root installs by apt' }, async t => {
  const manager = '#!/bin/sh\n[ "$2" = update ] && exit\necho "$@" > "${0%/*}/asked"\n'
    + 'echo "#!/bin/sh" > "${0%/*}/chromium"\n/bin/chmod 755 "${0%/*}/chromium"\n'
  const folder = t.testdir({ 'apt-get': manager })
  await chmod(join(folder, 'apt-get'), 0o755)
  t.equal(await findChromium(folder), join(folder, 'chromium'))
})

t.test('is null where it is not to be had', async t => {
  t.equal(await findChromium(t.testdir({})), null)
})
