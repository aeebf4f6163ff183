import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Deployment } from 'kubernetes-types/apps/v1.d.ts'
import type { HorizontalPodAutoscaler } from 'kubernetes-types/autoscaling/v2.d.ts'
import type { ConfigMap, PodSpec, Secret, Service } from 'kubernetes-types/core/v1.d.ts'
import type { Ingress, NetworkPolicy } from 'kubernetes-types/networking/v1.d.ts'
import type { PodDisruptionBudget } from 'kubernetes-types/policy/v1.d.ts'
import t from 'tap'
import { request } from 'undici'
import { stringify } from 'yaml'
import { variables } from '../../src/config.ts'
import { clientOf, keys, testApps } from '../helpers/gateway.ts'
import { startListening } from '../helpers/process.ts'
import { freePort, startRedis } from '../helpers/redis.ts'
import { helm, readYaml, render, root, runHelm, valueFiles, wrongValues, type Manifest } from './helm.ts'

const here = { skip: helm === null ? 'helm is not on the PATH: the chart was not rendered' : false }

/** Kinds that are not Kubernetes' own. */
const ofOperators = ['PodMonitor', 'PrometheusRule', 'ScaledObject']
const all = <Kind extends Manifest['kind'], Type>(manifests: Manifest[], kind: Kind): (Manifest & Type)[] =>
  manifests.filter(one => one.kind === kind) as (Manifest & Type)[]
const deploymentsOf = (manifests: Manifest[]) => all<'Deployment', Deployment>(manifests, 'Deployment')
const podOf = (deployment: Deployment | undefined): PodSpec => deployment?.spec?.template.spec ?? { containers: [] }
const valuesFile = (name: string): string[] => ['--values', valueFiles.get(name) ?? '']
/** An entry of the value `providers`. */
const provider = {
  name: 'acme', channel: 'sms', accepted: { status: [200] }, text: { default: '{code}' },
  request: {
    url: 'https://sms.example/send', headers: { 'x-key': '${env:ACME_KEY}' }, body: { to: '{digits}', t: '{text}' },
  },
}
/** What is required besides the secrets. */
const nothingSecret = 'publicUrl=https://verify.example.com,trustedProxies=none'
const selects = (selector: Record<string, string> = {}, labels: Record<string, string> = {}): boolean =>
  Object.entries(selector).every(([name, value]) => labels[name] === value)

t.test('helm lints every set of values', here, async t => {
  for (const path of valueFiles.values()) t.match(
    await runHelm('lint', ['--values', path]), { ok: true, stdout: '0 chart(s) failed' }, path,
  )
})

t.test('helm refuses what cannot work, and says why', here, async t => {
  const folder = t.testdir({})
  for (const [at, [why, values]] of wrongValues.entries()) {
    const path = join(folder, `${at}.yaml`)
    await writeFile(path, stringify(values))
    t.match(
      await runHelm('template', [...valuesFile('minimal'), '--values', path]),
      { ok: false, stderr: /values don't meet the specifications of the schema/ }, why,
    )
  }
  const minimal = valuesFile('minimal')
  const cases: [says: RegExp, args: string[]][] = [
    [/publicUrl is required/, [...minimal, '--set', 'publicUrl=']],
    [/trustedProxies is required/, [...minimal, '--set', 'trustedProxies=']],
    [/secrets.SEAL_KEYS is required/, ['--set', nothingSecret]],
    [/secrets.REDIS_URL is required/, ['--set', `${nothingSecret},secrets.SEAL_KEYS=k1:x`]],
    [/secrets.REDIS_URL is required/, ['--set', `${nothingSecret},env.SEAL_KEYS_FILE=/run/secrets/keys`]],
    [/terminationGracePeriodSeconds must be more/, [...minimal, '--set', 'preStopSeconds=20']],
    [/providers cannot be set together with existingAppsSecret/,
      [...minimal, '--set', 'existingAppsSecret=x', '--set-json', `providers=${JSON.stringify([provider])}`]],
    [/providers cannot be set together with env/,
      [...minimal, '--set', 'env.PROVIDERS_FILE=x', '--set-json', `providers=${JSON.stringify([provider])}`]],
  ]
  for (const [says, args] of cases) t.match(await runHelm('template', args), { ok: false, stderr: says })
})

t.test('what is rendered is what Kubernetes knows, field by field', here, async t => {
  const imports = new Set<string>()
  const constants: string[] = []
  for (const name of valueFiles.keys()) {
    for (const manifest of (await render(...valuesFile(name))).filter(({ kind }) => !ofOperators.includes(kind))) {
      const { apiVersion, kind } = manifest
      const group = apiVersion === 'v1' ? 'core/v1' : apiVersion.replace('.k8s.io', '')
      imports.add(`import type { ${kind} } from 'kubernetes-types/${group}.d.ts'`)
      constants.push(`export const object${constants.length}: ${kind} = ${JSON.stringify(manifest)}`)
    }
  }
  t.ok(constants.length > 30)
  const check = async (text: string): Promise<string> => {
    const file = join(t.testdir({}), 'rendered.ts')
    await writeFile(file, text)
    const tsc = [
      join(root, 'node_modules/.bin/tsc'), '--ignoreConfig', '--noEmit', '--strict', '--exactOptionalPropertyTypes',
      '--module', 'nodenext', '--types', '', file,
    ]
    // Without what tap puts into the environment of every process: the compiler does not start with it.
    return await new Promise(
      done =>
        execFile('env', ['-u', 'NODE_OPTIONS', process.execPath, ...tsc], (_, stdout, stderr) => done(stdout + stderr)),
    )
  }
  const text = [...imports, ...constants].join('\n')
  t.equal(await check(text), '')
  t.match(
    await check(text.replace('"readOnlyRootFilesystem"', '"readonlyRootFilesystem"')),
    /readonlyRootFilesystem\W+ does not exist in type 'SecurityContext'/,
  )
})

for (const name of valueFiles.keys()) {
  t.test(`${name}: every pod is confined, probed, spread and given the time to drain`, here, async t => {
    const manifests = await render(...valuesFile(name))
    const secrets = all<'Secret', Secret>(manifests, 'Secret').map(({ metadata }) => metadata.name)
    const deployments = deploymentsOf(manifests)
    t.strictSame(
      deployments.map(({ metadata }) => metadata.labels['app.kubernetes.io/component']),
      name === 'without-worker' ? ['api'] : ['api', 'worker'],
    )
    for (const deployment of deployments) {
      const pod = podOf(deployment)
      t.match(
        pod,
        {
          automountServiceAccountToken: false, enableServiceLinks: false,
          securityContext: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } },
        },
      )
      const [container] = pod.containers
      t.match(container, {
        securityContext: {
          allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: { drop: ['ALL'] },
        },
        startupProbe: { httpGet: { path: '/livez', port: 'http' } },
        livenessProbe: { httpGet: { path: '/livez', port: 'http' } },
        readinessProbe: { httpGet: { path: '/readyz', port: 'http' } },
        resources: { requests: { cpu: String }, limits: { memory: String } },
        ports: [{ name: 'http', containerPort: Number(container?.env?.find(({ name }) => name === 'PORT')?.value) }],
      })
      const isApi = deployment.metadata.labels['app.kubernetes.io/component'] === 'api'
      t.equal(container?.lifecycle?.preStop !== undefined, isApi, 'who gets requests waits for the proxies to know')
      t.ok(
        (pod.topologySpreadConstraints ?? []).every(
          ({ labelSelector }) => selects(labelSelector?.matchLabels, deployment.spec?.template.metadata?.labels),
        ),
      )
      t.ok(selects(deployment.spec?.selector.matchLabels, deployment.spec?.template.metadata?.labels))
      const unknown = container?.env?.filter(
        ({ name }) => !(name.replace(/_FILE$/, '') in variables || name in variables),
      )
      t.strictSame(unknown, [])
      const named = [container?.envFrom?.[0]?.secretRef?.name, pod.volumes?.[0]?.secret?.secretName]
      if (name === 'minimal' || name === 'everything') t.strictSame(named, secrets)
      else t.strictSame(
        [...secrets, ...named],
        [readYaml(valueFiles.get(name) ?? '').existingSecret, readYaml(valueFiles.get(name) ?? '').existingAppsSecret],
      )
      t.ok(
        all<'ServiceAccount', Manifest>(manifests, 'ServiceAccount').some(
          ({ metadata }) => metadata.name === pod.serviceAccountName,
        ),
      )

      const budgets = all<'PodDisruptionBudget', PodDisruptionBudget>(manifests, 'PodDisruptionBudget')
      t.equal(
        budgets.filter(
          ({ spec }) => selects(spec?.selector?.matchLabels, deployment.spec?.template.metadata?.labels),
        ).length,
        1,
      )
      const scalers = [
        ...all<'HorizontalPodAutoscaler', HorizontalPodAutoscaler>(manifests, 'HorizontalPodAutoscaler'),
        ...all<'ScaledObject', { spec: { scaleTargetRef: { name: string } } }>(manifests, 'ScaledObject'),
      ].filter(({ spec }) => spec?.scaleTargetRef.name === deployment.metadata.name)
      t.equal(
        scalers.length, deployment.spec?.replicas === undefined ? 1 : 0, 'either it scales or it has so many replicas',
      )
    }
    const services = all<'Service', Service>(manifests, 'Service')
    t.strictSame(
      services.map(
        ({ spec }) =>
          deployments.filter(
            ({ spec: { template } = {} }) => selects(spec?.selector, template?.metadata?.labels),
          ).length,
      ),
      [1],
    )
  })
}

t.test('everything: the world reaches the callbacks and the verifications, monitoring both roles', here, async t => {
  const manifests = await render(...valuesFile('everything'))
  const [ingress] = all<'Ingress', Ingress>(manifests, 'Ingress')
  const paths = ingress?.spec?.rules?.flatMap(({ http }) => http?.paths ?? []) ?? []
  t.strictSame(paths.map(({ path }) => path), ['/callbacks', '/verifications', '/webhooks', '/providers'])
  t.match(paths[0]?.backend.service, { name: all(manifests, 'Service')[0]?.metadata.name, port: { name: 'http' } })
  const [policy] = all<'NetworkPolicy', NetworkPolicy>(manifests, 'NetworkPolicy')
  t.match(
    policy?.spec,
    {
      policyTypes: ['Ingress', 'Egress'],
      ingress: [
        { ports: [{ port: 'http' }], from: [{ namespaceSelector: {} }, { podSelector: {} }] },
        { ports: [{ port: 'operations' }], from: [{ namespaceSelector: {} }] },
      ],
    },
  )
  t.strictSame(
    policy?.spec?.egress?.flatMap(({ ports = [] }) => ports.map(({ port }) => port)), [53, 53, 6379, 26379, 443, 8443],
  )

  type PodMonitor = { spec: { selector: { matchLabels: Record<string, string> }, podMetricsEndpoints: object[] } }
  const [monitor] = all<'PodMonitor', PodMonitor>(manifests, 'PodMonitor')
  t.match(
    monitor?.spec.podMetricsEndpoints, [{ port: 'operations', path: '/metrics', interval: '30s' }],
    'on the port of its own',
  )
  const [deployment] = deploymentsOf(manifests)
  t.match(
    deployment?.spec?.template.spec?.containers[0],
    {
      ports: [{ name: 'http', containerPort: 3000 }, { name: 'operations', containerPort: 9464 }],
      image: /^registry\.example\.com\/verigate@sha256:[0-9a-f]{64}$/,
      volumeMounts: [{ name: 'apps' }, { name: 'tmp' }, { name: 'files', mountPath: '/run/secrets/verigate' }],
    },
  )
  t.match(
    deployment?.spec?.template.spec?.containers[0]?.env?.find(({ name }) => name === 'OPERATIONS_PORT'),
    { value: '9464' },
  )
  for (const { spec } of deploymentsOf(manifests)) t.ok(
    selects(monitor?.spec.selector.matchLabels, spec?.template.metadata?.labels),
  )
  const [rule] = all<'PrometheusRule', { spec: object }>(manifests, 'PrometheusRule')
  t.strictSame(rule?.spec, readYaml(join(root, 'ops/prometheus/alerts.yaml')))
  t.ok(JSON.stringify(rule?.spec).includes('"alert"'))
  const dashboard = all<'ConfigMap', ConfigMap>(manifests, 'ConfigMap').find(
    ({ metadata }) => metadata.labels['grafana_dashboard'] === '1',
  )
  t.strictSame(
    JSON.parse(dashboard?.data?.['verigate.json'] ?? ''),
    JSON.parse(readFileSync(join(root, 'ops/grafana/verigate.json'), 'utf8')),
  )

  const { secrets: values, apps } = readYaml(valueFiles.get('everything') ?? '')
  const [environment, appsSecret] = all<'Secret', Secret>(manifests, 'Secret')
  t.strictSame(environment?.stringData, values, 'nothing is lost between values and Secret')
  t.strictSame(JSON.parse(appsSecret?.stringData?.['apps.json'] ?? ''), apps)
})

t.test('by default the metrics have a port of their own, and the pods a network policy', here, async t => {
  const manifests = await render(...valuesFile('minimal'))
  const [policy] = all<'NetworkPolicy', NetworkPolicy>(manifests, 'NetworkPolicy')
  t.strictSame(policy?.spec?.ingress, [
    { ports: [{ port: 'http', protocol: 'TCP' }] },
    { ports: [{ port: 'operations', protocol: 'TCP' }], from: [{ namespaceSelector: {} }] },
  ])
  for (const deployment of deploymentsOf(manifests)) {
    const [container] = podOf(deployment).containers
    const given = Object.fromEntries(container?.env?.map(({ name, value }) => [name, value]) ?? [])
    t.match(given, { OPERATIONS_PORT: '9464', TRUSTED_PROXIES: '10.0.0.0/8' })
  }
  const without = deploymentsOf(await render(...valuesFile('existing-secrets')))
  t.notOk(JSON.stringify(without).includes('TRUSTED_PROXIES'), 'none')
  const files = `${nothingSecret},secrets.REDIS_URL=redis://redis:6379,env.SEAL_KEYS_FILE=/run/secrets/keys`
  const [secret] = all<'Secret', Secret>(await render('--set', files), 'Secret')
  t.strictSame(Object.keys(secret?.stringData ?? {}), ['REDIS_URL'], 'what is in a file is in no variable')
})

t.test('pods restart when their environment changes, and not when the apps do', here, async t => {
  const templatesWith = async (...args: string[]) =>
    deploymentsOf(await render(...valuesFile('minimal'), ...args)).map(({ spec }) => spec?.template)
  const before = await templatesWith()
  t.strictSame(await templatesWith('--set', 'apps[0].name=Other'), before)
  for (
    const changed of await Promise.all(
      [templatesWith('--set', 'secrets.REDIS_URL=redis://other:6379'), templatesWith('--set', 'env.LOG_LEVEL=warn')],
    )
  ) {
    for (const [at, template] of changed.entries()) t.strictNotSame(template, before[at])
  }
})

t.test('the processes start with what their pods are given', here, async t => {
  const redis = await startRedis(t)
  const folder = t.testdir({})
  const values = join(folder, 'values.yaml')
  await writeFile(
    values,
    stringify(
      {
        secrets: {
          REDIS_URL: redis.url, SEAL_KEYS: `k1:${randomBytes(32).toString('base64')}`, OTPLESS_CLIENT_ID: 'x',
          OTPLESS_CLIENT_SECRET: 'x', ACME_KEY: 'x',
        },
      },
    ),
  )
  const manifests = await render(
    ...valuesFile('minimal'), '--values', values, '--set-json', `apps=${JSON.stringify(testApps)}`,
    '--set-json', `providers=${JSON.stringify([provider])}`,
  )
  const [secret, apps] = all<'Secret', Secret>(manifests, 'Secret')
  const appsFile = join(folder, 'apps.json')
  await writeFile(appsFile, apps?.stringData?.['apps.json'] ?? '')
  const providersFile = join(folder, 'providers.json')
  await writeFile(providersFile, apps?.stringData?.['providers.json'] ?? '')
  for (const deployment of deploymentsOf(manifests)) {
    const [{ env = [], volumeMounts = [] } = {}] = podOf(deployment).containers
    const given = { ...secret?.stringData, ...Object.fromEntries(env.map(({ name, value = '' }) => [name, value])) }
    const mountPath = volumeMounts.find(({ name }) => name === 'apps')?.mountPath
    t.equal(given['APPS_FILE'], `${mountPath}/${podOf(deployment).volumes?.[0]?.secret?.items?.[0]?.path}`)
    t.equal(given['PROVIDERS_FILE'], `${mountPath}/${podOf(deployment).volumes?.[0]?.secret?.items?.[1]?.path}`)
    const started = await startListening(t, {
      ...given, HOST: '127.0.0.1', PORT: String(await freePort()), OPERATIONS_PORT: '0', APPS_FILE: appsFile,
      PROVIDERS_FILE: providersFile,
    })
    t.ok(started.logs.some(line => line.includes('"acme.sms"')), 'with the providers of the file')
    const url = await started.listening
    t.equal((await request(`${url}/readyz`)).statusCode, 200)
    const { status } = await clientOf(url, keys.shop).call('GET', '/verifications?reference=x')
    t.equal(
      status, deployment.metadata.labels['app.kubernetes.io/component'] === 'api' ? 200 : 404,
      'only the api serves apps',
    )
  }
})
