import type { Page } from 'playwright-core'
import type { Test } from 'tap'
import { numberEnding } from '../e2e/end-user.ts'
import { button, checkContrast, checkPage, part, screenshot, typeCode, untilTitle, type Shop } from './browser.ts'

const message = { length: 6, channels: ['SMS'], attemptsRemaining: 5 }
/** Every screen of a pending verification. */
const actions: Record<string, object> = {
  wait: { type: 'wait' },
  cellular: { type: 'openUrlOnCellular', url: 'https://operator.example/', finish: 'none' },
  deepLink: { type: 'openDeepLink', url: 'truecallersdk://x', notOpenedAfterMs: 600 },
  url: { type: 'openUrl', url: 'https://provider.example/' },
  link: { type: 'openMessageLink', channels: ['WHATSAPP', 'SMS'] },
  approve: { type: 'approveOnDevice', app: 'truecaller' },
  call: { type: 'answerCall' },
  code: { type: 'submitCode', ...message },
}

/** Opens a page whose verification has this action. */
async function show (page: Page, shop: Shop, action: object, attributes: Record<string, string> = {}): Promise<void> {
  await shop.pretend(page, action)
  const { body } = await shop.gateway.shop.create(
    { phoneNumber: numberEnding('92'), workflow: ['otpless.otp', 'truecaller.push'] },
  )
  await page.goto(shop.pageOf(body, attributes))
}

const viewport = { width: 480, height: 520 }

/** All rules in light, and contrast in dark as well; with a picture of both. */
async function checkBoth (t: Test, page: Page, name: string): Promise<void> {
  await page.emulateMedia({ colorScheme: 'light' })
  await checkPage(t, page, name)
  await screenshot(page, `${name}-light`)
  await page.emulateMedia({ colorScheme: 'dark' })
  await checkContrast(t, page, `${name}, dark`)
  await screenshot(page, `${name}-dark`)
}

/** What it looks like, and whether everybody can use it. */
export const look: Record<string, (t: Test, shop: Shop) => Promise<void>> = {
  async 'every screen is accessible, light and dark' (t, shop) {
    const { page } = await shop.open({ viewport })
    for (const [name, action] of Object.entries(actions)) {
      await show(page, shop, action)
      await page.locator(`phone-verification [part="root ${name}"]`).waitFor()
      await checkBoth(t, page, name)
    }
  },

  async 'an error and the ends are accessible, light and dark' (t, shop) {
    const { page } = await shop.open({ viewport })
    await shop.begin(page, { phoneNumber: numberEnding('02'), workflow: ['otpless.otp'] })
    await typeCode(page, '000000')
    await part(page, 'error').waitFor()
    await checkBoth(t, page, 'wrong')
    for (const [suffix, name] of [['02', 'verified'], ['96', 'failed']] as const) {
      await shop.begin(page, { phoneNumber: numberEnding(suffix), workflow: ['truecaller.push'] })
      await page.locator(`phone-verification [part="root ${name}"]`).waitFor()
      await checkBoth(t, page, name)
    }
  },

  async 'every language, on a narrow phone' (t, shop) {
    for (const [locale, title, dir] of [
      ['de', 'Code eingeben', 'ltr'], ['es', 'Introduzca el código', 'ltr'], ['pt-BR', 'Digite o código', 'ltr'],
      ['hi', 'कोड दर्ज करें', 'ltr'], ['ar', 'أدخل الرمز', 'rtl'], ['fr', 'Enter the code', 'ltr'],
    ] as const) {
      // WCAG 1.4.10: nothing is cut off and nothing scrolls sideways at 320 CSS pixels.
      const { page } = await shop.open({ viewport: { width: 320, height: 600 } })
      await show(page, shop, actions['code'] ?? {}, { locale })
      await untilTitle(page, title)
      t.equal(await part(page, 'root').getAttribute('dir'), dir, locale)
      t.equal(await part(page, 'root').getAttribute('lang'), locale === 'fr' ? 'en' : locale)
      t.equal(await page.evaluate('document.documentElement.scrollWidth'), 320, 'no sideways scrolling')
      if (dir === 'rtl') await checkPage(t, page, locale)
      await screenshot(page, `code-${locale}`)
    }
  },

  async 'the language is that of the page, else of the browser' (t, shop) {
    const { page } = await shop.open({ locale: 'es-MX' })
    await page.addInitScript(`document.addEventListener('DOMContentLoaded', () => {
      document.documentElement.removeAttribute('lang')
    })`)
    await show(page, shop, actions['code'] ?? {})
    await untilTitle(page, 'Introduzca el código')
    t.pass()
  },

  async 'motion is for those who like it' (t, shop) {
    for (const [reducedMotion, animation] of [['reduce', 'none'], ['no-preference', 'turn']] as const) {
      const { page } = await shop.open({ reducedMotion })
      await show(page, shop, actions['approve'] ?? {})
      await part(page, 'spinner').waitFor()
      t.equal(await page.evaluate(`getComputedStyle(document.querySelector('phone-verification').shadowRoot
        .querySelector('[part~=spinner]')).animationName`), animation)
    }
  },

  async 'parts and custom properties style it' (t, shop) {
    const { page } = await shop.open()
    await show(page, shop, actions['code'] ?? {})
    await part(page, 'submit').waitFor()
    await page.evaluate(`(() => {
      const sheet = new CSSStyleSheet()
      sheet.replaceSync('phone-verification { --phone-verification-accent: rgb(120, 0, 90) }'
        + 'phone-verification::part(title) { font-style: italic }')
      document.adoptedStyleSheets = [sheet]
    })()`)
    const styleOf = (name: string, property: string) => page.evaluate(`getComputedStyle(document.querySelector(
      'phone-verification').shadowRoot.querySelector('[part~=${name}]')).${property}`)
    t.equal(await styleOf('submit', 'backgroundColor'), 'rgb(120, 0, 90)')
    t.equal(await styleOf('title', 'fontStyle'), 'italic')
    const box = await button(page, 'Verify').boundingBox()
    t.ok((box?.height ?? 0) >= 44, 'a target for fingers')
  },
}
