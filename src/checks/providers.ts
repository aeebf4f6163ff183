import { randomBytes } from 'node:crypto'
import type { Adapter, AdapterIo, AttemptContext, Provider } from '../adapters/adapter.ts'
import { createHttp } from '../adapters/http.ts'
import { declared } from '../adapters/index.ts'
import { openAdapters, variablesOf } from '../adapters/instances.ts'
import type { Config } from '../config.ts'
import { ProviderError } from '../core/errors.ts'
import type { Reason } from '../core/reasons.ts'
import { hasMark } from '../environment.ts'
import { inspectProvidersFile } from '../providers.ts'
import { messageOf, ok, warning, wrong, type Finding } from './finding.ts'

export type ProviderSettings = Pick<Config, 'settings' | 'allowInsecureProviders'>
  & Partial<Pick<Config, 'providersFile' | 'lookUp'>>

/** The adapters that can be opened, and what was found when they were opened and asked. */
export async function checkProviders (
  given: ProviderSettings, providers: readonly Provider[],
): Promise<{ adapters: Adapter[], findings: Finding[] }> {
  const { settings, allowInsecureProviders: allowInsecure } = given
  const http = createHttp({ allowInsecure })
  const io: AdapterIo = { openHttp: http.openHttp, now: Date.now, randomBytes, allowInsecure }
  try {
    const opened = providers.map(provider => ({ provider, ...open(provider, settings, io) }))
    const ofFile = openFile(given, providers, io)
    const adapters = [...opened.flatMap(({ adapters }) => adapters), ...ofFile.adapters]
    const findings = await Promise.all(opened.map(async ({ provider, adapters, problem }) => {
      if (problem !== null) return [problem]
      if (adapters.length === 0) return [ok(provider.provider, 'off: no credentials')]
      const credentials = Object.entries(variablesOf(provider, settings))
        .filter(([name, schema]) => hasMark(schema, 'isCredential') && name in settings).map(([name]) => name)
      return (await Promise.all(adapters.map(adapter => ask(adapter, credentials)))).flat()
    }))
    const isNone = opened.every(({ adapters, problem }) => adapters.length === 0 && problem === null)
    if (isNone && ofFile.findings.length === 0) {
      const todo = 'none has credentials: set those of one, or PROVIDERS_FILE (docs/configuration.md)'
      findings.push([wrong('providers', todo)])
    }
    return { adapters, findings: [...findings.flat(), ...ofFile.findings] }
  } finally {
    await http.close()
  }
}

function open (
  provider: Provider, settings: ProviderSettings['settings'], io: AdapterIo,
): { adapters: Adapter[], problem: Finding | null } {
  try {
    return { adapters: openAdapters([provider], settings, io), problem: null }
  } catch (error) {
    return { adapters: [], problem: wrong(provider.provider, messageOf(error)) }
  }
}

/** The providers of `PROVIDERS_FILE`: everything that is wrong with it, and what each text costs. */
function openFile (
  { providersFile = null, lookUp = () => null, allowInsecureProviders }: ProviderSettings,
  providers: readonly Provider[], io: AdapterIo,
): { adapters: Adapter[], findings: Finding[] } {
  const subject = 'PROVIDERS_FILE'
  const file = { providersFile, lookUp, allowInsecureProviders }
  const { declared: found, problems } = inspectProvidersFile(file, providers)
  const findings = found.flatMap(({ entry }) => [
    ok(subject, `${entry.name}.${entry.channel}: not called, because a message costs money (npm run provider:test)`),
    ...warningsOf(entry).map(text => warning(subject, `${entry.name}: ${text}`)),
  ])
  return {
    adapters: found.flatMap(({ provider, env }) => provider.open(env, io, provider.provider) ?? []),
    findings: [...problems.map(problem => wrong(subject, problem.trimStart())), ...findings],
  }
}

function warningsOf (entry: declared.Entry): string[] {
  const [code, app] = ['0'.repeat(declared.codeLengthOf(entry)), 'Your app']
  const long = Object.entries(entry.text ?? {}).filter(([, text]) =>
    declared.segmentsOf(text.replaceAll('{code}', code).replaceAll('{app}', app)).segments > 1)
  return [
    ...long.map(([locale]) => `text/${locale} is sent in several parts, each of which is paid`),
    ...code.length < 6 ? ['codeLength is below 6, so only apps with "weakCodes": true can use it'] : [],
  ]
}

const nobody: AttemptContext = {
  id: 'att_check', method: '', phoneNumber: null, options: {}, locale: null, device: {}, state: null, startedAt: 0,
  expiresAt: 0, callbackKey: '', callbackUrl: '', redirectUrl: null, redirectKey: null,
  app: { name: 'check', host: null }, code: { make: () => ({ code: '', hash: '' }), matches: () => false },
}

async function ask ({ provider, probes = {}, acceptsAnySender }: Adapter, credentials: string[]): Promise<Finding[]> {
  const findings = await Promise.all(Object.entries(probes).map(async ([name, probe]) => {
    try {
      await probe(nobody)
      return ok(provider, `${name}: accepted`)
    } catch (error) {
      return wrong(provider, `${name}: ${describe(error, credentials)}`)
    }
  }))
  if (acceptsAnySender === true) {
    findings.push(warning(provider, 'callbacks of any sender are accepted: set the key of the registered callback URL'))
  }
  return findings.length > 0 ? findings : [ok(provider, 'on; not called, because no call is free of charge')]
}

/** What the provider answered, and what to do about it. */
function describe (error: unknown, credentials: readonly string[]): string {
  if (!(error instanceof ProviderError)) return messageOf(error)
  const { status = null, code = null, text = null } = error.vendor ?? {}
  const said = [status, code, text === null ? null : `"${text}"`].filter(part => part !== null).join(' ')
  return `${said === '' ? error.reason : `${error.reason} (${said})`}: ${adviceOf(error.reason, status, credentials)}`
}

function adviceOf (reason: Reason, status: number | null, credentials: readonly string[]): string {
  if (reason === 'provider_misconfigured') return `check ${credentials.join(', ')}, and the account's credit and rights`
  if (reason === 'rate_limited_by_provider') return 'the account makes too many requests: try again later'
  if (status === null) return 'check DNS, firewall and proxy, and the URL of the provider'
  return 'try again; if it fails again, ask the provider, and name the time'
}
