import { readFileSync } from 'node:fs'
import { isIP } from 'node:net'
import { Type } from 'typebox'
import { Settings } from 'typebox/system'
import Value from 'typebox/value'
import type { FieldError } from '../core/errors.ts'
import { noCountry } from '../core/vocabulary.ts'
import { App } from './apps.ts'
import { allowsAddress, readSecret, readWebhookUrl } from './endpoint.ts'
import { allowsReturnUrl } from './return-urls.ts'

/** What a value must be besides its shape: facts that other rooms know. */
export type AppsFileChecks = {
  /** ISO 3166-1 alpha-2. */
  countries?: ReadonlySet<string>
  /** Whether a create would accept the text as a number. */
  isPhoneNumber?: (text: string) => boolean
  /** What is wrong with the workflow of an app: a method or an option that does not exist. */
  findWorkflowProblem?: (app: App) => FieldError | null
}

type Problem = { path: string, message: string }

const Apps = Type.Array(App)

/** A test number in the path of a problem, without its last two digits. */
const testNumber = /(?<=\/testNumbers\/)[^/]*?(?=\d\d[^\d/]*?(?:\/| must))/

/**
 * Reads `APPS_FILE`, and refuses values that can never work. Throws an `Error` that names the variable and the path in
 * the file, and shows no value, because it is logged. Of a test number in the path it shows the last two digits.
 */
export function readAppsFile (path: string, checks: AppsFileChecks = {}): App[] {
  const { apps, problems: [first] } = inspectApps(readText(path), checks)
  if (first !== undefined) throw new Error(`APPS_FILE${first.replace(testNumber, '…')}`)
  return apps
}

/** The apps of the file, without checks that need the providers; null: it cannot be read, or is wrong. */
export function inspectAppsFile (path: string): App[] | null {
  try {
    const { apps, problems } = inspectApps(readText(path))
    return problems.length > 0 ? null : apps
  } catch {
    return null
  }
}

/**
 * The apps in the text of an apps file, and everything that is wrong with them: each begins with its path in the file
 * (`/0/keys/1/expiresAt …`), or with a blank where it has none. With a wrong shape there are no apps.
 */
export function inspectApps (text: string, checks: AppsFileChecks = {}): { apps: App[], problems: string[] } {
  let parsed: unknown
  try {
    // Editors of Windows begin a file with a byte order mark.
    parsed = JSON.parse(text.replace(/^\uFEFF/, ''))
  } catch (error) {
    return { apps: [], problems: [` cannot be read: it is not JSON${placeOf(error)}`] }
  }
  const misshapen = problemsOfShape(parsed)
  if (misshapen.length > 0) return { apps: [], problems: misshapen }
  const apps = Value.Parse(Apps, parsed)
  const hashes = apps.flatMap(app => app.keys.map(key => key.sha256.toLowerCase()))
  return {
    apps,
    problems: [
      ...apps.flatMap((app, index) =>
        problemsOf(app, checks).map(({ path, message }) => `/${index}/${path} ${message}`)),
      ...hasRepeated(apps.map(app => app.id)) ? [' has two apps with the same id'] : [],
      ...hasRepeated(hashes) ? [' has the same key twice'] : [],
    ],
  }
}

/** TypeBox stops at a number of errors of one value, so each app is a value of its own. */
function problemsOfShape (parsed: unknown): string[] {
  if (!Array.isArray(parsed)) return [' must be an array']
  return parsed.flatMap((app, index) => {
    const errors = Value.Errors(App, app)
    return [
      ...new Set(errors.map(({ instancePath, message }) => `/${index}${instancePath} ${message}`)),
      ...errors.length < Settings.Get().maxErrors ? [] : [`/${index} may have more problems than these`],
    ]
  })
}

const hasRepeated = (texts: readonly string[]): boolean => new Set(texts).size < texts.length

function readText (path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    throw new Error(`APPS_FILE cannot be read: ${error instanceof Error && 'code' in error ? error.code : 'unknown'}`)
  }
}

/** Where JSON is wrong. The rest of the message quotes the text, which may be private. */
const placeOf = (error: unknown): string =>
  error instanceof Error ? / \(line \d+ column \d+\)/.exec(error.message)?.[0] ?? '' : ''

/** Everything in an app that has the right shape and still can never work. */
function problemsOf (app: App, { countries, isPhoneNumber, findWorkflowProblem }: AppsFileChecks): Problem[] {
  const { keys, webhook, allowedOrigins, allowedReturnUrls, allowedCountries, deniedCountries } = app
  const isCountry = (code: string): boolean => code === noCountry || countries?.has(code) !== false
  const country = 'must be a country code of ISO 3166-1 (GB, not UK), or 001'
  const wrongStep = app.workflow === undefined ? null : findWorkflowProblem?.(app) ?? null
  return [
    ...refused('keys', keys, ({ expiresAt }) => expiresAt === undefined || isTime(expiresAt), [
      '/expiresAt', 'must be an RFC 3339 time that exists, for example 2030-01-31T00:00:00Z',
    ]),
    ...hasRepeated(keys.flatMap(({ id }) => id ?? [])) ? [{ path: 'keys', message: 'must have different ids' }] : [],
    ...refused('allowedOrigins', allowedOrigins, isOrigin, [
      '', 'must be an origin as browsers send it, for example https://shop.example: no path, no /, no *',
    ]),
    ...refused('allowedReturnUrls', allowedReturnUrls, text => isReturnUrl(app, text), [
      '', 'must be a URL in its canonical spelling, without user info, fragment and *',
    ]),
    ...refused('allowedCountries', allowedCountries, isCountry, ['', country]),
    ...refused('deniedCountries', deniedCountries, isCountry, ['', country]),
    ...webhook === undefined ? [] : problemsOfWebhook(webhook),
    ...problemsOfTestNumbers(app, isPhoneNumber),
    ...wrongStep === null ? [] : [{ path: wrongStep.field, message: wrongStep.message }],
  ]
}

/** The items that do not pass, each with its path. */
const refused = <Item>(
  list: string, items: readonly Item[] | undefined, passes: (item: Item) => boolean,
  [member, message]: [member: string, message: string],
): Problem[] =>
  (items ?? []).flatMap((item, index) => passes(item) ? [] : [{ path: `${list}/${index}${member}`, message }])

function problemsOfWebhook ({ url, secrets }: NonNullable<App['webhook']>): Problem[] {
  const address = readWebhookUrl(url)
  const host = address?.hostname.replace(/^\[|\]$/g, '') ?? ''
  const isReachable = address !== null && (isIP(host) === 0 || allowsAddress(address.protocol, host))
  const message = 'must be an https URL (http only to private addresses) without user info, not to a link-local address'
  return [
    ...isReachable ? [] : [{ path: 'webhook/url', message }],
    ...refused('webhook/secrets', secrets, secret => readSecret(secret) !== null, [
      '', 'must be whsec_ and the base64 of 24 to 64 bytes',
    ]),
  ]
}

const maxTestDays = 90
const minCodeLength = 6

/** The path names the number, because nothing else names the entry. */
function problemsOfTestNumbers (
  { testNumbers = {}, weakCodes = false }: App, isPhoneNumber: AppsFileChecks['isPhoneNumber'],
): Problem[] {
  const until = Date.now() + maxTestDays * 86_400_000
  return Object.entries(testNumbers).flatMap(([number, { code, expiresAt }]) => {
    const path = `testNumbers/${number}`
    return [
      ...isPhoneNumber?.(number) === false ? [{ path, message: 'must be an E.164 number with a leading +' }] : [],
      ...code.length < minCodeLength && !weakCodes
        ? [{ path: `${path}/code`, message: `must have at least ${minCodeLength} digits without "weakCodes": true` }]
        : [],
      ...isTime(expiresAt) && Date.parse(expiresAt) <= until
        ? []
        : [{ path: `${path}/expiresAt`, message: `must be an RFC 3339 time at most ${maxTestDays} days ahead` }],
    ]
  })
}

/** Whether a browser can send this text as `Origin`; apps on devices have their own schemes. */
function isOrigin (text: string): boolean {
  const url = URL.parse(text)
  return url !== null && url.host !== '' && !text.includes('*') && text === `${url.protocol}//${url.host}`
}

/** An entry that does not allow itself allows nothing. */
const isReturnUrl = (app: App, text: string): boolean =>
  !text.includes('*') && allowsReturnUrl({ ...app, allowedReturnUrls: [text] }, text)

const timePattern = /^(\d{4}-\d\d-\d\d)T\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)$/i

/** RFC 3339; JavaScript alone would read February 30 as a day in March. */
function isTime (text: string): boolean {
  const [, date = ''] = timePattern.exec(text) ?? []
  const midnight = new Date(`${date}T00:00:00Z`)
  return !Number.isNaN(midnight.getTime()) && midnight.toISOString().startsWith(date)
    && !Number.isNaN(Date.parse(text))
}
