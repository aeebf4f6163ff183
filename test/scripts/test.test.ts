import { execFile } from 'node:child_process'
import { cp, symlink, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import t from 'tap'
import { countAssertions } from '../../scripts/test.ts'

const root = resolve(import.meta.dirname, '../..')

/** A small project with the same installation, run apart from the run that this file belongs to. */
const runProject = async (folder: string, ...args: string[]): Promise<{
  code: number, last: string, output: string,
}> => {
  for (const name of ['node_modules', 'scripts']) await symlink(join(root, name), join(folder, name))
  await cp(join(root, '.taprc'), join(folder, '.taprc'))
  await writeFile(
    join(folder, 'tsconfig.json'), JSON.stringify({ extends: join(root, 'tsconfig.json'), include: ['test'] }),
  )
  await writeFile(join(folder, 'package.json'), '{ "type": "module" }')
  // tap hands itself down to every process by these.
  const inherited = [
    'NODE_OPTIONS', ...Object.keys(process.env).filter(name => /^_?TAP/.test(name)),
  ].flatMap(name => ['-u', name])
  return await new Promise(done => {
    execFile('env', [
      ...inherited, process.execPath, join(root, 'scripts', 'test.ts'), ...args,
    ], { cwd: folder }, (error, stdout, stderr) => {
      done({ code: Number(error?.code ?? 0), last: stdout.trimEnd().split('\n').at(-1) ?? '', output: stdout + stderr })
    })
  })
}

const good = "import t from 'tap'\nt.test('two', async t => { t.ok(true); t.ok(true) })\nt.ok(true)\n"
const skipping = "import t from 'tap'\nt.ok(true)\nt.ok(true, 'later', { skip: 'why' })\n"

t.test('counts what passed, and what was skipped', async t => {
  const result = await runProject(t.testdir({ test: { 'good.test.ts': good, deep: { 'skipping.test.ts': skipping } } }))
  t.equal(result.last, '4 passed, 0 failed, 1 skipped', result.output)
  t.equal(result.code, 0)
})

t.test('passes arguments on', async t => {
  const result = await runProject(
    t.testdir({ test: { 'good.test.ts': good, 'skipping.test.ts': skipping } }), 'test/good.test.ts',
  )
  t.equal(result.last, '3 passed, 0 failed', result.output)
  t.equal(result.code, 0)
})

t.test('counts what failed, in whatever way, at least once', async t => {
  const files = {
    'good.test.ts': good,
    'wrong.test.ts': "import t from 'tap'\nt.ok(true)\nt.test('nested', async t => { t.equal(1 as number, 2); t.ok(true) })\n",
    'killed.test.ts': "import t from 'tap'\nt.ok(true)\nt.test('nested', async t => { t.ok(true); process.kill(process.pid, 'SIGKILL'); await new Promise(() => {}) })\n",
    'broken.test.ts': "import t from 'tap'\nimport { none } from './none.ts'\nt.ok(none)\n",
    'types.test.ts': "import t from 'tap'\nconst number: number = 'text'\nt.ok(number)\n",
  }
  const result = await runProject(t.testdir({ test: files }))
  // Passed: 3 in good, 2 in wrong, up to 2 before the kill, 1 in types. Failed: wrong, killed, broken, and the type
  // check.
  t.match(result.last, /^[678] passed, 4 failed$/, result.output)
  t.match(result.output, /type check failed/)
  t.equal(result.code, 1)
})

t.test('counts what took too long', async t => {
  const slow =
    "import t from 'tap'\nt.setTimeout(50)\nt.test('never', () => new Promise(() => { setInterval(() => {}, 1000) }))\n"
  const result = await runProject(t.testdir({ test: { 'good.test.ts': good, 'slow.test.ts': slow } }))
  t.match(result.last, /^3 passed, [1-9] failed$/, result.output)
  t.equal(result.code, 1)
})

t.test('no tests are no success', async t => {
  const result = await runProject(t.testdir({ test: { 'good.test.ts': good } }), 'test/none.test.ts')
  t.match(result.last, /^0 passed, [1-9] failed$/, result.output)
  t.equal(result.code, 1)
})

t.test('a stream that is missing or cut off is a failure', async t => {
  const folder = t.testdir({ cut: 'TAP version 14\n# Subtest: a\n    ok 1 - b\n', empty: '' })
  t.strictSame(await countAssertions(join(folder, 'none')), { passed: 0, failed: 1, skipped: 0 })
  t.match(await countAssertions(join(folder, 'empty')), { passed: 0, failed: 1 })
  t.match(await countAssertions(join(folder, 'cut')), { passed: 1, failed: Number })
  t.not((await countAssertions(join(folder, 'cut'))).failed, 0)
})
