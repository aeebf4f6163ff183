import { execFile } from 'node:child_process'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import manifest from '../../package.json' with { type: 'json' }

type Result = { code: number, stdout: string, stderr: string }

const root = join(import.meta.dirname, '../..')

/** Runs `npm run key`'s program as Node.js `version` would: only the number is changed. */
const runKey = async (t: Test, version: string): Promise<Result> => {
  const preload = `Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '${version}' } })`
  const file = join(t.testdir({ 'preload.cjs': preload }), 'preload.cjs')
  const args = ['-r', file, ...manifest.scripts.key.split(' ').slice(2)]
  return await new Promise<Result>(done => {
    execFile(process.execPath, args, { cwd: root }, (error, stdout, stderr) => {
      done({ code: Number(error?.code ?? 0), stdout, stderr })
    })
  })
}

t.test('an older Node.js ends with one line', async t => {
  for (const version of ['20.20.2', '22.23.3', '24.1.0']) {
    const stderr = `Verigate needs Node.js 24.2 or newer; this is ${version}.\n`
    t.strictSame(await runKey(t, version), { code: 1, stdout: '', stderr }, version)
  }
  for (const version of ['24.2.0', '26.0.0']) {
    t.match(await runKey(t, version), { code: 0, stdout: /^API key/, stderr: '' }, version)
  }
})

t.test('every script that runs without the devDependencies is preceded by the check', async t => {
  for (const name of ['start', 'key', 'tag'] as const) {
    t.equal(manifest.scripts[name], `exec node -r ./scripts/node-version.cjs scripts/${name}.ts`)
  }
})
