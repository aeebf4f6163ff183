import { request } from 'undici'
import { nextReasons } from '../../src/core/reasons.ts'
import { providerOf } from '../../src/core/verification.ts'
import type { Arrival as CellularArrival } from '../../src/sandbox/cellular.ts'
import { scenarioOf } from '../../src/sandbox/scenarios.ts'
import type { Simulators } from '../../src/sandbox/simulators.ts'
import type { Answer, Client, TestGateway } from '../helpers/gateway.ts'
import { until } from '../helpers/redis.ts'
import { post, readObject } from './post.ts'
import { useSdk } from './truecaller-sdk.ts'

export { post } from './post.ts'

/** How opening a URL over mobile data ended: in JSON, or in a redirect that leaves the operator. */
export type Arrival = { body: Record<string, unknown>, location: string | null }

/**
 * Opens a URL as a phone does: with cookies, through every redirect of the same origin. Null when `signal` ended it.
 */
export async function walk (url: string, signal?: AbortSignal): Promise<Arrival | null> {
  let cookie = ''
  try {
    for (let place = url; ;) {
      const answer = await request(place, { headers: { cookie }, signal: signal ?? null })
      cookie = [answer.headers['set-cookie'] ?? []].flat().map(line => line.split(';')[0]).join('; ') || cookie
      const text = await answer.body.text()
      const { location } = answer.headers
      if (typeof location !== 'string') return { body: readObject(text), location: null }
      place = new URL(location, place).href
      if (new URL(place).origin !== new URL(url).origin) return { body: {}, location: place }
    }
  } catch (error) {
    if (signal?.aborted) return null
    throw error
  }
}

/** Opens a Truecaller deep link on the phone with this number; `query` replaces what its callback would say. */
export const openDeepLink = (simulators: Simulators, url: string, phoneNumber: string, query = ''): Promise<number> =>
  post(`${simulators.url}/handset/open${query}`, { url, phoneNumber }).then(({ status }) => status)

/** Signs in with the OTPLESS front-end SDK; null where the SDK never comes back. */
export async function signIn (
  simulators: Simulators, user: { phoneNumber?: string, email?: string, verified?: boolean },
): Promise<string | null> {
  const { body } = await post(`${simulators.url}/handset/otpless/token`, user)
  return typeof body['token'] === 'string' ? body['token'] : null
}

let serial = 5_500
/** A number of its own that ends in these two digits, which count with every provider. */
export const numberEnding = (suffix: string): string => `+1415${serial += 1}0${suffix}`

/** The code that a message to this number brings. */
export const codeFor = (phoneNumber: string, length = 6): string => phoneNumber.slice(-length)

/**
 * Does what `nextAction` says, once, as the person with this number and the app's front end would; `bring` sees what
 * the front end brings.
 * Who is silent in the scenario table, or never gets a code, does nothing.
 */
export async function act (
  client: Client, simulators: Simulators, { id, nextAction, attempts }: Answer['body'], phoneNumber: string,
  { signal, bring = () => {} }: { signal?: AbortSignal, bring?: (evidence: string) => void } = {},
): Promise<void> {
  const check = (evidence: Record<string, string>): Promise<Answer> => {
    Object.values(evidence).forEach(bring)
    return client.call('POST', `/verifications/${id}/check`, evidence)
  }
  const next = (reason: string): Promise<Answer> =>
    client.call('POST', `/verifications/${id}/next`, nextReasons.some(word => word === reason) ? { reason } : {})
  switch (nextAction?.type) {
    case 'openDeepLink':
      if (await openDeepLink(simulators, nextAction.url, phoneNumber) === 404) await next('app_not_installed')
      return
    case 'openUrlOnCellular': {
      const arrival = await openOnCellular(simulators, nextAction.url, signal)
      if (arrival === null || nextAction.finish === 'none') return
      if (arrival.code !== null) await check({ code: arrival.code })
      else if (arrival.error !== null) await next(arrival.error)
      return
    }
    case 'openMessageLink': {
      const link = (await itemsOf(simulators, phoneNumber)).findLast(({ url }) => url !== undefined)?.url
      const returned = link === undefined ? null : await pressAt(link)
      if (returned !== null) await check({ code: returned.code })
      return
    }
    case 'openUrl': {
      const returned = await pressAt(nextAction.url, { phoneNumber })
      if (returned !== null) await check({ code: returned.code })
      return
    }
    case 'submitToken': {
      if (nextAction.sdk === 'truecaller') {
        const result = await useSdk(simulators, phoneNumber, nextAction.params)
        if (result !== null && 'evidence' in result) await check(result.evidence)
        else if (result !== null) await next(result.next)
        return
      }
      if (nextAction.sdk === 'firebase') {
        const { status, body } = await post(
          `${simulators.url}/handset/firebase/token`, { phoneNumber, nonce: nextAction.params.nonce },
        )
        if (status === 200) await check({ token: String(body['token']) })
        else if (status === 403) await next('user_rejected')
        else if (status === 412) await next('carrier_unsupported')
        return
      }
      const token = await signIn(simulators, { phoneNumber })
      if (token !== null) await check({ token })
      return
    }
    case 'submitCode': {
      const scenario = scenarioOf(phoneNumber, providerOf(attempts.at(-1).method))
      if (scenario === 'silent' || scenario === 'rejected') return
      const code = scenario === 'mismatch'
        ? '0'.repeat(nextAction.length)
        : await codeOnPhone(simulators, phoneNumber, signal)
      if (code === null) return
      for (let left = 1; left > 0;) left = (await check({ code })).body['attemptsRemaining'] ?? 0
    }
  }
}

/**
 * Opens a URL over mobile data as the SDK of an app does: with the code or the error at its end. Null when `signal`
 * ended it.
 */
async function openOnCellular (
  simulators: Simulators, url: string, signal?: AbortSignal,
): Promise<{ code: string | null, error: string | null } | null> {
  try {
    const answer = await request(`${simulators.url}/handset/cellular`, {
      method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ url }),
      signal: signal ?? null,
    })
    const { code = null, location = null } = readObject(await answer.body.text()) as Partial<CellularArrival>
    return { code, error: location === null ? null : new URL(location).searchParams.get('error') }
  } catch (error) {
    if (signal?.aborted) return null
    throw error
  }
}

/** The code of the latest message to the phone with this number; null when `signal` ended the wait for it. */
async function codeOnPhone (
  simulators: Simulators, phoneNumber: string, signal?: AbortSignal,
): Promise<string | null> {
  let code: string | undefined
  await until(async () => {
    code = (await itemsOf(simulators, phoneNumber)).findLast(item => item.code !== undefined)?.code
    return code !== undefined || signal?.aborted === true
  }, `a message with a code reaches ${phoneNumber}`)
  return code ?? null
}

/** What the phone with this number shows, oldest first. */
export async function itemsOf (
  simulators: Simulators, phoneNumber: string,
): Promise<{ id: string, url?: string, code?: string }[]> {
  const answer = await request(`${simulators.url}/handset/items?phoneNumber=${encodeURIComponent(phoneNumber)}`)
  const { data } = readObject(await answer.body.text())
  return data as { id: string, url?: string, code?: string }[]
}

/** Presses the button of the page behind a link of OTPLESS: what the browser then brings to the app's page. */
export async function pressAt (
  link: string, form: Record<string, string> = {},
): Promise<{ code: string, verification: string } | null> {
  const pressed = await request(link, {
    method: 'POST', headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: new URLSearchParams(form).toString(),
  })
  await pressed.body.dump()
  const { location } = pressed.headers
  if (typeof location !== 'string') return null
  const returned = await request(new URL(location, link))
  await returned.body.dump()
  const { searchParams } = new URL(String(returned.headers.location))
  return { code: searchParams.get('code') ?? '', verification: searchParams.get('verification') ?? '' }
}

/** A verification of its own by this method, and a way to bring evidence to it. */
export async function begin (
  { shop }: Pick<TestGateway, 'shop'>, method: string,
  { phoneNumber = numberEnding('02'), ...request }: {
    phoneNumber?: string | null, workflow?: unknown[], onConflict?: string,
  } = {},
) {
  const { status, body } = await shop.create(
    { workflow: [method], ...phoneNumber === null ? {} : { phoneNumber }, ...request },
  )
  if (status !== 201) throw new Error(`create answered ${status}`)
  const path = `/verifications/${body['id']}`
  return {
    id: String(body['id']), phoneNumber: phoneNumber ?? '', url: String(
      body['nextAction'].url,
    ), revision: Number(body['revision']),
    check: (evidence?: unknown): Promise<Answer> => shop.call('POST', `${path}/check`, evidence),
    read: async () => (await shop.call('GET', path)).body,
  }
}

/** One number of `/metrics`; 0 for a series that is not there. */
export async function readMetric (url: string, series: string): Promise<number> {
  const text = await (await request(`${url}/metrics`)).body.text()
  return Number(text.split('\n').find(line => line.startsWith(`${series} `))?.slice(series.length) ?? 0)
}
