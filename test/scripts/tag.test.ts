import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { tagsOf } from '../../scripts/tag.ts'

t.test('keys from a file and numbers from the standard input: neither is in the history of the shell', async t => {
  const folder = await mkdtemp(join(tmpdir(), 'verigate-tag-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const SEAL_KEYS = `k1:${randomBytes(32).toString('base64')}`
  await writeFile(join(folder, 'env'), `SEAL_KEYS=${SEAL_KEYS}\n`)
  const printed = await new Promise<string>((resolve, reject) => {
    const script = join(import.meta.dirname, '../../scripts/tag.ts')
    const child = execFile(
      process.execPath, [script, `--env-file=${join(folder, 'env')}`],
      (error, stdout) => error === null ? resolve(stdout) : reject(error),
    )
    child.stdin?.end('+14155550100\n203.0.113.7\n')
  })
  t.equal(printed, ['+14155550100', '203.0.113.7'].flatMap(each => tagsOf(each, { SEAL_KEYS })).join('\n').concat('\n'))
})
