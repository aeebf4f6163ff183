import type { Page } from 'playwright-core'
import type { Test } from 'tap'
import { codeFor, numberEnding, walk } from '../e2e/end-user.ts'
import { until } from '../helpers/redis.ts'
import { button, eventsOf, part, typeCode, untilEnd, untilTitle, type Shop } from './browser.ts'

const silent = ['truid.phone_check', 'otpless.otp']
/** The page takes over what the element would open, and does nothing. */
const openNothing = 'document.addEventListener("before-open", event => event.preventDefault())'
const opened = async (page: Page): Promise<number> =>
  (await eventsOf(page)).filter(({ type }) => type === 'before-open').length

/** A verification that waits for the operator's answer, and the address to which the operator sends the browser. */
async function beginAtOperator (page: Page, shop: Shop, workflow: unknown[] = silent) {
  await page.addInitScript(openNothing)
  const phoneNumber = numberEnding('02')
  const { id, nextAction } = await shop.begin(page, { phoneNumber, workflow })
  await untilTitle(page, 'Checking your number')
  await until(async () => await opened(page) === 1, 'the page is asked to open the URL')
  return { id: String(id), phoneNumber, back: async () => (await walk(nextAction.url))?.location ?? '' }
}

/** What people do on the way: back, reload, other tabs, other ways. */
export const journeys: Record<string, (t: Test, shop: Shop) => Promise<void>> = {
  async 'the back button does not send the page away again' (t, shop) {
    const { page } = await shop.open()
    await page.route('**/redirect', route => route.fulfill({ contentType: 'text/html', body: '<h1>Operator</h1>' }))
    await shop.begin(page, { phoneNumber: numberEnding('02'), workflow: silent })
    await page.getByRole('heading', { name: 'Operator' }).waitFor()
    await page.goBack()
    await untilTitle(page, 'Checking your number')
    await until(async () => (await eventsOf(page)).filter(({ type }) => type === 'change').length >= 2, 'it was read')
    t.equal(await opened(page), 1)
    await page.unroute('**/redirect')
    await button(page, 'Continue').click()
    await untilEnd(t, page, 'verified')
    t.equal(await opened(page), 2)
  },

  async 'a reload, and a page without attributes, go on' (t, shop) {
    const { page } = await shop.open()
    const phoneNumber = numberEnding('02')
    await shop.begin(page, { phoneNumber, workflow: ['otpless.otp'] })
    await typeCode(page, '000000')
    await part(page, 'error').waitFor()
    await page.reload()
    await untilTitle(page, 'Enter the code')
    await page.goto(shop.returnUrl)
    await typeCode(page, codeFor(phoneNumber))
    await untilEnd(t, page, 'verified')
    await page.reload()
    await page.waitForLoadState()
    t.equal(await part(page, 'root').count(), 0, 'what has ended is not taken up again')
  },

  async 'a code that comes back is not lost by a failure and a reload' (t, shop) {
    const { page } = await shop.open()
    const { id, back } = await beginAtOperator(page, shop)
    await page.route('**/check', route => route.abort())
    await page.goto(await back())
    await part(page, 'notice').filter({ hasText: 'No connection' }).waitFor()
    t.equal(page.url(), shop.returnUrl, 'it has left the address')
    await page.reload()
    await untilTitle(page, 'Checking your number')
    await page.unroute('**/check')
    await untilEnd(t, page, 'verified')
    const { attempts } = (await shop.gateway.shop.call('GET', `/verifications/${id}`)).body
    t.match(attempts, [{ method: 'truid.phone_check', status: 'verified' }])
  },

  async 'an error that comes back starts the next method with its reason' (t, shop) {
    const { page } = await shop.open()
    const { id } = await beginAtOperator(page, shop)
    await page.goto(`${shop.returnUrl}?a=1&verification=${id}&error=carrier_unsupported`)
    await untilTitle(page, 'Enter the code')
    t.equal(page.url(), `${shop.returnUrl}?a=1`)
    const { attempts } = (await shop.gateway.shop.call('GET', `/verifications/${id}`)).body
    t.match(attempts, [{ status: 'failed', reason: 'carrier_unsupported' }, { status: 'pending' }])
  },

  async 'what comes back to a stranger is not submitted' (t, shop) {
    const { page } = await shop.open()
    const { back } = await beginAtOperator(page, shop)
    const { page: stranger } = await shop.open()
    let calls = 0
    stranger.on('request', request => { if (/\/verifications\//.test(request.url())) calls += 1 })
    await stranger.goto(await back())
    await untilTitle(stranger, 'Go back to the page where you started')
    t.equal(stranger.url(), shop.returnUrl)
    t.equal(calls, 0)
  },

  async 'a link that opens another tab ends the first one' (t, shop) {
    const { page, context } = await shop.open()
    const { back } = await beginAtOperator(page, shop)
    const tab = await context.newPage()
    await tab.goto(await back())
    await untilTitle(tab, 'Go back to the page where you started')
    await untilEnd(t, page, 'verified')
  },

  async 'a window beside the page' (t, shop) {
    const { page } = await shop.open()
    const { id } = await shop.begin(
      page, { phoneNumber: numberEnding('02'), workflow: ['truid.phone_check'] }, { 'open-in': 'window' },
    )
    await untilTitle(page, 'Checking your number')
    const [popup] = await Promise.all([page.waitForEvent('popup'), button(page, 'Continue').click()])
    const closed = popup.isClosed() ? null : popup.waitForEvent('close')
    await untilEnd(t, page, 'verified')
    await closed
    t.match(page.url(), new RegExp(`/buy/${id}$`))
  },

  async 'a URL that does not come back is opened beside the page' (t, shop) {
    const { page } = await shop.open()
    const { id, nextAction } = await shop.begin(page, {
      phoneNumber: numberEnding('92'), workflow: [{ method: 'truid.phone_check', options: { version: 'v0.1' } }],
    })
    t.equal(nextAction.finish, 'none')
    const checked = page.waitForRequest(/\/check$/)
    const [popup] = await Promise.all([page.waitForEvent('popup'), button(page, 'Continue').click()])
    t.equal((await checked).postData(), '{}', 'it asks for the result')
    const closed = popup.waitForEvent('close')
    await shop.gateway.shop.call('POST', `/verifications/${id}/cancel`)
    await untilEnd(t, page, 'failed', 'app_canceled')
    await closed
  },

  async 'another way, with the keyboard only' (t, shop) {
    const { page } = await shop.open()
    const { id, phoneNumber } = await beginAtOperator(page, shop, [...silent, 'truecaller.push'])
    await button(page, 'Another way').focus()
    const [request] = await Promise.all([page.waitForRequest(/\/next$/), page.keyboard.press('Enter')])
    t.match(request.postDataJSON(), { revision: Number }, 'a second press would end nothing else')
    await untilTitle(page, 'Enter the code')
    await page.keyboard.type(codeFor(phoneNumber))
    await page.keyboard.press('Enter')
    await untilEnd(t, page, 'verified')
    const { attempts } = (await shop.gateway.shop.call('GET', `/verifications/${id}`)).body
    t.match(attempts, [{ reason: 'abandoned' }, { method: 'otpless.otp', status: 'verified' }])
    t.equal(attempts.length, 2)
  },

  async 'an action of a later version: the next method' (t, shop) {
    const { page } = await shop.open()
    const created = await shop.gateway.shop.create(
      { phoneNumber: numberEnding('02'), workflow: silent, returnUrl: shop.returnUrl },
    )
    await shop.pretend(page, { type: 'danceOnTable' }, attempts => attempts.length === 1)
    await page.goto(shop.pageOf(created.body))
    await untilTitle(page, 'Enter the code')
    t.equal(await opened(page), 0)
  },

  async 'properties instead of attributes, and an element that is moved and removed' (t, shop) {
    const { page } = await shop.open()
    const phoneNumber = numberEnding('02')
    const { body } = await shop.gateway.shop.create({ phoneNumber, workflow: ['otpless.otp'] })
    await page.goto(shop.origin)
    await page.evaluate(`(() => {
      const element = document.querySelector('phone-verification')
      element.clientSecret = '${body['clientSecret']}'
      element.verification = '${body['id']}'
      element.locale = 'de'
      element.texts = { submit: 'Los' }
    })()`)
    await untilTitle(page, 'Code eingeben')
    t.equal(await page.locator('phone-verification').getAttribute('client-secret'), null, 'the secret is not reflected')
    await button(page, 'Los').waitFor()
    await page.evaluate('document.body.append(document.querySelector("phone-verification"))')
    await page.evaluate('window.removed = document.querySelector("phone-verification"); removed.remove()')
    await shop.gateway.app.gateway.get(String(body['id']))
    await page.evaluate('document.body.prepend(removed)')
    await page.getByRole('textbox').fill(codeFor(phoneNumber))
    await button(page, 'Los').click()
    await untilTitle(page, 'Ihre Nummer ist bestätigt')
    t.equal(await page.evaluate('removed.current.status'), 'verified')
  },

  async 'the documented way by hand works as well' (t, shop) {
    const { page } = await shop.open()
    const phoneNumber = numberEnding('04')
    const returnUrl = `${shop.origin}/by-hand`
    const { body } = await shop.gateway.shop.create({ phoneNumber, workflow: silent, returnUrl })
    // The first page has them from its server, the one after the redirect from its storage.
    await page.addInitScript(`if (!sessionStorage.getItem('verification')) {
      window.created = { id: '${body['id']}', clientSecret: '${body['clientSecret']}' }
    }`)
    const left = page.waitForRequest(/\/redirect/)
    await page.goto(returnUrl, { waitUntil: 'commit' })
    await left
    await page.getByText('verified').waitFor()
    t.equal(page.url(), returnUrl)
    t.hasStrict((await shop.gateway.shop.call('GET', `/verifications/${body['id']}`)).body, {
      status: 'verified', result: { method: 'truid.phone_check' },
    })
  },

  async 'the documented way by hand: a fallback to a code' (t, shop) {
    const { page } = await shop.open()
    const phoneNumber = numberEnding('02')
    const { body } = await shop.gateway.shop.create({ phoneNumber, workflow: ['truecaller.web', 'otpless.otp'] })
    await page.addInitScript(`window.created = { id: '${body['id']}', clientSecret: '${body['clientSecret']}' }`)
    await page.goto(`${shop.origin}/by-hand`)
    await page.getByRole('textbox').fill('000000')
    await page.keyboard.press('Enter')
    await page.getByText('Tries left: 4').waitFor()
    t.match((await shop.gateway.shop.call('GET', `/verifications/${body['id']}`)).body['attempts'], [
      { reason: 'app_not_installed' }, { status: 'pending' },
    ])
  },
}

/** Comes last: it puts the gateway's clock forward, for good. */
export const waiting: typeof journeys = {
  async 'send again' (t, shop) {
    const { page, context } = await shop.open()
    await context.clock.install()
    await shop.begin(page, { phoneNumber: numberEnding('02'), workflow: ['otpless.otp'] })
    const again = button(page, /^Send again/)
    await again.waitFor()
    t.match(await again.textContent(), /^Send again in 0:\d\d$/)
    t.equal(await again.getAttribute('aria-disabled'), 'true')
    let calls = 0
    page.on('request', request => { if (/\/resend$/.test(request.url())) calls += 1 })
    await again.click({ force: true })
    shop.clock.aheadMs += 31_000
    await context.clock.fastForward(31_000)
    await button(page, /^Send again$/).click()
    await part(page, 'notice').filter({ hasText: 'Sent again.' }).waitFor()
    t.equal(calls, 1, 'not before its time')
    await button(page, /^Send again in \d:\d\d$/).waitFor()
  },
}
