import { execFile } from 'node:child_process'
import { cp, symlink, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import t, { type Test } from 'tap'
import { countAssertions } from '../../scripts/tap.ts'

const root = resolve(import.meta.dirname, '../..')

type Files = { [name: string]: string | Files }

/**
 * Runs scripts/test.ts in a small project with the same installation, independent of the run that this file is part of.
 */
async function runProject (t: Test, files: Files, ...args: string[]): Promise<{
  code: number, last: string, output: string,
}> {
  const folder = t.testdir({ test: files })
  for (const name of ['node_modules', 'scripts']) await symlink(join(root, name), join(folder, name))
  await cp(join(root, '.taprc'), join(folder, '.taprc'))
  await writeFile(
    join(folder, 'tsconfig.json'), JSON.stringify({ extends: join(root, 'tsconfig.json'), include: ['test'] }),
  )
  await writeFile(join(folder, 'package.json'), '{ "type": "module" }')
  // tap passes its state to every child process in these variables.
  const inherited = [
    'NODE_OPTIONS', 'FAULTS', ...Object.keys(process.env).filter(name => /^_?TAP/.test(name)),
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

t.test('counts passed and skipped assertions of both forms; the short form has no long tests', async t => {
  const files = { 'good.test.ts': good, deep: { 'skipping.test.ts': skipping }, faults: { 'a.long.test.ts': good } }
  const both = await runProject(t, files, '--short', '--long')
  t.equal(both.last, '7 passed, 0 failed, 1 skipped', both.output)
  t.equal(both.output.match(/\d+ passed, \d+ failed/g)?.length, 1, 'one closing line')
})

t.test('counts every kind of failure at least once', async t => {
  const result = await runProject(t, {
    'good.test.ts': good,
    'wrong.test.ts': "import t from 'tap'\nt.ok(true)\n"
      + "t.test('nested', async t => { t.equal(1 as number, 2); t.ok(true) })\n",
    'killed.test.ts': "import t from 'tap'\nt.ok(true)\n"
      + "t.test('nested', async t => { t.ok(true); process.kill(process.pid, 'SIGKILL'); "
      + "await new Promise(() => {}) })\n",
    'broken.test.ts': "import t from 'tap'\nimport { none } from './none.ts'\nt.ok(none)\n",
    'types.test.ts': "import t from 'tap'\nconst number: number = 'text'\nt.ok(number)\n",
    'slow.test.ts': "import t from 'tap'\nt.setTimeout(50)\n"
      + "t.test('never', () => new Promise(() => { setInterval(() => {}, 1000) }))\n",
  })
  // Passed: 3 in good, 2 in wrong, up to 2 before the kill, 1 in types. Failed: wrong, killed, broken, slow (once or
  // twice), and the type check.
  t.match(result.last, /^[678] passed, [56] failed$/, result.output)
  t.match(result.output, /type check failed/)
  t.equal(result.code, 1)
})

t.test('with --again, a file that fails is run again, at most twice, and the last run counts', async t => {
  const once = "import { existsSync, writeFileSync } from 'node:fs'\nimport t from 'tap'\n"
    + "const isSecond = existsSync('ran')\nwriteFileSync('ran', '')\nt.ok(true)\nt.ok(isSecond)\n"
  const files = { 'good.test.ts': good, 'once.test.ts': once }
  const second = await runProject(t, files, '--again')
  t.equal(second.last, '6 passed, 0 failed', second.output)
  t.match(second.output, /run again one after the other: test\/once\.test\.ts/)
  t.equal(second.code, 0)
  const always = await runProject(t, { ...files, 'once.test.ts': "import t from 'tap'\nt.ok(false)\n" }, '--again')
  t.equal(always.last, '3 passed, 1 failed', always.output)
  t.equal(always.output.match(/run again one after the other/g)?.length, 2, always.output)
  t.equal(always.code, 1)
})

t.test('starts no more of the long form when its time is over, and says so', async t => {
  const result = await runProject(
    t, { 'good.test.ts': good, faults: { 'a.long.test.ts': good } }, '--long', '--minutes=0',
  )
  t.match(result.output, /Not run, because the time is over: test\/faults\/a\.long\.test\.ts/)
  t.equal(result.last, '0 passed, 1 failed, 1 skipped', 'nothing was run')
})

t.test('ends what still runs when the time is over, and says so', async t => {
  const endless = "import t from 'tap'\nt.ok(true)\nt.test('never', () => new Promise(() => { "
    + "setInterval(() => {}, 1000) }))\n"
  const result = await runProject(t, { 'good.test.ts': good, 'endless.test.ts': endless }, '--short', '--minutes=0.2')
  t.match(result.output, /short form was ended before its end/, result.output)
  t.match(result.last, /^\d+ passed, [1-9]\d* failed/, 'the last line is printed')
  t.equal(result.code, 1)
})

t.test('fails when there are no tests', async t => {
  const result = await runProject(t, { 'good.test.ts': good }, 'test/none.test.ts')
  t.match(result.last, /^0 passed, [1-9] failed$/, result.output)
  t.equal(result.code, 1)
})

t.test('a stream that is missing or cut off is a failure', async t => {
  const folder = t.testdir({ cut: 'TAP version 14\n# Subtest: a\n    ok 1 - b\n', empty: '' })
  t.strictSame(await countAssertions(join(folder, 'none')), { passed: 0, failed: 1, skipped: 0, failedFiles: [] })
  t.match(await countAssertions(join(folder, 'empty')), { passed: 0, failed: 1 })
  t.match(await countAssertions(join(folder, 'cut')), { passed: 1, failed: Number })
  t.not((await countAssertions(join(folder, 'cut'))).failed, 0)
})
