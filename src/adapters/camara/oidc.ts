import { hash, type KeyObject } from 'node:crypto'
import { SignJWT } from 'jose/jwt/sign'
import type { Reason } from '../../core/reasons.ts'
import type { AdapterIo, Http, ProviderAnswer, ProviderRequest } from '../adapter.ts'
import { createCached, type Cached } from '../cached.ts'
import { refusal } from '../refusal.ts'
import { readDiscovery, readToken, type Metadata, type Token } from './wire.ts'

// https://github.com/camaraproject/IdentityAndConsentManagement: CAMARA-Security-Interoperability.md

const metadataMs = 3_600_000
/** "MUST NOT create client assertions with a lifetime of more than 300 seconds". */
const assertionSeconds = 120
/** A token is renewed this long before it expires. */
const renewalSeconds = 10
/** Deadline of each request for an optional signal. */
const briefMs = 1000

export type OidcParts = {
  /** The id of the instance. */
  provider: string
  issuer: string, clientId: string, privateKey: KeyObject, keyId: string | null
  /** The purpose for which data are used, a scope that begins with `dpv:`. */
  purpose: string
  io: Pick<AdapterIo, 'openHttp' | 'now' | 'randomBytes' | 'allowInsecure'>
}

export type Grant = { code: string, verifier: string, redirectUrl: string }

/** Calls of the operator's authorization server. Each throws `ProviderError`. */
export type Oidc = {
  /** The URL that the device opens over mobile data, and the PKCE verifier that belongs to it. */
  authorize (request: { phoneNumber: string, redirectUrl: string, state: string, scope: string }): Promise<{
    url: string, verifier: string
  }>
  /** The answer to the exchange of a code, and the token in it or the reason why there is none. */
  exchange (grant: Grant, scope: string): Promise<{ call: string, answer: ProviderAnswer, token: Token | Reason }>
  /** Sends requests with a token of the client itself. Each call of this function has a cache of its own. */
  asClient (http: Http, scope: string, options?: { isBrief?: boolean }): Http
}

type Algorithm = 'RS256' | 'PS256' | 'ES256' | 'ES384' | 'ES512' | 'EdDSA'

/** The algorithms of a key, the usual one first. */
function algorithmsOf ({ asymmetricKeyType, asymmetricKeyDetails }: KeyObject): [Algorithm, ...Algorithm[]] {
  if (asymmetricKeyType === 'rsa') return ['RS256', 'PS256']
  if (asymmetricKeyType === 'ed25519') return ['EdDSA']
  const curves: Readonly<Record<string, Algorithm>> = { secp384r1: 'ES384', secp521r1: 'ES512' }
  return [curves[asymmetricKeyDetails?.namedCurve ?? ''] ?? 'ES256']
}

export function createOidc (parts: OidcParts): Oidc {
  const { provider, clientId, purpose, io } = parts
  const { metadata, askForToken } = createTokenEndpoint(parts)

  return {
    async authorize ({ phoneNumber, redirectUrl, state, scope }) {
      const { authorizeUrl } = await metadata.get()
      const isUsable = authorizeUrl !== null && (io.allowInsecure || authorizeUrl.startsWith('https:'))
      if (!isUsable) throw refusal(provider, 'discovery', 'provider_bad_response')
      const verifier = io.randomBytes(32).toString('base64url')
      const url = new URL(authorizeUrl)
      for (const [name, value] of Object.entries({
        response_type: 'code', client_id: clientId, redirect_uri: redirectUrl, state,
        scope: `openid ${purpose} ${scope}`, prompt: 'none', login_hint: `tel:${phoneNumber}`,
        code_challenge: hash('sha256', verifier, 'base64url'), code_challenge_method: 'S256',
      })) url.searchParams.set(name, value)
      return { url: url.href, verifier }
    },

    async exchange ({ code, verifier, redirectUrl }, scope) {
      const call = 'exchange code'
      const answer = await askForToken(call, {
        grant_type: 'authorization_code', code, redirect_uri: redirectUrl, code_verifier: verifier,
      })
      return { call, answer, token: readToken(answer.status, answer.body, scope) }
    },

    asClient: (api, scope, { isBrief = false } = {}) => createClientAccess(parts, askForToken, { api, scope, isBrief }),
  }
}

type AskForToken = (
  call: string, form: Record<string, string>, more?: Pick<ProviderRequest, 'timeoutMs'>,
) => Promise<ProviderAnswer>

/** The metadata of the issuer, and the token endpoint that they name. */
function createTokenEndpoint ({ provider, issuer, clientId, privateKey, keyId, io }: OidcParts): {
  metadata: Cached<Metadata>, askForToken: AskForToken
} {
  const http = io.openHttp(provider, [new URL(issuer).host])
  const algorithms = algorithmsOf(privateKey)

  const metadata = createCached<Metadata>({
    async fetch () {
      const call = 'discovery'
      const answer = await http({ method: 'GET', url: `${issuer}/.well-known/openid-configuration`, call })
      const read = readDiscovery(answer.status, answer.body, issuer)
      if (typeof read === 'string') throw refusal(provider, call, read, answer)
      return { value: read, ttlMs: metadataMs }
    },
  })

  /** `private_key_jwt` (OpenID Connect Core, section 9), for the endpoint that it is sent to. */
  async function assert (audience: string, supported: string[]): Promise<string> {
    const alg = algorithms.find(name => supported.includes(name)) ?? algorithms[0]
    const at = Math.floor(io.now() / 1000)
    return new SignJWT().setProtectedHeader({ alg, ...keyId === null ? {} : { kid: keyId } })
      .setIssuer(clientId).setSubject(clientId).setAudience(audience).setJti(io.randomBytes(16).toString('base64url'))
      .setIssuedAt(at).setExpirationTime(at + assertionSeconds).sign(privateKey)
  }

  const askForToken: AskForToken = async (call, form, more = {}) => {
    const { tokenUrl, algorithms: supported } = await metadata.get()
    // The issuer names the host, which may differ from its own.
    return io.openHttp(provider, [new URL(tokenUrl).host])({
      method: 'POST', url: tokenUrl, call, headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: String(new URLSearchParams({
        ...form, client_id: clientId,
        client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
        client_assertion: await assert(tokenUrl, supported),
      })),
      ...more,
    })
  }

  return { metadata, askForToken }
}

/** Sends requests with a token of the client itself. */
function createClientAccess (
  { provider, purpose }: OidcParts, askForToken: AskForToken,
  { api, scope, isBrief }: { api: Http, scope: string, isBrief: boolean },
): Http {
  const brief = isBrief ? { timeoutMs: briefMs } : {}
  const tokens = createCached({
    async fetch () {
      const call = 'access token'
      const form = { grant_type: 'client_credentials', scope: `${purpose} ${scope}` }
      const answer = await askForToken(call, form, brief)
      const read = readToken(answer.status, answer.body, scope)
      if (read === 'evidence_invalid') throw refusal(provider, call, 'provider_misconfigured', answer)
      if (typeof read === 'string') throw refusal(provider, call, read, answer)
      return { value: read.value, ttlMs: (read.expiresIn - renewalSeconds) * 1000 }
    },
  })
  const send = async (request: ProviderRequest, token: string): Promise<ProviderAnswer> => {
    const headers = { ...request.headers, authorization: `Bearer ${token}` }
    const answer = await api({ ...brief, ...request, headers })
    if (answer.status === 401) tokens.forget(token)
    return answer
  }
  // When the API refuses a token, the request is repeated once with a new one.
  return async request => {
    const first = await send(request, await tokens.get())
    return first.status === 401 ? send(request, await tokens.get()) : first
  }
}
