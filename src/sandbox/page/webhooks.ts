import { call, member, type Settings } from './api.ts'
import { button, byId, create, show } from './dom.ts'

export type Webhook = { receivedAt: string, headers: { [name: string]: string }, body: string }

export type Signed = { content: string, computed: string, received: string[], isValid: boolean }

const encoder = new TextEncoder()
const fromBase64 = (text: string): Uint8Array<ArrayBuffer> => Uint8Array.from(atob(text), one => one.charCodeAt(0))
const toBase64 = (bytes: ArrayBuffer): string => btoa(String.fromCharCode(...new Uint8Array(bytes)))

/** Checks a signature as every receiver must (Standard Webhooks), with the Web Crypto API. */
export async function verifySignature ({ headers, body }: Webhook, secret: string): Promise<Signed> {
  const content = `${headers['webhook-id']}.${headers['webhook-timestamp']}.${body}`
  const algorithm = { name: 'HMAC', hash: 'SHA-256' }
  const key = await crypto.subtle.importKey(
    'raw', fromBase64(secret.replace(/^whsec_/, '')), algorithm, false, ['sign', 'verify'],
  )
  const received = (headers['webhook-signature'] ?? '').split(' ')
  const results = await Promise.all(received.map(signature =>
    crypto.subtle.verify('HMAC', key, fromBase64(signature.replace(/^v1,/, '')), encoder.encode(content))))
  return {
    content, received, isValid: results.includes(true),
    computed: `v1,${toBase64(await crypto.subtle.sign('HMAC', key, encoder.encode(content)))}`,
  }
}

const shorten = (text: string, length = 96): string => text.length > length ? `${text.slice(0, length)}…` : text

function drawSigned ({ content, computed, received, isValid }: Signed, secret: string): HTMLElement {
  const step = (text: string, value: string): HTMLLIElement => create('li', {}, text, ' ', create('code', {}, value))
  return create('div', { class: isValid ? 'signed valid' : 'signed invalid' },
    create('p', { role: 'status' }, isValid ? 'The signature is valid.' : 'The signature is not valid.'),
    create('ol', {},
      step('Join webhook-id, webhook-timestamp and the raw body with dots:', shorten(content)),
      step('The key is the base64 after whsec_ in the secret:', secret),
      step('HMAC-SHA256 of the text with the key, in base64 after v1, is', computed),
      step('Compare, in constant time, with each signature of the header:', received.join(' '))),
    create('p', { class: 'quiet' }, 'Also refuse a webhook-timestamp that is more than five minutes away.'))
}

function drawWebhook (webhook: Webhook, secret: string): HTMLLIElement {
  const parsed: unknown = JSON.parse(webhook.body)
  const result = create('div', {})
  const verify = async (body: string): Promise<void> =>
    show(result, drawSigned(await verifySignature({ ...webhook, body }, secret), secret))
  const headers = ['webhook-id', 'webhook-timestamp', 'webhook-signature', 'content-type']
    .map(name => `${name}: ${webhook.headers[name] ?? ''}`)
  const request = ['POST /your-endpoint', ...headers, '', webhook.body].join('\n')
  return create('li', {},
    create('details', {},
      create('summary', {}, create('code', {}, String(member(parsed, 'type'))),
        create('time', { datetime: webhook.receivedAt }, webhook.receivedAt.slice(11, 23))),
      create('pre', { tabindex: '0', 'aria-label': 'Request' }, request),
      create('div', { class: 'actions' },
        button('Verify signature', () => void verify(webhook.body), { class: 'small' }),
        button('Verify with one character changed', () => void verify(`${webhook.body} `), { class: 'small' })),
      result))
}

/** The list of webhooks. Returns what reads the new ones of a verification, and what empties the list. */
export function createWebhooks ({ webhook: { url, secret } }: Settings) {
  const list = byId('webhooks')
  let shown = 0
  return {
    clear (): void {
      shown = 0
      list.replaceChildren()
      byId('no-webhooks').hidden = false
    },
    async read (verificationId: string): Promise<void> {
      const answer = await call('GET', `${url}?verificationId=${verificationId}`).catch(() => null)
      const data = member(answer?.body, 'data')
      if (!Array.isArray(data)) return
      const webhooks = data as Webhook[]
      for (const one of webhooks.slice(shown)) list.append(drawWebhook(one, secret))
      shown = Math.max(shown, webhooks.length)
      byId('no-webhooks').hidden = shown > 0
    },
  }
}
