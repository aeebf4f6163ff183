import { Address4, Address6 } from 'ip-address'
import { IsIPv4, IsIPv6 } from 'typebox/format'
import { ProviderError } from '../../core/errors.ts'
import type { EligibilityReason } from '../../core/reasons.ts'
import { callingCodeOf } from '../../phone.ts'
import type { Adapter, Eligibility, Http, ProviderAnswer } from '../adapter.ts'
import { createCached, type Cached } from '../cached.ts'
import { membersOf, readList, readString } from '../message.ts'
import { isProblem, readProblemType } from './wire.ts'

// https://github.com/tru-ID/api-definitions, specs/utils.yaml: the Coverage API, which is free of charge

/** An answer about a country is used this long. */
const knownMs = 3_600_000
/** A country without a clear answer, and a route that the account may not use, are not queried for this long. */
const unknownMs = 600_000
/** A route that failed is not queried for this long. */
const failedMs = 60_000
/** A start waits for these answers. */
const timeoutMs = 1_000
/** The country of the vendor's examples. */
const sampleCountry = 'GB'
const maxProducts = 64

/** `product_id` of the methods. */
const productIds = new Map([['truid.phone_check', 'pck'], ['truid.subscriber_check', 'suk']])

/** Ids of the products that can be used, in lower case; null: it is not known. */
export type Served = ReadonlySet<string> | null
const none: Served = new Set()

export type Coverage = {
  /**
   * Why the method cannot serve this number, on a device with this address; null: it may. Returns a function when
   * tru.ID must be queried: it throws `ProviderError` when a route fails, and returns null while that route is paused.
   */
  canServe: Required<Adapter>['canServe']
}

export type CoverageParts = { origin: string, http: Http }

export function createCoverage (parts: CoverageParts): Coverage {
  const countries = createCountries(parts)
  const devices = createRoute({ ...parts, call: 'coverage of an address', path: 'device_ips' })

  async function canServeCountry (id: string, country: string): Promise<Eligibility> {
    const served = country === '' ? null : await countries.find(country)
    return served?.has(id) === false ? 'carrier_unsupported' : null
  }

  async function canServeDevice (id: string, ip: string): Promise<Eligibility> {
    const answer = await devices.ask(ip)
    if (answer === null) return null
    // Not documented: the route does not exist.
    if (answer.status === 404) devices.pause(unknownMs)
    const read = readReachability(answer.status, answer.body)
    return typeof read === 'string' ? read : read?.has(id) === false ? 'carrier_unsupported' : null
  }

  async function query (id: string, country: string, ip: string | null): Promise<Eligibility> {
    const answers = await Promise.allSettled([
      canServeCountry(id, country), ...ip === null ? [] : [canServeDevice(id, ip)],
    ])
    const reason = answers.map(answer => answer.status === 'fulfilled' ? answer.value : null).find(value => value)
    if (reason) return reason
    for (const answer of answers) if (answer.status === 'rejected') throw answer.reason
    return null
  }

  return {
    canServe ({ method, phoneNumber, country: known, device }) {
      const id = productIds.get(method)
      if (id === undefined) return null
      const country = known ?? callingCodeOf(phoneNumber)
      const served = countries.peek(country)
      if (served?.has(id) === false) return 'carrier_unsupported'
      const ip = device.ip !== undefined && !devices.isPaused() && isGlobal(device.ip) ? device.ip : null
      return served !== undefined && ip === null ? null : () => query(id, country, ip)
    },
  }
}

/** An address of a private network, or one that is reserved, is not that of a phone on mobile data. */
function isGlobal (ip: string): boolean {
  if (IsIPv4(ip)) return new Address4(ip).isGlobal()
  return IsIPv6(ip) && new Address6(ip).isGlobal()
}

type Route = {
  /** Null while the route is paused. Throws `ProviderError`. */
  ask (name: string): Promise<ProviderAnswer | null>
  pause (forMs: number): void
  isPaused (): boolean
}

/** One route. After a failure it is paused, so that it does not delay every start. */
function createRoute ({ origin, http, call, path }: CoverageParts & { call: string, path: string }): Route {
  let pausedUntil = 0
  const pause = (forMs: number): void => { pausedUntil = performance.now() + forMs }
  const isPaused = (): boolean => performance.now() < pausedUntil

  return {
    pause,
    isPaused,
    async ask (name) {
      if (isPaused()) return null
      try {
        const answer = await http({ method: 'GET', url: `${origin}/coverage/v0.1/${path}/${name}`, call, timeoutMs })
        if (answer.status !== 403) return answer
      } catch (error) {
        if (!(error instanceof ProviderError)) throw error
        if (error.reason !== 'provider_misconfigured') {
          pause(error.retryAfterMs ?? failedMs)
          throw error
        }
      }
      // The account has no access to the Coverage API.
      pause(unknownMs)
      return null
    },
  }
}

type Countries = {
  /** Each country is queried once. */
  find (country: string): Promise<Served>
  /** What is known, or null while the route is paused; undefined: the country must be queried. */
  peek (country: string): Served | undefined
}

/** The products in a country, by ISO 3166-1 alpha-2 or calling code. */
function createCountries (parts: CoverageParts): Countries {
  const route = createRoute({ ...parts, call: 'coverage of a country', path: 'countries' })
  const known = new Map<string, Cached<Served>>()
  /** An answer about a country shows that the route exists; that counts until then. */
  let existsUntil = 0

  async function exists (asked: string): Promise<boolean> {
    if (performance.now() >= existsUntil && asked !== sampleCountry) await find(sampleCountry)
    return performance.now() < existsUntil
  }

  async function query (country: string): Promise<{ value: Served, ttlMs: number }> {
    const answer = await route.ask(country)
    if (answer === null) return { value: null, ttlMs: 0 }
    if (answer.status === 404) {
      if (await exists(country)) {
        // "No Reach". Several countries can share a calling code.
        return /^[A-Z]{2}$/.test(country) ? { value: none, ttlMs: knownMs } : { value: null, ttlMs: unknownMs }
      }
      route.pause(unknownMs)
      return { value: null, ttlMs: 0 }
    }
    const value = answer.status < 300 ? readProducts(answer.body) : null
    if (value !== null) existsUntil = performance.now() + knownMs
    return { value, ttlMs: value === null ? unknownMs : knownMs }
  }

  function find (country: string): Promise<Served> {
    const cached = known.get(country) ?? createCached({ fetch: () => query(country) })
    known.set(country, cached)
    return cached.get()
  }

  return {
    find,
    peek (country) {
      const cached = known.get(country)?.peek()
      if (cached?.isFresh === true) return cached.value
      return route.isPaused() ? null : undefined
    },
  }
}

/** The products that an answer lists; null when it does not say. A product that is only announced cannot be used. */
export function readProducts (body: unknown): Served {
  const { products } = membersOf(body)
  if (!Array.isArray(products) || isProblem(body)) return null
  const listed = readList(products, maxProducts).map(membersOf)
    .map(({ product_id, coverage }) => [readString(product_id)?.toLowerCase(), readString(coverage)?.toUpperCase()])
  const served = listed.filter(([, coverage]) => coverage !== 'COMING_SOON').flatMap(([id]) => id ?? [])
  // A list that cannot be read does not show that a product is missing.
  return products.length > 0 && listed.every(([id]) => id === undefined) ? null : new Set(served)
}

/** What tru.ID says about a device's address: the products that can be used, or why none can. */
export function readReachability (status: number, body: unknown): Served | EligibilityReason {
  switch (readProblemType(body)) {
    case 'mno_not_supported': return 'carrier_unsupported'
    case 'not_mobile_ip': return 'not_on_cellular'
  }
  if (status === 412) return 'not_on_cellular'
  return status < 300 ? readProducts(body) : null
}
