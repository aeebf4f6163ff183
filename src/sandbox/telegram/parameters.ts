import type { FastifyRequest } from 'fastify'
import { type ErrorWord, GatewayError, senderUsername } from './account.ts'

/** What a call says: query, form or JSON, where later ones win. Members that are absent or null are left out. */
export type Parameters = ReadonlyMap<string, string>

export function readParameters ({ query, body }: FastifyRequest): Parameters {
  const given = { ...query as object, ...isObject(body) ? body : {} }
  const entries = Object.entries(given).filter(([, value]) => typeof value === 'string' || typeof value === 'number')
  return new Map(entries.map(([name, value]) => [name, String(value)]))
}

const isObject = (value: unknown): value is object =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** The token of the header, or the parameter `access_token`; undefined: there is none. */
export function readToken ({ headers: { authorization } }: FastifyRequest, parameters: Parameters): string | undefined {
  return /^Bearer (?<token>\S+)$/i.exec(authorization ?? '')?.groups?.['token'] ?? parameters.get('access_token')
}

/** E.164 digits without `+`. */
export function readPhoneNumber (parameters: Parameters): string {
  const digits = /^\+?(?<digits>[1-9][0-9]{6,14})$/.exec(parameters.get('phone_number') ?? '')?.groups?.['digits']
  if (digits === undefined) throw new GatewayError('PHONE_NUMBER_INVALID')
  return digits
}

function readInteger (
  parameters: Parameters, name: string, range: readonly [number, number], word: ErrorWord,
): number | undefined {
  const text = parameters.get(name)
  if (text === undefined) return undefined
  const value = Number(text)
  if (!/^\d+$/.test(text) || value < range[0] || value > range[1]) throw new GatewayError(word)
  return value
}

function readText (parameters: Parameters, name: string, maxBytes: number, word: ErrorWord): string | undefined {
  const text = parameters.get(name)
  if (text !== undefined && Buffer.byteLength(text) > maxBytes) throw new GatewayError(word)
  return text === '' ? undefined : text
}

/** https, or http on loopback, which the vendor could not reach. */
function readCallbackUrl (parameters: Parameters): string | undefined {
  const text = readText(parameters, 'callback_url', 256, 'CALLBACK_URL_INVALID')
  if (text === undefined) return undefined
  const url = URL.parse(text)
  const isLocal = url !== null && /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(url.hostname)
  if (url?.protocol !== 'https:' && !(url?.protocol === 'http:' && isLocal)) {
    throw new GatewayError('CALLBACK_URL_INVALID')
  }
  return text
}

export type Message = ReturnType<typeof readMessage>

/** `code`: what the sender wants; else Telegram makes one of `codeLength` digits. `ttlSeconds` absent: no end. */
export function readMessage (parameters: Parameters) {
  const phoneNumber = readPhoneNumber(parameters)
  const code = parameters.get('code')
  if (code !== undefined && !/^\d{4,8}$/.test(code)) throw new GatewayError('CODE_INVALID')
  const codeLength = code?.length ?? readInteger(parameters, 'code_length', [4, 8], 'CODE_LENGTH_INVALID')
  if (codeLength === undefined) throw new GatewayError('CODE_LENGTH_REQUIRED')
  const sender = parameters.get('sender_username')?.replace(/^@/, '')
  if (sender !== undefined && !/^[a-z]\w{4,31}$/i.test(sender)) throw new GatewayError('SENDER_USERNAME_INVALID')
  if (sender !== undefined && sender !== senderUsername) throw new GatewayError('SENDER_NOT_OWNED')
  return {
    phoneNumber, code: code ?? phoneNumber.slice(-codeLength), sender,
    ttlSeconds: readInteger(parameters, 'ttl', [30, 3600], 'TTL_INVALID'),
    payload: readText(parameters, 'payload', 128, 'PAYLOAD_INVALID'),
    callbackUrl: readCallbackUrl(parameters),
  }
}
