import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { parse } from 'yaml'
import { keys, startGateway } from '../helpers/gateway.ts'
import { redocly } from '../helpers/redocly.ts'

const flows = join(import.meta.dirname, '../../openapi/flows.arazzo.yaml')
const { workflows }: { workflows: { workflowId: string }[] } = parse(await readFile(flows, 'utf8'))
const workflowIds = workflows.map(({ workflowId }) => workflowId)

t.test('the document is valid', async t => {
  const { code, output } = await redocly('lint', flows, '--format', 'summary')
  t.notMatch(output, /warning|error/i)
  t.equal(code, 0)
})

t.test('each flow verifies a number', async t => {
  const { url, simulators } = await startGateway(t)
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
