import { createPrivateKey, randomUUID } from 'node:crypto'
import { Channels, SilentAuthChannel, Verify2 } from '@vonage/verify2'
import { SignJWT } from 'jose'
import { ask, setting, type start, type Answer } from '../receiver.ts'

export type Started = Awaited<ReturnType<typeof start>>

export const json = { 'content-type': 'application/json' }

/** The application's key as its owner has it. */
export const privateKeyOf = ({ simulators }: Started): string =>
  `-----BEGIN PRIVATE KEY-----\n${setting(simulators, 'VONAGE_PRIVATE_KEY').replace(/.{64}/g, '$&\n')}\n-----END `
  + 'PRIVATE KEY-----\n'

/** A JWT of the application, as the official clients make it. */
export async function bearerOf (started: Started): Promise<string> {
  const at = Math.floor(Date.now() / 1000)
  const token = await new SignJWT({ application_id: setting(started.simulators, 'VONAGE_APPLICATION_ID') })
    .setProtectedHeader({ alg: 'RS256', typ: 'JWT' }).setJti(randomUUID()).setIssuedAt(at).setExpirationTime(at + 900)
    .sign(createPrivateKey(privateKeyOf(started)))
  return `Bearer ${token}`
}

/** The official client. */
export const clientOf = (started: Started): Verify2 =>
  new Verify2({
    applicationId: setting(started.simulators, 'VONAGE_APPLICATION_ID'), privateKey: privateKeyOf(started),
  }, { apiHost: setting(started.simulators, 'VONAGE_API_URL') })

export async function call (
  started: Started, path: string, body?: unknown, method = 'POST', headers: Record<string, string> = {},
): Promise<Answer> {
  const authorization = await bearerOf(started)
  const type = body === undefined ? {} : json
  return ask(`${started.simulators.url}${path}`, method, { authorization, ...type, ...headers }, body)
}

export const sms = (to: string) => ({ channel: Channels.SMS as const, to })
export const silentAuth = (to: string) => ({ channel: SilentAuthChannel.SILENT_AUTH as const, to })

/** `POST /v2/verify` with these steps. */
export const begin = (started: Started, workflow: object[], more: object = {}): Promise<Answer> =>
  call(started, '/v2/verify', { brand: 'ACME', workflow, ...more })

/** The code that the phone shows; undefined: nothing was sent to it. */
export async function shownCode ({ simulators }: Started, digits: string): Promise<string | undefined> {
  return (await itemsOf({ simulators }, digits)).at(-1)?.['code'] as string | undefined
}

export async function itemsOf (
  { simulators }: Pick<Started, 'simulators'>, digits: string,
): Promise<Record<string, unknown>[]> {
  const { json: { data } } = await ask(`${simulators.url}/handset/items?phoneNumber=${digits}`, 'GET')
  return data as Record<string, unknown>[]
}

/** What the phone gets when it opens a URL over mobile data. */
export const openOnCellular = async ({ simulators }: Started, url: unknown): Promise<Record<string, unknown>> =>
  (await ask(`${simulators.url}/handset/cellular`, 'POST', json, { url })).json
