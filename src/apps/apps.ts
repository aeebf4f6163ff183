import { hash, timingSafeEqual } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { Type, type Static } from 'typebox'
import Value from 'typebox/value'
import { assuranceLevels } from '../core/assurance.ts'
import { webhookEventTypes } from '../core/vocabulary.ts'
import { readSecret, readWebhookUrl } from './endpoint.ts'

export const scopes = [
  'verifications:read', 'verifications:write', 'webhooks:read', 'webhooks:write', 'providers:read', 'operations:read',
] as const
export type Scope = typeof scopes[number]

const closed = { additionalProperties: false }

/** One item of a workflow: `"truid.phone_check"` or `{ method, timeoutSeconds?, options? }`. */
export const WorkflowItem = Type.Union([
  Type.String({ pattern: '^[a-z]+(-[a-z0-9]+)?\\.[a-z_]+$', maxLength: 64 }),
  Type.Object({
    method: Type.String({ pattern: '^[a-z]+(-[a-z0-9]+)?\\.[a-z_]+$', maxLength: 64 }),
    timeoutSeconds: Type.Optional(Type.Integer({ minimum: 1, maximum: 3600 })),
    options: Type.Optional(Type.Record(Type.String({ maxLength: 64 }), Type.Unknown())),
  }, closed),
])
export type WorkflowItem = Static<typeof WorkflowItem>

const maxCount = () => Type.Optional(Type.Union([Type.Integer({ minimum: 1 }), Type.Null()]))

/** The limits of an app; null means no limit. An hour starts with the first request that is counted. */
export const Limits = Type.Object({
  requestsPerMinute: maxCount(),
  createsPerMinute: maxCount(),
  createsPerNumberPerHour: maxCount(),
  /** Over all verifications of the number: a new code does not reset the count. */
  wrongCodesPerNumberPerHour: maxCount(),
  wrongCodesPerNumberPerDay: maxCount(),
  messagesPerAppPerHour: maxCount(),
  /** Per `device.ip`; an IPv6 /64 network counts as one address. */
  createsPerIpPerHour: maxCount(),
  /** The prefix is the number without its last four digits. */
  createsPerPrefixPerHour: maxCount(),
  createsPerCountryPerHour: maxCount(),
}, closed)
export type LimitName = keyof Static<typeof Limits>

/** ISO 3166-1 alpha-2, or `001` for numbers that belong to no country (satellite and other global services). */
const Country = Type.String({ pattern: '^([A-Z]{2}|001)$' })

/** One app of `APPS_FILE`. */
export const App = Type.Object({
  id: Type.String({ pattern: '^[A-Za-z0-9_-]{1,64}$' }),
  name: Type.String({ minLength: 1, maxLength: 200 }),
  keys: Type.Array(Type.Object({
    sha256: Type.String({ pattern: '^[0-9a-fA-F]{64}$' }),
    scopes: Type.Array(Type.Enum(scopes)),
  }, closed)),
  workflow: Type.Optional(Type.Array(WorkflowItem, { minItems: 1, maxItems: 10 })),
  allowedCountries: Type.Optional(Type.Array(Country)),
  deniedCountries: Type.Optional(Type.Array(Country)),
  /** `monitor`: creates that the lists would refuse are only counted and logged. */
  countryMode: Type.Optional(Type.Enum(['enforce', 'monitor'])),
  /** Refuses messages to a country that far exceed its verified traffic; see `unverified-budget.ts`. */
  unverifiedBudget: Type.Optional(Type.Object({
    mode: Type.Enum(['off', 'monitor', 'enforce']),
    share: Type.Optional(Type.Number({ minimum: 0, maximum: 100 })),
    leastPerDay: Type.Optional(Type.Integer({ minimum: 0 })),
  }, closed)),
  allowedReturnUrls: Type.Optional(Type.Array(Type.String({ maxLength: 2048 }))),
  allowedOrigins: Type.Optional(Type.Array(Type.String({ maxLength: 2048 }))),
  webhook: Type.Optional(Type.Object({
    url: Type.String({ maxLength: 2048 }),
    secrets: Type.Array(Type.String(), { minItems: 1, maxItems: 5 }),
    events: Type.Optional(Type.Array(Type.Enum([...webhookEventTypes]))),
  }, closed)),
  limits: Type.Optional(Limits),
  includeProfile: Type.Optional(Type.Boolean()),
  /** Of creates that name none. */
  minAssurance: Type.Optional(Type.Enum([...assuranceLevels])),
}, closed)
export type App = Static<typeof App>

export type Apps = {
  /** The app of an API key, and the id and the scopes of the key; null for an unknown key. */
  byKey (key: string): { app: App, keyId: string, scopes: ReadonlySet<string> } | null
  byId (id: string): App | null
  all (): Iterable<App>
  /** Replaces all apps. */
  replace (apps: App[]): void
}

/** The API key and the id of the sandbox app. */
export const sandboxKey = 'vgk_sandbox'
export const sandboxAppId = 'sandbox'

/** The app of the sandbox. */
export function sandboxApp (publicUrl: string): App {
  return {
    id: sandboxAppId, name: 'Sandbox', includeProfile: true, allowedReturnUrls: [`${publicUrl}/`, 'http://localhost/'],
    keys: [{ sha256: hashKey(sandboxKey), scopes: [...scopes] }],
    // Developers use the same few numbers again and again.
    limits: {
      createsPerNumberPerHour: null, wrongCodesPerNumberPerHour: null, wrongCodesPerNumberPerDay: null,
      createsPerPrefixPerHour: null,
    },
    unverifiedBudget: { mode: 'off' },
  }
}

/** SHA-256 of an API key, in hex. A key has 256 random bits, so that a slow hash is not needed. */
export const hashKey = (key: string): string => hash('sha256', key, 'hex')

/** Looks keys up by the first digits of their hash, and compares in constant time, so that timing reveals no key. */
export function createApps (initial: App[]): Apps {
  type Key = { hash: Buffer, app: App, keyId: string, scopes: ReadonlySet<string> }
  let keys = new Map<string, Key[]>()
  let ids = new Map<string, App>()
  const replace = (apps: App[]): void => {
    ids = new Map(apps.map(app => [app.id, app]))
    const all = apps.flatMap(app => app.keys.map(
      ({ sha256, scopes }): Key => {
        const hash = Buffer.from(sha256, 'hex')
        return { hash, app, keyId: prefixOf(hash.toString('hex')), scopes: new Set<string>(scopes) }
      },
    ))
    keys = Map.groupBy(all, ({ hash }) => prefixOf(hash.toString('hex')))
  }
  replace(initial)
  return {
    byKey: key => {
      const wanted = hashKey(key)
      return keys.get(prefixOf(wanted))?.find(({ hash }) => timingSafeEqual(hash, Buffer.from(wanted, 'hex'))) ?? null
    },
    byId: id => ids.get(id) ?? null,
    all: () => ids.values(),
    replace,
  }
}

const prefixOf = (hash: string): string => hash.slice(0, 8)

/** Reads `APPS_FILE`. Throws an `Error` that names the variable and the path in the file, and shows no value. */
export function readAppsFile (path: string): App[] {
  const parsed = parseFile(path)
  const [problem] = Value.Errors(Type.Array(App), parsed)
  if (problem !== undefined) throw new Error(`APPS_FILE${problem.instancePath} ${problem.message}`)
  const apps = Value.Parse(Type.Array(App), parsed)
  for (const [index, { webhook }] of apps.entries()) {
    if (webhook !== undefined) assertWebhook(webhook, `APPS_FILE/${index}/webhook`)
  }
  if (new Set(apps.map(app => app.id)).size < apps.length) throw new Error('APPS_FILE has two apps with the same id')
  const hashes = apps.flatMap(app => app.keys.map(key => key.sha256.toLowerCase()))
  if (new Set(hashes).size < hashes.length) throw new Error('APPS_FILE has the same key twice')
  return apps
}

function parseFile (path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, 'utf8'))
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown'
    throw new Error(`APPS_FILE cannot be read: ${error instanceof SyntaxError ? 'it is not JSON' : code}`)
  }
}

function assertWebhook ({ url, secrets }: NonNullable<App['webhook']>, path: string): void {
  if (readWebhookUrl(url) === null) {
    throw new Error(`${path}/url must be an https URL (http only to private addresses) without user info`)
  }
  const invalid = secrets.findIndex(secret => readSecret(secret) === null)
  if (invalid >= 0) throw new Error(`${path}/secrets/${invalid} must be whsec_ and the base64 of 24 to 64 bytes`)
}
