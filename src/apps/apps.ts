import { hash, timingSafeEqual } from 'node:crypto'
import { Type, type Static } from 'typebox'
import { assuranceLevels } from '../core/assurance.ts'
import { specialNumberTypes, webhookEventNames } from '../core/vocabulary.ts'
import { isLoopbackUrl } from '../net.ts'

export const scopes = [
  'verifications:read', 'verifications:write', 'webhooks:read', 'webhooks:write', 'providers:read', 'operations:read',
] as const
export type Scope = typeof scopes[number]

const closed = { additionalProperties: false }

/** The name of a method: `<provider>.<channel>`, or `<provider>-<instance>.<channel>`. */
export const methodPattern = '^[a-z]+(-[a-z0-9]+)?\\.[a-z_]+$'

/** One item of a workflow: `"truid.phone_check"` or `{ method, timeoutSeconds?, options? }`. */
export const WorkflowItem = Type.Union([
  Type.String({ pattern: methodPattern, maxLength: 64 }),
  Type.Object({
    method: Type.String({ pattern: methodPattern, maxLength: 64 }),
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

export const defaultLimits: Readonly<Record<LimitName, number | null>> = {
  requestsPerMinute: 6000, createsPerMinute: 600, createsPerNumberPerHour: 10, messagesPerAppPerHour: null,
  wrongCodesPerNumberPerHour: 15, wrongCodesPerNumberPerDay: 50, createsPerIpPerHour: null,
  createsPerPrefixPerHour: 100, createsPerCountryPerHour: null,
}

/** The app's limit, or the default, which also holds for an app that no longer exists. Null: no limit. */
export const limitOf = (app: App | null, name: LimitName): number | null =>
  app?.limits?.[name] === undefined ? defaultLimits[name] : app.limits[name]

/** ISO 3166-1 alpha-2, or `001` for numbers that belong to no country (satellite and other global services). */
const Country = Type.String({ pattern: '^([A-Z]{2}|001)$' })

/** One app of `APPS_FILE`. */
export const App = Type.Object({
  id: Type.String({ pattern: '^[A-Za-z0-9_-]{1,64}$' }),
  name: Type.String({ minLength: 1, maxLength: 200 }),
  keys: Type.Array(Type.Object({
    /** Names the key in the audit log. */
    id: Type.Optional(Type.String({ pattern: '^[A-Za-z0-9_-]{1,64}$' })),
    sha256: Type.String({ pattern: '^[0-9a-fA-F]{64}$' }),
    scopes: Type.Array(Type.Enum(scopes)),
    /** RFC 3339. From then on the key opens nothing. */
    expiresAt: Type.Optional(Type.String({ maxLength: 64 })),
  }, closed)),
  workflow: Type.Optional(Type.Array(WorkflowItem, { minItems: 1, maxItems: 10 })),
  allowedCountries: Type.Optional(Type.Array(Country)),
  deniedCountries: Type.Optional(Type.Array(Country)),
  /** Special types of numbers that may get messages. */
  allowedNumberTypes: Type.Optional(Type.Array(Type.Enum([...specialNumberTypes]))),
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
    events: Type.Optional(Type.Array(Type.Enum(webhookEventNames))),
  }, closed)),
  limits: Type.Optional(Limits),
  includeProfile: Type.Optional(Type.Boolean()),
  /** Codes may have fewer than six digits, and live longer than ten minutes. */
  weakCodes: Type.Optional(Type.Boolean()),
  /** Numbers that are verified by a fixed code and never reach a provider; `expiresAt`: RFC 3339. */
  testNumbers: Type.Optional(Type.Record(Type.String(), Type.Object({
    code: Type.String({ pattern: '^[0-9]{4,10}$' }),
    expiresAt: Type.String({ maxLength: 64 }),
  }, closed))),
  /** Of creates that name none. */
  minAssurance: Type.Optional(Type.Enum([...assuranceLevels])),
}, closed)
/** `acceptsLoopback`: origins and return URLs on any loopback port. Not a field of `APPS_FILE`: see `sandboxApp`. */
export type App = Static<typeof App> & { acceptsLoopback?: true }

/** `keyId` names the key in the audit log: its `id`, else the first digits of its hash. */
export type KeyAccess = { app: App, keyId: string, scopes: ReadonlySet<string> }

export type Apps = {
  /** The app of an API key, and the id and the scopes of the key; null for a key that is unknown or has expired. */
  byKey (key: string): KeyAccess | null
  byId (id: string): App | null
  all (): Iterable<App>
  /** Replaces all apps. */
  replace (apps: App[]): void
}

/** The API key and the id of the sandbox app. */
export const sandboxKey = 'vgk_sandbox'
export const sandboxAppId = 'sandbox'

/** The app of the sandbox, with every event for `webhook`. A developer's pages run on this machine, on any port. */
export function sandboxApp (publicUrl: string, webhook?: { url: string, secret: string }): App {
  return {
    id: sandboxAppId, name: 'Sandbox', includeProfile: true, allowedReturnUrls: [`${publicUrl}/`],
    acceptsLoopback: true,
    ...webhook === undefined
      ? {}
      : { webhook: { url: webhook.url, secrets: [webhook.secret], events: [...webhookEventNames] } },
    keys: [{ sha256: hashKey(sandboxKey), scopes: [...scopes] }],
    // Developers use the same few numbers again and again.
    limits: {
      createsPerNumberPerHour: null, wrongCodesPerNumberPerHour: null, wrongCodesPerNumberPerDay: null,
      createsPerPrefixPerHour: null,
    },
    unverifiedBudget: { mode: 'off' },
  }
}

/** Whether pages of this origin may call the API for the app. Origins are compared exactly. */
export function allowsOrigin ({ allowedOrigins = [], acceptsLoopback }: App, origin: string): boolean {
  return allowedOrigins.includes(origin) || (acceptsLoopback === true && isLoopbackUrl(URL.parse(origin)))
}

/** SHA-256 of an API key, in hex. A key has 256 random bits, so that a slow hash is not needed. */
export const hashKey = (key: string): string => hash('sha256', key, 'hex')

/** Looks keys up by the first digits of their hash, and compares in constant time, so that timing reveals no key. */
export function createApps (initial: App[], now: () => number = Date.now): Apps {
  type Key = { hash: Buffer, expiresAt: number | null, access: KeyAccess }
  let keys = new Map<string, Key[]>()
  let ids = new Map<string, App>()
  const replace = (apps: App[]): void => {
    ids = new Map(apps.map(app => [app.id, app]))
    const all = apps.flatMap(app => app.keys.map(({ id, sha256, scopes, expiresAt }): Key => {
      const hash = Buffer.from(sha256, 'hex')
      return {
        hash, expiresAt: expiresAt === undefined ? null : Date.parse(expiresAt),
        access: { app, keyId: keyIdOf({ id, sha256 }), scopes: new Set<string>(scopes) },
      }
    }))
    keys = Map.groupBy(all, ({ hash }) => prefixOf(hash.toString('hex')))
  }
  replace(initial)
  return {
    byKey (key) {
      const wanted = hashKey(key)
      const found = keys.get(prefixOf(wanted))?.find(({ hash }) => timingSafeEqual(hash, Buffer.from(wanted, 'hex')))
      const isValid = found !== undefined && (found.expiresAt === null || now() < found.expiresAt)
      return isValid ? found.access : null
    },
    byId: id => ids.get(id) ?? null,
    all: () => ids.values(),
    replace,
  }
}

const prefixOf = (hash: string): string => hash.slice(0, 8)

/** The name of a key in the audit log: its `id`, else the first digits of its hash. */
export const keyIdOf = ({ id, sha256 }: { id?: string | undefined, sha256: string }): string =>
  id ?? prefixOf(sha256.toLowerCase())
