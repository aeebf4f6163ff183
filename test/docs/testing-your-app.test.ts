import { execFile } from 'node:child_process'
import { dirname } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { parse } from 'yaml'
import { findExecutable } from '../../scripts/install.ts'
import { variables } from '../../src/config.ts'
import { reasonWords } from '../../src/core/reasons.ts'
import { reasonExamples } from '../../src/sandbox/scenarios.ts'
import { freePort, startRedis } from '../helpers/redis.ts'
import { codeOf, plain, read, root, rowsOf, sectionOf } from './documents.ts'

const guide = read('docs/guides/testing-your-app.md')
const hasShell = await findExecutable(['sh']) !== null && await findExecutable(['curl']) !== null

t.test('the shell script starts a sandbox, and all its flows are as expected', {
  skip: hasShell ? false : 'sh or curl is not on the PATH',
}, async t => {
  const folder = t.testdir({ 'ci.sh': codeOf(sectionOf(guide, '## A shell script')) })
  const { NODE_OPTIONS: _hooks, ...inherited } = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !(name in variables)),
  )
  const { stdout } = await promisify(execFile)('sh', ['ci.sh'], {
    cwd: folder, env: {
      ...inherited, PATH: `${dirname(process.execPath)}:${process.env['PATH']}`, VERIGATE: root,
      REDIS_URL: (await startRedis(t)).url, PORT: String(await freePort()), SANDBOX_PORT: String(await freePort()),
    },
  })
  t.equal(stdout, 'all flows as expected\n')
})

t.test('the job starts the sandbox as the guide says', t => {
  const { jobs } = parse(codeOf(sectionOf(guide, '## GitHub Actions'))) as {
    jobs: Record<string, { steps: { run?: string, env?: Record<string, string> }[] }>
  }
  const steps = Object.values(jobs).flatMap(job => job.steps)
  const step = steps.find(({ run }) => run?.includes('src/main.ts'))
  t.equal(step?.env?.['SANDBOX'], 'true')
  const [start = '', ready = ''] = codeOf(sectionOf(guide, '## Start it in a job')).trim().split('\n')
  t.ok(start.endsWith('node src/main.ts > sandbox.log 2>&1 &'))
  for (const line of [start.replace(/^.*(?=node)/, ''), ready]) t.ok(step?.run?.includes(line), line)
  t.end()
})

t.test('the numbers are those of the sandbox', t => {
  const rows = rowsOf(sectionOf(guide, '## Numbers'))
  const wrong = rows.filter(([, , shown = '']) => reasonWords.some(reason => shown.includes(`\`${reason}\``)))
  t.ok(wrong.length >= 3)
  for (const [number = '', method = '', shown = ''] of wrong) {
    const example = reasonExamples.find(({ reason }) => shown.includes(`\`${reason}\``))
    t.equal(plain(method), example?.method, shown)
    // All but the area code.
    t.equal(plain(number).slice(-7), example?.phoneNumber.slice(-7), shown)
  }
  t.end()
})
