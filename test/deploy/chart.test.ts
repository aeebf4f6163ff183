import { readFileSync, realpathSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import Schema from 'typebox/schema'
import { variables } from '../../src/config.ts'
import { createQueues } from '../../src/jobs/queues.ts'
import { connectTo, startRedis } from '../helpers/redis.ts'
import { chart, readYaml, root, valueFiles, wrongValues } from './helm.ts'

const readJson = (path: string) => JSON.parse(readFileSync(path, 'utf8'))
const schema = Schema.Compile(readJson(join(chart, 'values.schema.json')))
const defaults = readYaml(join(chart, 'values.yaml'))
const template = readFileSync(join(chart, 'templates/deployment.yaml'), 'utf8')
const routes = Object.keys(readJson(join(root, 'openapi/openapi.json')).paths)

t.test('the schema takes the defaults and what the tests render, and knows every value by name', async t => {
  t.ok(valueFiles.size >= 5)
  for (
    const path of [join(chart, 'values.yaml'), ...valueFiles.values()]
  ) t.strictSame(schema.Errors(readYaml(path)), [true, []], path)
  const { properties: { global: _global, ...properties } } = readJson(join(chart, 'values.schema.json'))
  t.strictSame(Object.keys(properties).sort(), Object.keys(defaults).sort())
})

t.test('the schema refuses', async t => {
  for (const [why, values] of wrongValues) t.notOk(schema.Check(values), why)
})

t.test('the chart is of this version', async t => {
  const { version } = readJson(join(root, 'package.json'))
  t.match(readYaml(join(chart, 'Chart.yaml')), { version, appVersion: version })
})

t.test('alerts and dashboard are those of ops', async t => {
  for (
    const [file, path] of [
      ['alerts.yaml', 'ops/prometheus/alerts.yaml'], ['verigate.json', 'ops/grafana/verigate.json'],
    ]
  ) {
    t.equal(realpathSync(join(chart, 'files', String(file))), realpathSync(join(root, String(path))))
  }
})

t.test('it sets and names only variables that exist', async t => {
  const named = [template, readFileSync(join(chart, 'values.yaml'), 'utf8')].flatMap(
    text => [...text.matchAll(/\{ name: ([A-Z][A-Z_]+),|\b([A-Z]{3,}(?:_[A-Z]+)+)\b/g)],
  ).map(([, set, mentioned]) => set ?? mentioned ?? '')
  t.ok(named.includes('ROLE') && named.includes('SEAL_KEYS'))
  t.strictSame(named.filter(name => !(name in variables) && !(name.replace(/_FILE$/, '') in variables)), [])
})

t.test('probes ask routes that there are, and the world reaches none of them', async t => {
  const asked = [...template.matchAll(/path: (\/\w+), port: http/g)].map(([, path = '']) => path)
  t.strictSame(asked, ['/livez', '/livez', '/readyz'])
  t.strictSame([...asked, '/metrics'].filter(path => !routes.includes(path)), [])
  const { ingress: { paths } } = defaults
  t.ok(paths.includes('/callbacks'))
  for (const path of paths) {
    t.ok(routes.some(route => route === path || route.startsWith(`${path}/`)), path)
    t.notOk([...asked, '/metrics'].some(route => route.startsWith(path)), path)
  }
})

t.test('Truecaller needs a callback key, from wherever it comes', async t => {
  const secrets = { TRUECALLER_APP_KEY: 'x' }
  t.notOk(schema.Check({ secrets }))
  t.ok(schema.Check({ secrets: { ...secrets, TRUECALLER_CALLBACK_KEY: 'x' } }))
  t.ok(schema.Check({ secrets, env: { TRUECALLER_CALLBACK_KEY_FILE: '/run/secrets/key' } }))
  t.ok(schema.Check({ secrets, env: { TRUECALLER_ALLOW_UNKEYED_CALLBACKS: 'true' } }))
  t.ok(schema.Check({ secrets: { TRUID_CLIENT_ID: 'x' } }))
})

t.test('a pod that is removed has the time to drain', async t => {
  const drainSeconds = Number(
    /shutdownMs = ([\d_]+)/.exec(readFileSync(join(root, 'src/main.ts'), 'utf8'))?.[1]?.replace('_', ''),
  ) / 1000
  t.ok(defaults.terminationGracePeriodSeconds > defaults.preStopSeconds + drainSeconds)
})

t.test('the depth of a queue is where the example of KEDA looks for it', async t => {
  const server = await startRedis(t)
  const redis = await connectTo(t, server.url)
  const queues = createQueues(redis, error => { throw error })
  t.teardown(() => queues.close())
  await Promise.all([queues.resolve('x', 'one'), queues.resolve('x', 'two'), queues.notify('x', 'one')])
  const { worker: { autoscaling: { keda } } } = readYaml(valueFiles.get('keda') ?? '')
  const lists: string[] = keda.triggers.map(({ metadata }: { metadata: { listName: string } }) => metadata.listName)
  t.strictSame(await Promise.all(lists.map(list => redis.llen(list))), [2, 1])
  for (const list of lists) t.match(readFileSync(join(chart, 'values.yaml'), 'utf8'), `listName: '${list}'`)
})
