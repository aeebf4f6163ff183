import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { parse } from 'yaml'
import { keys, startGateway } from '../helpers/gateway.ts'

const root = join(import.meta.dirname, '../..')
const flows = join(root, 'openapi/flows.arazzo.yaml')
const redocly = async (...args: string[]) => promisify(execFile)(process.execPath, [
  join(root, 'node_modules/@redocly/cli/bin/cli.js'), ...args,
], { env: { ...process.env, REDOCLY_TELEMETRY: 'off', REDOCLY_SUPPRESS_UPDATE_NOTICE: 'true', NO_COLOR: '1' } })
  .then(({ stdout, stderr }) => ({ code: 0, output: stdout + stderr }), ({ code, stdout, stderr }: {
    code: number, stdout: string, stderr: string,
  }) => ({ code, output: stdout + stderr }))

const { workflows }: { workflows: { workflowId: string }[] } = parse(await readFile(flows, 'utf8'))
const workflowIds = workflows.map(({ workflowId }) => workflowId)

t.test('the document is valid', async t => {
  const { code, output } = await redocly('lint', flows, '--format', 'summary')
  t.notMatch(output, /warning|error/i)
  t.equal(code, 0)
})

t.test('each flow verifies a number', async t => {
  const { url, simulators } = await startGateway(t)
  const folder = await mkdtemp(join(tmpdir(), 'verigate-flows-'))
  t.teardown(() => rm(folder, { recursive: true }))
  t.same(workflowIds, ['truecallerPush', 'truecallerWeb', 'truidPhoneCheck', 'otplessToken', 'otplessOtp'])
  const run = async (workflowId: string, phoneNumber: string) => redocly(
    'respect', flows, '--workflow', workflowId, '--server', `verigate=${url}`, '--server', `handset=${simulators.url}`,
    '--input', `apiKey=${keys.shop}`, '--input', `phoneNumber=${phoneNumber}`,
  )
  for (const [at, workflowId] of workflowIds.entries()) {
    const { code, output } = await run(workflowId, `+1415555${String(1000 + 2 * at)}`)
    t.match(output, /Workflows: 1 passed, 1 total/, workflowId)
    t.equal(code, 0, workflowId)
  }
  const { code, output } = await run('otplessOtp', '+14155552001')
  t.not(code, 0, 'a number whose code is never correct')
  t.match(output, /Workflows: 1 failed, 1 total/)
})
