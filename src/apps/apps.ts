import { hash, timingSafeEqual } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { Type, type Static } from 'typebox'
import Value from 'typebox/value'
import { webhookEventTypes } from '../core/vocabulary.ts'
import { readSecret, readWebhookUrl } from './endpoint.ts'

export const scopes = [
  'verifications:read', 'verifications:write', 'webhooks:read', 'webhooks:write', 'providers:read', 'operations:read',
] as const
export type Scope = typeof scopes[number]

const closed = { additionalProperties: false }

/** One item of a workflow, as apps write it: `"truid.phone_check"` or `{ method, timeoutSeconds?, options? }`. */
export const WorkflowItem = Type.Union([
  Type.String({ pattern: '^[a-z]+(-[a-z0-9]+)?\\.[a-z_]+$', maxLength: 64 }),
  Type.Object({
    method: Type.String({ pattern: '^[a-z]+(-[a-z0-9]+)?\\.[a-z_]+$', maxLength: 64 }),
    timeoutSeconds: Type.Optional(Type.Integer({ minimum: 1, maximum: 3600 })),
    options: Type.Optional(Type.Record(Type.String({ maxLength: 64 }), Type.Unknown())),
  }, closed),
])
export type WorkflowItem = Static<typeof WorkflowItem>

const most = () => Type.Optional(Type.Union([Type.Integer({ minimum: 1 }), Type.Null()]))

/** How much an app may ask for; null is no limit. Those per hour count from the first one on. */
export const Limits = Type.Object({
  requestsPerMinute: most(),
  createsPerMinute: most(),
  createsPerNumberPerHour: most(),
  /** Whatever the verification: asking for a new code does not begin anew. */
  wrongCodesPerNumberPerHour: most(),
  /** By `device.ip`; an IPv6 network of 64 bits counts as one. */
  createsPerIpPerHour: most(),
  /** A prefix is the number without its last four digits. */
  createsPerPrefixPerHour: most(),
  createsPerCountryPerHour: most(),
}, closed)
export type LimitName = keyof Static<typeof Limits>

/**
 * ISO 3166-1 alpha-2, or `001` for numbers of no country (satellite and other global services, and ranges that no
 * country has).
 */
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
  /** `monitor`: creates that the lists would refuse are counted and logged only. */
  countryMode: Type.Optional(Type.Enum(['enforce', 'monitor'])),
  /** Refuses creates of a country that run far above its verified traffic; see `budget.ts`. */
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
}, closed)
export type App = Static<typeof App>

export type Apps = {
  /** The app of an API key, and what that key may do; null when no app has it. */
  byKey (key: string): { app: App, scopes: ReadonlySet<string> } | null
  byId (id: string): App | null
  all (): Iterable<App>
  /** Puts another set in place of this one. */
  replace (apps: App[]): void
}

/** API key of the sandbox's app. */
export const sandboxKey = 'vgk_sandbox'

/** The sandbox's app. */
export function sandboxApp (publicUrl: string): App {
  return {
    id: 'sandbox', name: 'Sandbox', includeProfile: true, allowedReturnUrls: [`${publicUrl}/`, 'http://localhost/'],
    keys: [{ sha256: hashKey(sandboxKey), scopes: [...scopes] }],
    // Who tries things out takes the same number again and again.
    limits: { createsPerNumberPerHour: null, wrongCodesPerNumberPerHour: null, createsPerPrefixPerHour: null },
  }
}

/** SHA-256 of an API key, in hex: it has 256 random bits, so no slow hash is needed. */
export const hashKey = (key: string): string => hash('sha256', key, 'hex')

/**
 * Keys are found by the beginning of their hash and compared in constant time: nothing can be learnt from how long it
 * takes.
 */
export function createApps (initial: App[]): Apps {
  type Known = { hash: Buffer, app: App, scopes: ReadonlySet<string> }
  let keys = new Map<string, Known[]>()
  let ids = new Map<string, App>()
  const replace = (apps: App[]): void => {
    ids = new Map(apps.map(app => [app.id, app]))
    const known = apps.flatMap(
      app =>
        app.keys.map(
          ({ sha256, scopes }): Known => ({ hash: Buffer.from(sha256, 'hex'), app, scopes: new Set<string>(scopes) }),
        ),
    )
    keys = Map.groupBy(known, ({ hash }) => beginningOf(hash.toString('hex')))
  }
  replace(initial)
  return {
    byKey: key => {
      const asked = hashKey(key)
      return keys.get(beginningOf(asked))?.find(({ hash }) => timingSafeEqual(hash, Buffer.from(asked, 'hex'))) ?? null
    },
    byId: id => ids.get(id) ?? null,
    all: () => ids.values(),
    replace,
  }
}

const beginningOf = (hash: string): string => hash.slice(0, 8)

/** Reads `APPS_FILE`. Throws an `Error` that names the variable and the place in the file, and shows no value. */
export function readAppsFile (path: string): App[] {
  let parsed: unknown
  try {
    parsed = JSON.parse(readFileSync(path, 'utf8'))
  } catch (error) {
    throw new Error(
      `APPS_FILE cannot be read: ${error instanceof SyntaxError ? 'it is not JSON' : (error as NodeJS.ErrnoException).code ?? 'unknown'}`,
    )
  }
  const [problem] = Value.Errors(Type.Array(App), parsed)
  if (problem !== undefined) throw new Error(`APPS_FILE${problem.instancePath} ${problem.message}`)
  const apps = Value.Parse(Type.Array(App), parsed)
  for (const [at, { webhook }] of apps.entries()) {
    if (webhook === undefined) continue
    const place = `APPS_FILE/${at}/webhook`
    if (readWebhookUrl(webhook.url) === null) throw new Error(
      `${place}/url must be an https URL (http only to private addresses) without user info`,
    )
    const wrong = webhook.secrets.findIndex(secret => readSecret(secret) === null)
    if (wrong >= 0) throw new Error(`${place}/secrets/${wrong} must be whsec_ and the base64 of 24 to 64 bytes`)
  }
  if (new Set(apps.map(app => app.id)).size < apps.length) throw new Error('APPS_FILE has two apps with the same id')
  const hashes = apps.flatMap(app => app.keys.map(key => key.sha256.toLowerCase()))
  if (new Set(hashes).size < hashes.length) throw new Error('APPS_FILE has the same key twice')
  return apps
}
