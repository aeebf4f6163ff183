import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { parse } from 'yaml'
import { findExecutable } from '../../scripts/install.ts'
import { startGateway } from '../helpers/gateway.ts'
import { scrape } from '../helpers/metrics.ts'
import { missingFrom, readQuery } from './promql.ts'

const root = join(import.meta.dirname, '../../ops')

type Place = { x: number, y: number, w: number, h: number }
type Panel = {
  id: number, type: string, title: string, description?: string, gridPos: Place
  fieldConfig?: { defaults: { unit?: string } }, datasource?: { uid: string }, targets?: {
    refId: string, expr: string, datasource: { uid: string },
  }[]
}
type Dashboard = {
  uid: string, title: string, schemaVersion: number, panels: Panel[],
  templating: { list: { name: string, type: string, definition?: string }[] },
}
const dashboard = JSON.parse(readFileSync(join(root, 'grafana/verigate.json'), 'utf8')) as Dashboard
const rows = dashboard.panels.filter(({ type }) => type === 'row')
const panels = dashboard.panels.filter(({ type }) => type !== 'row')
const queries = panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr))
const variables = new Set(dashboard.templating.list.map(({ name }) => name))

const overlap = (a: Place, b: Place): boolean =>
  a.x < b.x + b.w && b.x < a.x + a.w && a.y < b.y + b.h && b.y < a.y + a.h

t.test('it can be provisioned', async t => {
  t.match(dashboard, { uid: 'verigate', title: 'Verigate' })
  t.ok(dashboard.schemaVersion >= 39)
  t.ok(dashboard.templating.list.some(({ name, type }) => name === 'datasource' && type === 'datasource'))
  t.notOk('__inputs' in dashboard, 'the import asks no question')
})

t.test('every panel says what it shows', async t => {
  t.ok(rows.length >= 8 && panels.length > rows.length * 2)
  t.equal(new Set(dashboard.panels.map(({ id }) => id)).size, dashboard.panels.length, 'no id twice')
  t.equal(new Set(panels.map(({ title }) => title)).size, panels.length, 'no title twice')
  for (const { title, description, fieldConfig, datasource, targets = [] } of panels) {
    t.ok(
      title && description && description.length > 20 && fieldConfig?.defaults.unit, `${title}: description and unit`,
    )
    t.ok(targets.length > 0 && targets.every(({ expr }) => expr !== ''), `${title}: a query`)
    t.equal(new Set(targets.map(({ refId }) => refId)).size, targets.length)
    for (
      const source of [datasource, ...targets.map(target => target.datasource)]
    ) t.equal(source?.uid, '${datasource}', `${title}: the data source that was chosen`)
  }
})

t.test('no panel lies on another, or beside the grid', async t => {
  for (const [index, { title, gridPos }] of dashboard.panels.entries()) {
    t.ok(gridPos.x >= 0 && gridPos.y >= 0 && gridPos.w > 0 && gridPos.h > 0 && gridPos.x + gridPos.w <= 24, title)
    for (const other of dashboard.panels.slice(index + 1)) t.notOk(
      overlap(gridPos, other.gridPos), `${title} and ${other.title}`,
    )
  }
})

t.test('every query can be read by Prometheus', {
  skip: await findExecutable(['promtool']) === null && 'promtool is not on the PATH',
}, async t => {
  const plain = (expr: string): string =>
    expr.replaceAll('$__range_s', '3600').replaceAll(/\$__(range|rate_interval)/g, '5m').replaceAll(
      /\$(\w+)/g, (whole, name: string) => variables.has(name) ? 'x' : whole,
    )
  for (const expr of queries) t.notMatch(plain(expr), /\$/, 'every variable is one of the dashboard\'s')
  const groups = [
    { name: 'panels', rules: queries.map((expr, index) => ({ record: `panel:${index}`, expr: plain(expr) })) },
  ]
  const file = join(t.testdir({ 'rules.yaml': JSON.stringify({ groups }) }), 'rules.yaml')
  const [code, output] = await new Promise<[unknown, string]>(resolve => {
    execFile(
      'promtool', ['check', 'rules', file], (error, stdout, stderr) => resolve([error?.code ?? 0, stdout + stderr]),
    )
  })
  t.equal(code, 0, output)
  t.match(output, `${queries.length} rules found`)
})

t.test('every query asks for what a gateway tells, and what a gateway tells is asked for', async t => {
  const { shop, url } = await startGateway(t)
  for (const method of ['otpless.otp', 'truid.phone_check']) {
    await shop.create({ phoneNumber: '+14155550100', workflow: [method], onConflict: 'replace' })
  }
  const series = await scrape(url)
  for (const expr of [...queries, ...dashboard.templating.list.flatMap(({ definition = [] }) => definition)]) {
    const query = readQuery(expr)
    t.ok(query.selectors.length > 0, expr)
    t.strictSame(missingFrom(series, query), [], expr)
  }
  const { groups } = parse(
    readFileSync(join(root, 'prometheus/alerts.yaml'), 'utf8'),
  ) as { groups: { rules: { expr: string }[] }[] }
  const base = (name: string): string => name.replace(/_(bucket|sum|count)$/, '')
  const asked = new Set(
    [
      ...queries, ...groups.flatMap(({ rules }) => rules.map(({ expr }) => expr)),
    ].flatMap(expr => readQuery(expr).selectors.map(({ name }) => base(name))),
  )
  t.strictSame(
    [...new Set(series.map(({ name }) => base(name)))].filter(name => name.startsWith('verigate_') && !asked.has(name)),
    [], 'no metric without a question',
  )
})
