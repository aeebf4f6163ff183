import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import t from 'tap'
import { parse } from 'yaml'
import { variables } from '../src/config.ts'
import { unavailableCodes } from '../src/store/record-store.ts'
import manifest from '../package.json' with { type: 'json' }
import document from '../openapi/openapi.json' with { type: 'json' }
import { startGateway } from './helpers/gateway.ts'

const root = join(import.meta.dirname, '..')
const path = 'docs/operations.md'
const read = (name: string): string => readFileSync(join(root, name), 'utf8')
const text = read(path)
const anchorOf = (heading: string): string =>
  heading.toLowerCase().replace(/[^\p{L}\p{N} _-]/gu, '').replaceAll(' ', '-')
const headingsOf = (markdown: string): string[] => [
  ...markdown.replace(/^```.*?^```$/gms, '').matchAll(/^#{1,6} (.+)$/gm),
].map(([, heading = '']) => heading)
const all = (pattern: RegExp): string[] => [...new Set([...text.matchAll(pattern)].map(([, found = '']) => found))]

t.test('each alert has a section of the runbook, and each section an alert', async t => {
  const { groups }: {
    groups: { rules: { alert: string, annotations: { runbook: string } }[] }[],
  } = parse(read('ops/prometheus/alerts.yaml'))
  const rules = groups.flatMap(group => group.rules)
  const sections = headingsOf(text.slice(text.indexOf('## Runbook'))).slice(1)
  t.strictSame(sections, rules.map(({ alert }) => alert), 'in the same order')
  for (const { annotations: { runbook } } of rules) {
    const [file, anchor] = runbook.split('#')
    t.equal(file, path)
    t.ok(headingsOf(text).some(heading => anchorOf(heading) === anchor), runbook)
  }
  for (const section of sections) {
    const [body = ''] = text.slice(text.indexOf(`### ${section}\n`) + 4).split('\n### ')
    for (const word of ['**Look**', '**Do**', '**Do not**']) t.ok(body.includes(word), `${section} says ${word}`)
  }
})

t.test('every link leads somewhere', async t => {
  for (const name of [path, 'README.md', 'SECURITY.md']) {
    for (const [, link = ''] of read(name).matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^https?:/.test(link)) continue
      const [file = '', anchor] = link.split('#')
      const target = file === '' ? name : join(dirname(name), file)
      t.ok(existsSync(join(root, target)), `${name}: ${link}`)
      if (anchor !== undefined) t.ok(
        headingsOf(read(target)).some(heading => anchorOf(heading) === anchor), `${name}: ${link}`,
      )
    }
  }
})

t.test('what is named exists', async t => {
  for (const name of all(/\b([A-Z]+_[A-Z_]+)\b/g)) t.ok(name in variables || name.startsWith('NODE_'), name)
  for (const script of all(/npm run (?:-s )?([a-z]+)/g)) t.ok(script in manifest.scripts, script)
  // `apps.json` is made by the operator.
  for (const file of all(/((?:ops|helm|src|docs|test)\/[\w./-]+)/g)) t.ok(
    existsSync(join(root, file)) || file === 'ops/compose/apps.json', file,
  )
  for (const file of ['docker-compose.yml', '.env.example']) t.ok(
    text.includes(file) && existsSync(join(root, file)), file,
  )
  const values = read('helm/verigate/values.yaml')
  for (
    const name of [
      'preStopSeconds', 'terminationGracePeriodSeconds', 'existingSecret', 'existingAppsSecret', 'operationsPort',
      'podMonitor', 'prometheusRule', 'dashboard',
    ]
  ) {
    t.ok(text.includes(name) && new RegExp(`^${name}:`, 'm').test(values), name)
  }

  const calls = Object.entries(document.paths).flatMap(
    ([route, item]) => Object.keys(item).map(verb => `${verb.toUpperCase()} ${route.replaceAll(/{\w+}/g, '{id}')}`),
  )
  const named = all(/\b((?:GET|POST|DELETE) \/[\w{}/]+)/g)
  t.ok(named.length > 5)
  for (const call of named) t.ok(calls.includes(call), call)
  const routes = new Set(calls.map(call => call.slice(call.indexOf(' ') + 1)))
  for (const route of all(/`(\/(?:livez|readyz|metrics)[\w/]*)`/g)) t.ok(routes.has(route), route)

  const sources = readdirSync(
    join(root, 'src'), { recursive: true, encoding: 'utf8' },
  ).filter(file => file.endsWith('.ts')).map(file => read(join('src', file))).join('\n')
  const messages = all(/"msg":"([^"]+)"/g)
  t.ok(messages.length > 10)
  for (const message of messages) t.ok(sources.includes(`'${message}'`), message)
})

t.test('so do metrics and their labels', async t => {
  const { shop } = await startGateway(t)
  const metrics: string = (await shop.call('GET', '/metrics')).body['text']
  const types = new Set([...metrics.matchAll(/^# TYPE (\w+) /gm)].map(([, name = '']) => name))
  const named = [...text.matchAll(/\b((?:verigate|nodejs)_[a-z0-9_]+)(?:\{([^}]*)\})?/g)]
  t.ok(named.length > 30)
  for (const [whole, name = '', labels] of named) {
    if (whole.endsWith('_')) continue
    t.ok(types.has(name), name)
    for (const [pair] of (labels ?? '').matchAll(/\w+="[^"]*"/g)) t.ok(
      metrics.split('\n').some(line => line.startsWith(`${name}{`) && line.includes(pair)), whole,
    )
  }
  const storeErrors = text.slice(text.indexOf('### VerigateStoreErrors'), text.indexOf('### VerigateRecordsUnreadable'))
  for (const code of unavailableCodes) if (code !== 'ERROR') t.ok(storeErrors.includes(`\`${code}\``), code)
  const forged = text.slice(text.indexOf('### VerigateCallbacksForged'), text.indexOf('### VerigateWebhooksLate'))
  const results = [
    ...metrics.matchAll(/verigate_callbacks_total\{provider="truid",result="(\w+)"/g),
  ].map(([, result = '']) => result)
  for (const result of results) if (!['duplicate', 'late'].includes(result)) t.ok(
    forged.includes(`\`${result}\``), result,
  )
})
