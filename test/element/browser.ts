import { readFileSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { createRequire } from 'node:module'
import {
  chromium, type Browser, type BrowserContext, type BrowserContextOptions, type Locator, type Page,
} from 'playwright-core'
import type { Test } from 'tap'
import { request } from 'undici'
import { chromiumNames } from '../../scripts/chromium.ts'
import { findExecutable } from '../../scripts/install.ts'
import type { App } from '../../src/apps/apps.ts'
import { otpless } from '../../src/sandbox/otpless/index.ts'
import type { Simulators } from '../../src/sandbox/simulators.ts'
import { truecaller } from '../../src/sandbox/truecaller/index.ts'
import { truid } from '../../src/sandbox/truid/index.ts'
import { vonage } from '../../src/sandbox/vonage/index.ts'
import { read } from '../docs/documents.ts'
import { post } from '../e2e/end-user.ts'
import { startGateway, testApps, type TestGateway } from '../helpers/gateway.ts'

type Teardown = { teardown (run: () => unknown): void }

const executablePath = await findExecutable(chromiumNames)
/** For `skip` of a test. */
export const withoutBrowser = executablePath === null ? 'Chromium is not on the PATH' : false

const screenshots = join(import.meta.dirname, '../../.data/screenshots')
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

/** What a page saw: type of the event, status, reason. */
export type Seen = { type: string, status: string | null, reason: string | null }

const html = (gateway: string, attributes: Record<string, string>): string => `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Shop</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/page.css">
<script type="module" src="/page.js"></script>
<script type="module" src="${gateway}/elements/phone-verification.js"></script>
<main>
<h1>Shop</h1>
<phone-verification${Object.entries(attributes).map(([name, value]) => ` ${name}="${value}"`).join('')}>
</phone-verification>
</main>
</html>
`
const css = `:root { color-scheme: light dark }
body { font: 1rem/1.5 system-ui, sans-serif; margin: 2rem; color: light-dark(#16181b, #eceef0) }
body { background: light-dark(#fff, #14171a) }`

/** Remembers the element's events, and what the page's policy has blocked, over all pages of the tab. */
const script = `
window.blocked = []
document.addEventListener('securitypolicyviolation', ({ violatedDirective, blockedURI }) => {
  blocked.push(violatedDirective + ' ' + blockedURI)
})
const seen = JSON.parse(sessionStorage.getItem('seen') ?? '[]')
for (const type of ['change', 'verified', 'failed', 'unavailable', 'before-open', 'token-needed']) {
  document.addEventListener(type, ({ detail }) => {
    seen.push({ type, status: detail.status ?? null, reason: detail.reason ?? null })
    sessionStorage.setItem('seen', JSON.stringify(seen))
  })
}
`

/** A page that does by hand what the documentation shows, with the least of what is left to it. */
const [, documented = ''] = /## By hand in a web page.*?```js\n(.*?)```/s.exec(read('docs/front-end.md')) ?? []
const byHand = (gateway: string): string => `
const gateway = '${gateway}'
const fromYourServer = window.created ?? null
const [said, shown] = document.querySelectorAll('p, div')
const put = (tag, text) => {
  shown.replaceChildren(document.createElement(tag))
  shown.firstChild.textContent = text
  return shown.firstChild
}
const say = text => { said.textContent = text }
const showButton = (text, onClick) => put('button', text).addEventListener('click', onClick)
const askForCode = (length, onCode) => put('input', '').addEventListener('change', ({ target }) => onCode(target.value))
${documented}`

/** The page's own policy: nothing inline, nothing evaluated, no HTML from texts. */
const policyOf = (gateway: string): string => [
  'default-src \'none\'', `script-src 'self' ${gateway}`, 'style-src \'self\'', 'img-src data:',
  `connect-src ${gateway}`, 'base-uri \'none\'', 'require-trusted-types-for \'script\'', 'trusted-types \'none\'',
].join('; ')

export type Shop = {
  gateway: TestGateway
  /** Origin of the pages, which is not the gateway's. */
  origin: string
  returnUrl: string
  phone: ReturnType<typeof createPhone>
  /** How far the clock of gateway and providers is ahead. */
  clock: { aheadMs: number }
  /** Opens a tab with its own storage. */
  open (options?: BrowserContextOptions): Promise<{ context: BrowserContext, page: Page }>
  /** The address of a page with an element for this verification. `attributes` are further ones. */
  pageOf (created: Record<string, unknown>, attributes?: Record<string, string>): string
  /** The gateway seems to say that there is this to do, as long as `isMeant`. */
  pretend (page: Page, action: object, isMeant?: (attempts: unknown[]) => boolean): Promise<void>
  /** Creates a verification and opens its page. */
  begin (page: Page, body: object, attributes?: Record<string, string>): Promise<Record<string, any>>
}

/** A browser that ends with the test. */
export async function launchBrowser (t: Teardown): Promise<Browser> {
  const browser = await chromium.launch({ executablePath: executablePath ?? '', args: ['--no-sandbox'] })
  t.teardown(() => browser.close())
  return browser
}

/** One gateway with simulators, one browser, and a shop's pages on an origin of their own. */
export async function startShop (t: Teardown): Promise<Shop> {
  const pages = new Map<string, Record<string, string>>()
  let gatewayUrl = ''
  const answer = ({ url = '' }: IncomingMessage): [type: string, body: string] => {
    const { pathname } = new URL(url, 'http://shop')
    if (pathname === '/page.css') return ['text/css', css]
    if (pathname === '/page.js') return ['text/javascript', script]
    if (pathname === '/by-hand.js') return ['text/javascript', byHand(gatewayUrl)]
    if (pathname === '/by-hand') {
      return ['text/html', '<!doctype html><script type="module" src="/by-hand.js"></script><p></p><div></div>']
    }
    return ['text/html', html(gatewayUrl, pages.get(pathname) ?? {})]
  }
  const server = createServer((request, response) => {
    const [type, body] = answer(request)
    response.setHeader('content-security-policy', policyOf(gatewayUrl))
    response.setHeader('content-type', `${type}; charset=utf-8`).end(body)
  }).listen(0, '127.0.0.1')
  await new Promise(resolve => server.once('listening', resolve))
  t.teardown(() => server.close())
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const returnUrl = `${origin}/verified`

  const browser = await launchBrowser(t)
  const apps: App[] = testApps.map(app =>
    app.id === 'shop' ? { ...app, allowedOrigins: [origin], allowedReturnUrls: [returnUrl, `${origin}/by-hand`] } : app)
  const clock = { aheadMs: 0 }
  const now = (): number => Date.now() + clock.aheadMs
  const simulators = [truecaller, truid, otpless, vonage]
  const gateway = await startGateway(t, { apps, now, simulatorOptions: { now, simulators } })
  gatewayUrl = gateway.url

  const shop: Shop = {
    gateway, origin, returnUrl, clock, phone: createPhone(gateway.simulators),
    async open (options = {}) {
      const context = await browser.newContext({ locale: 'en', reducedMotion: 'reduce', ...options })
      context.setDefaultTimeout(60_000)
      t.teardown(() => context.close())
      return { context, page: await context.newPage() }
    },
    pageOf ({ id, clientSecret }, attributes = {}) {
      pages.set(`/buy/${id}`, { verification: String(id), 'client-secret': String(clientSecret), ...attributes })
      return `${origin}/buy/${id}`
    },
    async pretend (page, action, isMeant = () => true) {
      await page.unrouteAll()
      await page.route('**/events', route => route.abort())
      // Polls for a change are not answered.
      await page.route(/\/verifications\/[^/]+\?wait=/, () => {})
      await page.route(/\/verifications\/[^/?]+$/, async route => {
        const response = await route.fetch()
        const json = await response.json()
        if (json.nextAction === null || !isMeant(json.attempts)) return route.fulfill({ response })
        return route.fulfill({ response, json: { ...json, nextAction: { expiresAt: json.expiresAt, ...action } } })
      })
    },
    async begin (page, body, attributes) {
      const created = await gateway.shop.create({ returnUrl, ...body })
      if (created.status !== 201) throw new Error(`create: ${JSON.stringify(created.body)}`)
      await page.goto(shop.pageOf(created.body, attributes), { waitUntil: 'commit' })
      return created.body
    },
  }
  return shop
}

/** The simulated phones. */
function createPhone ({ url }: Simulators) {
  const itemOf = async (phoneNumber: string): Promise<Record<string, unknown>> => {
    const answer = await request(`${url}/handset/items?phoneNumber=${encodeURIComponent(phoneNumber)}`)
    const { data } = await answer.body.json() as { data: Record<string, unknown>[] }
    return data.at(-1) ?? {}
  }
  return {
    /** The person decides, not the suffix of the number. */
    decideByHand: (phoneNumber: string): Promise<unknown> => request(`${url}/handset/mode`, {
      method: 'PUT', headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ phoneNumber, manual: true }),
    }),
    choose: async (phoneNumber: string, choice: string): Promise<unknown> =>
      post(`${url}/handset/items/${String((await itemOf(phoneNumber))['id'])}`, { choice }),
    link: async (phoneNumber: string): Promise<string> => String((await itemOf(phoneNumber))['url']),
  }
}

/** The element's events on all pages of the tab so far. */
export const eventsOf = async (page: Page): Promise<Seen[]> =>
  JSON.parse(await page.evaluate<string>('sessionStorage.getItem("seen") ?? "[]"'))

export const part = (page: Page, name: string): Locator => page.locator(`phone-verification [part~="${name}"]:visible`)
export const button = (page: Page, name: string | RegExp): Locator => page.getByRole('button', { name })

/** Waits until the element shows this title. */
export const untilTitle = (page: Page, text: string): Promise<void> =>
  part(page, 'title').filter({ hasText: text }).waitFor()

/** Waits for the end, and checks that it was told once. */
export async function untilEnd (t: Test, page: Page, type: 'verified' | 'failed', reason: string | null = null) {
  await untilTitle(page, type === 'verified' ? 'Your number is verified' : 'Your number could not be verified')
  const ends = (await eventsOf(page)).filter(seen => ['verified', 'failed', 'unavailable'].includes(seen.type))
  t.match(ends, [{ type, reason }], `it ends once: ${type}`)
  t.equal(ends.length, 1)
}

export async function typeCode (page: Page, code: string): Promise<void> {
  await page.getByRole('textbox').fill(code)
  await page.keyboard.press('Enter')
}

async function violationsOf (page: Page, rules: string): Promise<unknown> {
  if (await page.evaluate('!window.axe')) await page.evaluate(axe)
  return page.evaluate(`axe.run(document, { runOnly: ${rules} }).then(({ violations }) => violations.map(
    ({ id, nodes }) => [id, ...nodes.map(({ html, any }) => html + ' ' + any.map(({ message }) => message))].join()))`)
}

/** Fails for every rule of WCAG 2.2 A and AA that the page breaks, and for what its policy had to block. */
export async function checkPage (t: Test, page: Page, name: string): Promise<void> {
  const rules = '["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]'
  t.strictSame(await violationsOf(page, rules), [], `${name}: accessible`)
  t.strictSame(await page.evaluate('window.blocked'), [], `${name}: nothing was blocked`)
}

export async function checkContrast (t: Test, page: Page, name: string): Promise<void> {
  const rules = '{ type: "rule", values: ["color-contrast"] }'
  t.strictSame(await violationsOf(page, rules), [], `${name}: enough contrast`)
}

export async function screenshot (page: Page, name: string, options: { fullPage?: boolean } = {}): Promise<void> {
  await mkdir(screenshots, { recursive: true })
  await page.screenshot({ path: join(screenshots, `${name}.png`), ...options })
}
