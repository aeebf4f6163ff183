import { execFile, execFileSync } from 'node:child_process'
import { globSync, readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { basename, join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { parse, parseAllDocuments } from 'yaml'

export const root = resolve(import.meta.dirname, '../..')
export const chart = join(root, 'helm/verigate')

/** The files of values that the tests render the chart with, by name. */
export const valueFiles: ReadonlyMap<string, string> =
  new Map(
    globSync('values/*.yaml', { cwd: import.meta.dirname }).sort().map(
      path => [basename(path, '.yaml'), join(import.meta.dirname, path)],
    ),
  )

/** Values that the schema must refuse, and what each is. */
export const wrongValues: readonly (readonly [why: string, values: object])[] = [
  ['a name that there is not', { replicas: 3 }],
  ['nor inside', { api: { replica: 3 } }],
  ['no pod', { api: { replicas: 0 } }],
  ['an address that is none', { publicUrl: 'verify.example.com' }],
  ['a variable that is no string', { env: { RETENTION_SECONDS: 3600 } }],
  ['a variable that is the chart\'s own', { env: { ROLE: 'all' } }],
  ['a port that no probe, monitor or policy of the chart knows', { env: { OPERATIONS_PORT: '3001' } }],
  [
    'a second delay beside preStopSeconds, which the grace period does not know',
    { extraEnv: [{ name: 'SHUTDOWN_DELAY_SECONDS', value: '15' }] },
  ],
  ['the sandbox, which is one process', { env: { SANDBOX: 'true' } }],
  ['a secret in clear text', { env: { TRUID_CLIENT_SECRET: 'x' } }],
  ['seal keys in clear text', { env: { SEAL_KEYS: 'k1:x' } }],
  ['proxies in clear text beside trustedProxies', { env: { TRUSTED_PROXIES: '10.0.0.0/8' } }],
  ['proxies that are no networks', { trustedProxies: 'my-proxy' }],
  ['a digest that is none', { image: { digest: 'latest' } }],
  ['Truecaller without a callback key', { secrets: { TRUECALLER_APP_KEY: 'x' } }],
  ['a port of operations for nobody', { networkPolicy: { operationsFrom: [] } }],
  ['a mount without a path', { extraVolumeMounts: [{ name: 'files' }] }],
  ['a list item without a name', { extraEnv: [{ value: 'x' }] }],
  ['an app without keys', { apps: [{ id: 'shop', name: 'Shop' }] }],
  ['a provider without a request', { providers: [{ name: 'acme', channel: 'sms' }] }],
  ['metrics for the world', { ingress: { enabled: true, host: 'verify.example.com', paths: ['/metrics'] } }],
  ['all for the world', { ingress: { enabled: true, host: 'verify.example.com', paths: ['/'] } }],
  ['an ingress without a host', { ingress: { enabled: true, host: '' } }],
  ['KEDA without a trigger', { worker: { autoscaling: { enabled: true, keda: { enabled: true, triggers: [] } } } }],
]

/** The path of helm, or null. `go install` puts it where the second look is. */
export const helm: string | null = ['helm', join(homedir(), 'go/bin/helm')].find(path => {
  try {
    execFileSync(path, ['version'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}) ?? null

/**
 * Runs helm for the chart; both outputs, and whether it succeeded. A helm that was not built by its makers takes the
 * cluster to be very old.
 */
export async function runHelm (
  command: 'lint' | 'template', args: readonly string[],
): Promise<{ ok: boolean, stdout: string, stderr: string }> {
  const words = command === 'lint' ? ['lint', '--strict', chart] : ['template', 'test', chart]
  try {
    return { ok: true, ...await promisify(execFile)(helm ?? '', [...words, '--kube-version', '1.30.0', ...args]) }
  } catch (error) {
    const output = error instanceof Error && 'stderr' in error && 'stdout' in error
      ? error
      : { stdout: '', stderr: String(error) }
    return { ok: false, stdout: String(output.stdout), stderr: String(output.stderr) }
  }
}

/** What the chart says with these values. */
export async function render (...args: string[]): Promise<Manifest[]> {
  const { ok, stdout, stderr } = await runHelm('template', args)
  if (!ok) throw new Error(stderr)
  return parseAllDocuments(stdout).map(document => document.toJS()).filter(manifest => manifest !== null)
}

/** A Kubernetes object: what all have; the tests say which kind they look at. */
export type Manifest = { apiVersion: string, kind: string, metadata: { name: string, labels: Record<string, string> } }

export const readYaml = (path: string) => parse(readFileSync(path, 'utf8'))
