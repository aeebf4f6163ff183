import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import manifest from '../../package.json' with { type: 'json' }
import { run } from '../helpers/run.ts'

const root = join(import.meta.dirname, '../..')
const example = join(root, 'examples/own-provider')
const bin = join(root, 'node_modules/.bin')
const env = {
  ...process.env, PATH: `${bin}:${process.env['PATH']}`, npm_config_offline: 'true',
  npm_config_update_notifier: 'false',
}
/** What npm installs besides the package: its dependencies, and what the documentation names. */
const installed = [...Object.keys(manifest.dependencies), ...Object.keys(manifest.peerDependencies), '@types/node']

/** A copy of the example outside of the repository, in which the packed package is installed. */
async function openFolder (t: Test): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'verigate-provider-'))
  t.teardown(() => rm(folder, { recursive: true }))
  await cp(example, folder, { recursive: true })
  const { stdout } = await run('npm', ['pack', '--json', '--pack-destination', folder], { cwd: root, env })
  const [{ filename }] = JSON.parse(stdout.slice(stdout.indexOf('[')))
  const packages = join(folder, 'node_modules')
  const own = join(packages, 'verigate')
  await mkdir(own, { recursive: true })
  await run('tar', ['-xzf', filename, '-C', own, '--strip-components=1'], { cwd: folder })
  for (const name of installed) {
    if (name.includes('/')) await mkdir(join(packages, name.slice(0, name.indexOf('/'))), { recursive: true })
    await symlink(join(root, 'node_modules', name), join(packages, name))
  }
  return folder
}

/** What the program prints, also when it fails. */
const outputOf = async (folder: string, program: string, ...args: string[]): Promise<{ code: number, text: string }> =>
  run(program, args, { cwd: folder, env }).then(
    ({ stdout }) => ({ code: 0, text: stdout }),
    ({ code, stdout, stderr }: { code: number, stdout: string, stderr: string }) => ({ code, text: stdout + stderr }),
  )

t.test('an author outside of the repository tests a provider by node --test', async t => {
  const folder = await openFolder(t)
  const passed = await outputOf(folder, 'node', '--test')
  t.equal(passed.code, 0, passed.text)
  t.match(passed.text, /globex\.sms/)
  t.match(passed.text, /\bpass 2\d\b/)
  await writeFile(join(folder, 'misspelled.ts'), `import type { Contract } from 'verigate/conformance'
    // @ts-expect-error: there is no such member
    export const wrong: Pick<Contract, 'singleUse'> = { singleuse: null }
  `)
  t.strictSame(await outputOf(folder, 'tsc', '--skipLibCheck', 'false'), { code: 0, text: '' })

  await t.test('a mistake is found, and the documentation that is named is in the package', async t => {
    const source = await readFile(join(folder, 'index.ts'), 'utf8')
    const broken = source.replace("if (result === 'failed')", 'if (result !== null)')
    t.not(broken, source)
    await writeFile(join(folder, 'index.ts'), broken)
    const { code, text } = await outputOf(folder, 'node', '--test')
    t.equal(code, 1)
    const [, file = '', anchor = ''] = /Read (docs\/[\w.-]+)#([\w-]+)/.exec(text) ?? []
    const document = await readFile(join(folder, 'node_modules/verigate', file), 'utf8')
    t.match(document, new RegExp(`^### ${anchor.replace('-', ' ')}$`, 'im'), text)
  })
})
