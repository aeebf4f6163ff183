import { createHash, generateKeyPair, sign } from 'node:crypto'
import { promisify } from 'node:util'

/**
 * A legal way to write the signature of a callback: RFC 7235 (scheme and parameters), the draft "Signing HTTP Messages"
 * (its parameters and components), RFC 3230 (the digest). What is absent is as tru.ID documents it.
 */
type Form = {
  scheme?: string
  /** Between two parameters. */
  separator?: string
  /** Between the name of a parameter and its value. */
  equals?: string
  isReversed?: boolean
  hasUpperCaseNames?: boolean
  /** Parameters whose value is a token, so that it needs no quotes. */
  unquoted?: readonly string[]
  /** Writes the key id as a quoted string with an escaped character. */
  isEscaped?: boolean
  algorithm?: 'hs2019' | 'rsa-sha512' | null
  components?: readonly string[]
  digest?: (body: string) => string
}

const sha256 = (body: string) => createHash('sha256').update(body)
const documentedComponents = ['(request-target)', 'host', 'date', 'x-tru-callback', 'digest']

/**
 * The forms by name. The documentation of the digest says both "Base64 encoded" and `hex(SHA256(Body))`. `hs2019`
 * leaves the algorithm to the key; only with it may `(created)` and `(expires)` be signed.
 */
export const signatureForms = {
  documented: {},
  hexDigest: { digest: body => `SHA-256=${sha256(body).digest('hex')}` },
  upperCaseHexDigest: { digest: body => `SHA-256=${sha256(body).digest('hex').toUpperCase()}` },
  lowerCaseDigestName: { digest: body => `sha-256=${sha256(body).digest('base64')}` },
  severalDigests: {
    digest: body => `SHA-512=${createHash('sha512').update(body).digest('base64')}, `
      + `SHA-256=${sha256(body).digest('base64')}`,
  },
  lowerCaseScheme: { scheme: 'signature' },
  upperCaseNames: { hasUpperCaseNames: true },
  otherOrder: { isReversed: true },
  whiteSpace: { separator: ' , ', equals: ' = ' },
  tokens: { unquoted: ['keyId', 'algorithm'] },
  escapedKeyId: { isEscaped: true },
  withoutAlgorithm: { algorithm: null },
  hs2019: { algorithm: 'hs2019' },
  rsaSha512: { algorithm: 'rsa-sha512' },
  created: { algorithm: 'hs2019', components: ['(created)', '(expires)', ...documentedComponents] },
  moreComponents: { components: ['content-type', 'content-length', ...documentedComponents.toReversed()] },
} as const satisfies Record<string, Form>

export type SignatureForm = keyof typeof signatureForms
export const signatureFormNames = Object.keys(signatureForms) as SignatureForm[]

export type CallbackSigner = ReturnType<typeof createCallbackSigner>

/**
 * Signs callbacks as tru.ID does: HTTP Signatures (draft-cavage) in the `Authorization` header, over a `Digest` of the
 * body.
 */
export function createCallbackSigner ({ now, form: name }: { now: () => number, form: SignatureForm }) {
  let form: Form = signatureForms[name]
  const generate = () => promisify(generateKeyPair)('rsa', { modulusLength: 2048 })
  const keys: { kid: string, pair: ReturnType<typeof generate> }[] = []
  function addKey () {
    const key = { kid: `sandbox-${keys.length + 1}`, pair: generate() }
    keys.push(key)
    return key
  }
  const currentKey = () => keys.at(-1) ?? addKey()

  return {
    /**
     * The public keys in `/.well-known/jwks.json`: the one that signs, and the one before it. They name no algorithm,
     * because a key signs with SHA-256 or SHA-512.
     */
    async jwks () {
      const published = [currentKey(), ...keys.slice(-2, -1)]
      return {
        keys: await Promise.all(published.map(async ({ kid, pair }) =>
          ({ ...(await pair).publicKey.export({ format: 'jwk' }), kid, use: 'sig' }))),
      }
    },

    /** Signatures have this form from now on. */
    use (name: SignatureForm): void {
      form = signatureForms[name]
    },

    /** Another key signs from now on. */
    rotate (): void {
      currentKey()
      addKey()
    },

    /** The headers of a callback about a check of this product. */
    async headers (body: string, url: URL, product = 'phone_check'): Promise<Record<string, string>> {
      const { kid, pair } = currentKey()
      const { privateKey } = await pair
      const created = Math.floor(now() / 1000)
      const headers = {
        date: new Date(now()).toUTCString(),
        'x-tru-callback': product,
        digest: (form.digest ?? (text => `SHA-256=${sha256(text).digest('base64')}`))(body),
      }
      const values: Record<string, string> = {
        ...headers, host: url.host, 'content-type': 'application/json',
        'content-length': String(Buffer.byteLength(body)),
        '(request-target)': `post ${url.pathname}${url.search}`,
        '(created)': String(created), '(expires)': String(created + 300),
      }
      const { algorithm = 'rsa-sha256', components = documentedComponents } = form
      const signed = components.map(component => `${component}: ${values[component]}`).join('\n')
      const hash = algorithm === 'rsa-sha512' ? 'RSA-SHA512' : 'RSA-SHA256'
      const times = components.filter(component => component.startsWith('(') && component !== '(request-target)')
      const parameters: [name: string, value: string | null][] = [
        ['keyId', form.isEscaped ? kid.replace('-', '\\-') : kid],
        ['algorithm', algorithm],
        ...times.map((component): [string, string] => [component.slice(1, -1), values[component] ?? '']),
        ['headers', components.join(' ')],
        ['signature', sign(hash, Buffer.from(signed), privateKey).toString('base64')],
      ]
      return { ...headers, authorization: `${form.scheme ?? 'Signature'} ${write(parameters, form)}` }
    },
  }
}

/** The parameters of the `Authorization` header. `created` and `expires` are integers, which have no quotes. */
function write (parameters: [name: string, value: string | null][], form: Form): string {
  const unquoted = ['created', 'expires', ...form.unquoted ?? []]
  const written = parameters.filter(([, value]) => value !== null).map(([name, value]) => {
    const text = unquoted.includes(name) ? value : `"${value}"`
    return `${form.hasUpperCaseNames ? name.toUpperCase() : name}${form.equals ?? '='}${text}`
  })
  return (form.isReversed ? written.toReversed() : written).join(form.separator ?? ',')
}
