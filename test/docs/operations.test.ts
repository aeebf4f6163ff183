import { globSync } from 'node:fs'
import t from 'tap'
import { parse } from 'yaml'
import document from '../../openapi/openapi.json' with { type: 'json' }
import { unavailableCodes } from '../../src/store/record-store.ts'
import { startGateway } from '../helpers/gateway.ts'
import { anchorOf, headingsOf, mentions, plain, present, read, root, rowsOf, sectionOf } from './documents.ts'

const path = 'docs/operations.md'
const text = read(path)
const sources = globSync('src/**/*.ts', { cwd: root }).map(read).join('\n')

t.test('each alert has a section of the runbook, and each section an alert', async t => {
  const { groups }: {
    groups: { rules: { alert: string, annotations: { runbook_url: string } }[] }[],
  } = parse(read('ops/prometheus/alerts.yaml'))
  const rules = groups.flatMap(group => group.rules)
  const sections = headingsOf(text.slice(text.indexOf('## Runbook'))).slice(1)
  t.strictSame(sections, rules.map(({ alert }) => alert), 'in the same order')
  // Helm replaces this URL by `prometheusRule.runbookUrl`, and the documentation says how to do it elsewhere.
  const base = 'https://docs.example.com/verigate/operations.md'
  for (const file of [path, 'helm/verigate/values.yaml', 'helm/verigate/templates/monitoring.yaml']) {
    t.ok(read(file).includes(base), file)
  }
  for (const { annotations: { runbook_url: url } } of rules) {
    const [page, anchor] = url.split('#')
    t.equal(page, base)
    t.ok(headingsOf(text).some(heading => anchorOf(heading) === anchor), url)
  }
  for (const section of sections) {
    const body = sectionOf(text, `### ${section}`)
    for (const word of ['**Look**: ', '**Do**: ', '**Do not** ']) t.ok(body.includes(word), `${section}: ${word}`)
    const who = /^\*\*(Users|Apps|An app|Nobody|Somebody|Hardly any user)\*\* /
    t.match(body.trimStart(), who, `${section}: who notices`)
  }
})

t.test('values of the Helm chart that are named exist', async t => {
  const values = read('helm/verigate/values.yaml')
  const names = [
    'preStopSeconds', 'terminationGracePeriodSeconds', 'existingSecret', 'existingAppsSecret', 'operationsPort',
    'podMonitor', 'prometheusRule', 'dashboard',
  ]
  for (const name of names) t.ok(text.includes(name) && new RegExp(`^${name}:`, 'm').test(values), name)
})

t.test('calls of the API that are named exist', async t => {
  const calls = Object.entries(document.paths).flatMap(([route, item]) =>
    Object.keys(item).map(verb => `${verb.toUpperCase()} ${route.replaceAll(/{\w+}/g, '{}')}`))
  // Calls of providers, and those that have the form of another vendor's API.
  const foreign = String.raw`phone_check|v[12]\/|auth\/|(?:handset|control)\/`
  const named = mentions(present, new RegExp(`\`((?:GET|POST|DELETE) \\/(?!${foreign})[\\w{}/]+)`, 'g'))
  t.ok(named.length > 12)
  const isWhole = (call: string) => calls.includes(call.replaceAll(/{\w+}|(?<=callbacks\/)\w+/g, '{}'))
  for (const [call, name] of named) t.ok(isWhole(call) || call.endsWith('/callbacks/'), `${name}: ${call}`)
})

t.test('log messages that are named exist', async t => {
  // A message is the last argument of the call that logs it, or is named before.
  const before = ['log.debug(', 'log.info(', 'log.warn(', 'log.error(', ', ', 'message = ', 'msg: ']
  const isLogged = (message = ''): boolean => before.some(text => sources.includes(`${text}'${message}'`))
  const named = mentions(present, /"msg":"([^"]+)"/g)
  t.ok(named.length > 15)
  for (const [message, name] of named) t.ok(isLogged(message), `${name}: ${message}`)
  const renamed = rowsOf(read('CHANGELOG.md')).map(([before = '', now = '']) => [plain(before), plain(now)])
  t.ok(renamed.length > 5)
  for (const [past, now] of renamed) {
    t.notOk(isLogged(past), `${past} is gone`)
    t.ok(isLogged(now), `${now} is logged`)
  }
})

t.test('metrics and labels that are named exist', async t => {
  const { shop } = await startGateway(t)
  const metrics: string = (await shop.call('GET', '/metrics')).body['text']
  const types = new Set([...metrics.matchAll(/^# TYPE (\w+) /gm)].map(([, name = '']) => name))
  const asked = [...globSync(['ops/**/*.{yaml,json}', 'docs/**/*.md'], { cwd: root })].map(read).join('\n')
  const isAsked = (name: string): boolean => new RegExp(`\\b${name}(_bucket|_sum|_count)?\\b`).test(asked)
  t.strictSame([...types].filter(name => !isAsked(name)), [], 'no metric that nobody asks for')
  const named = mentions(present, /(?<![\w/.])((?:verigate|nodejs|process)_[a-z0-9_]+(?:\{[^}]*\})?)/g)
  t.ok(named.length > 25)
  for (const [whole, file] of named) {
    const [name = '', labels = ''] = whole.split('{')
    t.ok(types.has(name), `${file}: ${name}`)
    for (const [pair] of labels.matchAll(/\w+="[^"]*"/g)) {
      t.ok(metrics.split('\n').some(line => line.startsWith(`${name}{`) && line.includes(pair)), `${file}: ${whole}`)
    }
  }
  const blames = new Set([...metrics.matchAll(/blame="(\w+)"/g)].map(([, blame = '']) => blame))
  const said = /`blame` of\s.*?fault of/s.exec(text)?.[0] ?? ''
  for (const blame of blames) if (blame !== 'none') t.ok(said.includes(`\`${blame}\``), `blame ${blame}`)

  const codes = rowsOf(sectionOf(text, '### VerigateStoreErrors')).flatMap(([cell = '']) => cell.split(', '))
  t.strictSame(codes.sort(), unavailableCodes.filter(code => code !== 'ERROR').map(code => `\`${code}\``).sort())
  const results = rowsOf(sectionOf(text, '### VerigateCallbacksForged')).flatMap(([cell = '']) => cell.split(', '))
  const counted = [
    ...metrics.matchAll(/verigate_callbacks_total\{provider="truid",result="(\w+)"/g),
  ].map(([, result = '']) => result)
  const usual = ['accepted', 'duplicate', 'late']
  t.strictSame(results.sort(), counted.filter(word => !usual.includes(word)).map(word => `\`${word}\``).sort())
})
