import type { Test } from 'tap'
import { type Answer, ask, setting, start } from './receiver.ts'

export type Started = Awaited<ReturnType<typeof start>> & { bearer: Record<string, string> }
export type Version = 'v0.1' | 'v0.2'
export type Product = 'phone_check' | 'subscriber_check'

export const json = { 'content-type': 'application/json' }
export const patchJson = { 'content-type': 'application/json-patch+json' }
/** The word that names a problem. */
export const fragment = (answer: Answer) =>
  String(answer.json['type']).replace('https://developer.tru.id/docs/reference/api-errors#', '')

export async function bearerFor (
  { simulators }: Awaited<ReturnType<typeof start>>, scope: string,
): Promise<Record<string, string>> {
  const pair = `${setting(simulators, 'TRUID_CLIENT_ID')}:${setting(simulators, 'TRUID_CLIENT_SECRET')}`
  const authorization = `Basic ${Buffer.from(pair).toString('base64')}`
  const headers = { authorization, 'content-type': 'application/x-www-form-urlencoded' }
  const form = `grant_type=client_credentials&scope=${scope}`
  const { json } = await ask(`${setting(simulators, 'TRUID_API_URL')}/oauth2/v1/token`, 'POST', headers, form)
  return { authorization: `Bearer ${json['access_token']}` }
}

/** Simulators with a gateway, and a bearer token for one product or several. */
export async function build (
  t: Test, { scope = 'phone_check', ...options }: Parameters<typeof start>[1] & { scope?: string } = {},
): Promise<Started> {
  const started = await start(t, options)
  return { ...started, bearer: await bearerFor(started, scope) }
}

export function create (
  { simulators, bearer }: Started, version: Version, body: unknown, headers: object = {},
  product: Product = 'phone_check',
): Promise<Answer> {
  return ask(`${simulators.url}/${product}/${version}/checks`, 'POST', { ...json, ...bearer, ...headers }, body)
}

export function get (
  { simulators, bearer }: Started, version: Version, id: unknown, product: Product = 'phone_check',
): Promise<Answer> {
  return ask(`${simulators.url}/${product}/${version}/checks/${id}`, 'GET', bearer)
}

export function patch (
  { simulators, bearer }: Started, id: unknown, body: unknown, headers = patchJson, product: Product = 'phone_check',
) {
  return ask(`${simulators.url}/${product}/v0.2/checks/${id}`, 'PATCH', { ...bearer, ...headers }, body)
}

/** The documented JSON patch that brings a code back. */
export const bring = (code: unknown) => [{ op: 'add', path: '/code', value: code }]

/** The phone: follows the redirects as long as they stay on the simulators. */
export async function walk (
  { simulators }: Started, id: unknown, version: Version = 'v0.2', product: Product = 'phone_check',
): Promise<{ hops: Answer[], end: Answer }> {
  const hops: Answer[] = []
  let url = `${simulators.url}/${product}/${version}/checks/${id}/redirect`
  for (;;) {
    const answer = await ask(url, 'GET')
    url = answer.headers.get('location') ?? ''
    if (!url.startsWith(simulators.url)) return { hops, end: answer }
    hops.push(answer)
  }
}
