import { lookup } from 'node:dns/promises'
import { request } from 'undici'
import { summarizeApps } from '../api/operations/summary.ts'
import { allowsAddress, readWebhookUrl } from '../apps/endpoint.ts'
import { readAppsFile, type AppsFileChecks } from '../apps/apps-file.ts'
import type { App } from '../apps/apps.ts'
import type { Config } from '../config.ts'
import { isPrivateHost, withDeadline } from '../net.ts'
import { messageOf, ok, warning, wrong, type Finding } from './finding.ts'

const deadlineMs = 5_000

/** The apps file, its keys, and whether each webhook has an address that is allowed. */
export async function checkApps (path: string, checks: AppsFileChecks, now = Date.now()): Promise<Finding[]> {
  let apps: App[]
  try {
    apps = readAppsFile(path, checks)
  } catch (error) {
    return [wrong('APPS_FILE', messageOf(error, 'APPS_FILE'))]
  }
  const { keys, expiredKeys } = summarizeApps(apps, now)
  return [
    ok('APPS_FILE', `apps: ${apps.length}, keys: ${keys}`),
    ...keys === 0 ? [warning('APPS_FILE', 'has no key, so nobody can call the API: npm run -s apps -- add')] : [],
    ...expiredKeys.map(key => warning('APPS_FILE', `the key ${key} has expired: remove it`)),
    ...(await Promise.all(apps.map(checkWebhook))).flat(),
  ]
}

async function checkWebhook ({ id, webhook }: App): Promise<Finding[]> {
  const subject = `webhook of ${id}`
  const url = readWebhookUrl(webhook?.url ?? '')
  if (url === null) return []
  try {
    const host = url.hostname.replace(/^\[|\]$/g, '')
    const addresses = await withDeadline(
      deadlineMs, () => new Error('no answer of the resolver'), lookup(host, { all: true }),
    )
    const refused = addresses.find(({ address }) => !allowsAddress(url.protocol, address))
    return refused === undefined
      ? [ok(subject, `${url.origin} resolves`)]
      : [wrong(subject, `${url.origin} resolves to an address that is not allowed: https, and no link-local address`)]
  } catch (error) {
    return [wrong(subject, `${url.origin} does not resolve (${codeOf(error)}): correct the URL, or the resolver here`)]
  }
}

/** The proxy may be unreachable from inside, so only an invalid certificate is certainly wrong. */
export async function checkPublicUrl (
  { publicUrl, trustedProxies, warnings }: Pick<Config, 'publicUrl' | 'trustedProxies' | 'warnings'>,
): Promise<Finding[]> {
  const subject = 'PUBLIC_URL'
  const url = new URL(publicUrl)
  const found = warnings.map(text => {
    const [name = '', ...rest] = text.split(' ')
    return warning(name, rest.join(' '))
  })
  if (url.protocol === 'https:' && trustedProxies.length === 0) {
    found.push(warning('TRUSTED_PROXIES', 'is not set, and https ends at a proxy: set its addresses'))
  }
  if (isPrivateHost(url.hostname)) {
    return [warning(subject, 'is a local address: providers cannot call it'), ...found]
  }
  try {
    const signal = AbortSignal.timeout(deadlineMs)
    const { statusCode, headers, body } = await request(`${publicUrl}/verifications/check`, { signal })
    await body.dump()
    const isOurs = headers['x-request-id'] !== undefined && statusCode === 401
    const answer = isOurs
      ? ok(subject, 'reaches a gateway')
      : warning(subject, `answers ${statusCode}, not as a gateway: start it, forward /callbacks and /verifications`)
    return [answer, ...found]
  } catch (error) {
    const code = codeOf(error)
    return [/CERT|ALTNAME|SELF_SIGNED|UNABLE_TO/.test(code)
      ? wrong(subject, `has no valid certificate (${code}): providers refuse to call it`)
      : warning(subject, `is not reachable from here (${code}): check from outside that providers reach it`), ...found]
  }
}

const codeOf = (error: unknown): string =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : messageOf(error)
