import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { request } from 'undici'
import { parse } from 'yaml'
import { findExecutable } from '../../scripts/install.ts'
import { startGateway } from '../helpers/gateway.ts'
import { scrape } from '../helpers/metrics.ts'
import { missingFrom, readQuery } from './promql.ts'

const folder = join(import.meta.dirname, '../../ops/prometheus')
const readYaml = (name: string): unknown => parse(readFileSync(join(folder, name), 'utf8'))

type Alert = {
  alert: string, expr: string, for?: string, labels: Record<string, string>, annotations: Record<string, string>,
}
type RuleTest = { eval_time: string, alertname: string, exp_alerts: unknown[] }
const { groups } = readYaml('alerts.yaml') as { groups: { name: string, rules: Alert[] }[] }
const alerts = groups.flatMap(({ rules }) => rules)
const { tests } = readYaml('alerts.test.yaml') as {
  tests: { input_series: { series: string }[], alert_rule_test: RuleTest[] }[],
}
const ruleTests = tests.flatMap(({ alert_rule_test: all }) => all)

const promtool = await findExecutable(['promtool'])
const without = promtool === null ? 'promtool is not on the PATH' : false

const run = (
  args: readonly string[], input = '',
): Promise<{ code: unknown, output: string }> => new Promise(resolve => {
  const child = execFile(
    promtool ?? '', args, { cwd: folder },
    (error, stdout, stderr) => resolve({ code: error?.code ?? 0, output: stdout + stderr }),
  )
  child.stdin?.end(input)
})

t.test('the rules can be loaded', { skip: without }, async t => {
  const { code, output } = await run(['check', 'rules', 'alerts.yaml'])
  t.equal(code, 0, output)
  t.match(output, `${alerts.length} rules found`)
})

t.test('the rules fire and are silent as their tests say', { skip: without }, async t => {
  const { code, output } = await run(['test', 'rules', 'alerts.test.yaml'])
  t.equal(code, 0, output)
  t.match(output, /SUCCESS/)
})

t.test('what a gateway tells is as Prometheus wants it', { skip: without }, async t => {
  const { url } = await startGateway(t)
  const text = await (await request(`${url}/metrics`)).body.text()
  const ours = text.split('\n').filter(line => line.includes('verigate_')).join('\n')
  t.ok(ours.split('\n').length > 500)
  t.strictSame(await run(['check', 'metrics'], `${ours}\n`), { code: 0, output: '' })
})

t.test('every alert tells how urgent it is, what it means and where help is', async t => {
  t.equal(new Set(alerts.map(({ alert }) => alert)).size, alerts.length, 'no name twice')
  for (const { alert, labels, annotations } of alerts) {
    t.match(alert, /^Verigate([A-Z][a-z]+)+$/)
    t.match(labels['severity'], /^(critical|warning)$/, alert)
    t.ok(annotations['summary'] && annotations['description'], alert)
    t.match(annotations['runbook_url'], /^https:\/\//)
    t.equal(annotations['runbook_url']?.replace(/^.*\//, ''), `operations.md#${alert.toLowerCase()}`)
  }
})

t.test('every alert is seen both firing and silent', async t => {
  for (const { alert } of alerts) {
    const own = ruleTests.filter(({ alertname }) => alertname === alert)
    t.ok(own.some(({ exp_alerts }) => exp_alerts.length > 0), `${alert} fires`)
    t.ok(own.some(({ exp_alerts }) => exp_alerts.length === 0), `${alert} is silent`)
  }
  const idle = tests[0]?.alert_rule_test ?? []
  t.strictSame(
    idle.map(({ alertname, exp_alerts }) => [alertname, exp_alerts]), alerts.map(({ alert }) => [alert, []]),
    'all are silent without traffic',
  )
})

t.test('every series that an alert or its test names is one that a gateway tells', async t => {
  const { shop, url } = await startGateway(t)
  for (const method of ['otpless.otp', 'truid.phone_check']) {
    await shop.create({ phoneNumber: '+14155550100', workflow: [method], onConflict: 'replace' })
  }
  const series = await scrape(url)
  for (const { alert, expr } of alerts) {
    const query = readQuery(expr)
    t.ok(query.selectors.length > 0, alert)
    t.strictSame(missingFrom(series, query), [], alert)
  }
  // What a rule is tested with is what it will meet.
  const fed = tests.flatMap(({ input_series: all }) => all.flatMap(({ series }) => readQuery(series).selectors))
    .filter(({ matchers }) => !['LT', 'NZ'].includes(matchers.find(({ label }) => label === 'country')?.value ?? ''))
  t.ok(fed.length > 80)
  t.strictSame(missingFrom(series, { selectors: fed, labels: [] }), [])
})
