import { readFileSync } from 'node:fs'
import { parseArgs, parseEnv } from 'node:util'
import { collectMethods } from './adapters/guard.ts'
import type { Provider } from './adapters/adapter.ts'
import { providers as allProviders } from './adapters/index.ts'
import { variablesOf } from './adapters/instances.ts'
import { checkApps, checkPublicUrl } from './checks/addresses.ts'
import { messageOf, ok, warning, wrong, type Finding } from './checks/finding.ts'
import { checkProviders } from './checks/providers.ts'
import { checkRedis } from './checks/redis.ts'
import { readConfig, type Config } from './config.ts'
import type { Environment } from './environment.ts'
import { createAppsFileChecks } from './verifications/apps-file-checks.ts'

/**
 * Looks at everything that a process with this environment needs: Redis, the apps file, each provider by a call that is
 * free of charge, and the addresses. Changes nothing and starts nothing.
 */
export async function checkInstallation (
  environment: Environment, providers: readonly Provider[] = allProviders,
): Promise<Finding[]> {
  let config: Config
  try {
    config = readConfig(environment, providers)
  } catch (error) {
    return messageOf(error, 'Configuration').split('; ').map(text => wrong('configuration', text))
  }
  const { role, sandbox, appsFile } = config
  const [redis, asked, publicUrl] = await Promise.all([
    checkRedis(config),
    sandbox ? { adapters: [], findings: [ok('providers', 'simulated')] } : checkProviders(config, providers),
    sandbox ? [] : checkPublicUrl(config),
  ])
  const apps = appsFile === null
    ? []
    : await checkApps(appsFile, createAppsFileChecks(collectMethods(asked.adapters)))
  return [
    ok('configuration', `${sandbox ? 'sandbox' : 'production'}, role ${role}`), ...findUnknown(environment, providers),
    ...redis, ...apps, ...asked.findings,
    ...publicUrl,
  ]
}

/** Variables that begin like those of a provider, but are not among them: they are misspelt. */
function findUnknown (environment: Environment, providers: readonly Provider[]): Finding[] {
  return providers.flatMap(provider => {
    const known = Object.keys(variablesOf(provider, environment)).flatMap(name => [name, `${name}_FILE`])
    return Object.keys(environment)
      .filter(name => name.startsWith(`${provider.provider.toUpperCase()}_`) && !known.includes(name))
      .map(name => warning(name, 'is not a variable of Verigate: see docs/configuration.md'))
  })
}

/** One line for each finding, those that are wrong last. */
export function writeFindings (findings: readonly Finding[]): string {
  const rank = { ok: 0, warning: 1, wrong: 2 }
  const width = Math.max(...findings.map(({ subject }) => subject.length))
  return findings.toSorted((a, b) => rank[a.verdict] - rank[b.verdict])
    .map(({ verdict, subject, text }) => `${verdict.padEnd(7)}  ${subject.padEnd(width)}  ${text}\n`).join('')
}

/**
 * The command `check`: writes the findings, and returns the exit code. Variables of the environment override those of
 * `--env-file`.
 */
export async function runCheck (
  environment: Environment, args: string[], write: (text: string) => void,
): Promise<0 | 1> {
  const { values: { 'env-file': files = [] } } = parseArgs({
    args, options: { 'env-file': { type: 'string', multiple: true } },
  })
  const given = files.map(file => parseEnv(readFileSync(file, 'utf8')))
  const findings = await checkInstallation(Object.assign({}, ...given, environment))
  write(writeFindings(findings))
  return findings.some(({ verdict }) => verdict === 'wrong') ? 1 : 0
}
