import { createHash, randomBytes } from 'node:crypto'
import type { Test } from 'tap'
import { codeFor, numberEnding, openDeepLink, post, signIn } from '../e2e/end-user.ts'
import { button, eventsOf, part, typeCode, untilEnd, untilTitle, type Shop } from './browser.ts'

const android = 'Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 Chrome/140.0.0.0 Mobile Safari/537.36'

/** An app that opens takes the focus. */
const appOpens = 'addEventListener("before-open", () => setTimeout(() => dispatchEvent(new Event("blur"))))'

const silent = ['truid.phone_check', 'otpless.otp']

/** By each method, and what its suffix of the number makes of it. */
export const methods: Record<string, (t: Test, shop: Shop) => Promise<void>> = {
  async 'truid.phone_check: the page goes to the operator and comes back' (t, shop) {
    const { page } = await shop.open()
    const exchanges = () => shop.gateway.simulators.requests.filter(({ method }) => method === 'PATCH').length
    const before = exchanges()
    const returnUrl = `${shop.returnUrl}?page=%20~`
    await shop.begin(page, { phoneNumber: numberEnding('02'), workflow: silent, returnUrl })
    await untilEnd(t, page, 'verified')
    t.equal(page.url(), returnUrl, 'the address is as the page wrote it')
    t.equal(exchanges() - before, 1, 'the code was submitted once')
    t.strictSame(await page.evaluate('Object.keys(sessionStorage)'), ['seen'], 'nothing is left of it')
  },

  async 'truid.phone_check: another number' (t, shop) {
    const { page } = await shop.open()
    await shop.begin(page, { phoneNumber: numberEnding('01'), workflow: ['truid.phone_check'] })
    await untilEnd(t, page, 'failed', 'number_mismatch')
    t.match(await part(page, 'text').textContent(), /^The phone has another number\./)
  },

  async 'truid.phone_check on Wi-Fi: the next method' (t, shop) {
    const { page } = await shop.open()
    const phoneNumber = '+14155581391'
    await shop.begin(page, { phoneNumber, workflow: silent })
    await untilTitle(page, 'Enter the code')
    t.match(await part(page, 'text').textContent(), /^Your phone was not on mobile data\. We sent it to/)
    await typeCode(page, codeFor(phoneNumber))
    await untilEnd(t, page, 'verified')
  },

  async 'truid.phone_check: each other suffix' (t, shop) {
    const { page } = await shop.open()
    for (const [suffix, title] of [
      ['93', 'Your number is verified'], ['94', 'Your number is verified'], ['95', 'Your number is verified'],
      ['97', 'Your number is verified'], ['91', 'Enter the code'], ['96', 'Enter the code'], ['98', 'Enter the code'],
      ['99', 'Enter the code'],
    ] as const) {
      // The 3 limits the suffix to tru.ID.
      await shop.begin(page, { phoneNumber: `+141555503${suffix}`, workflow: silent })
      await untilTitle(page, title)
      t.pass(`${suffix}: ${title}`)
    }
  },

  async 'truid.phone_check: an operator that never answers does not hold the page' (t, shop) {
    const { page } = await shop.open()
    await shop.begin(page, {
      phoneNumber: '+14155550392', workflow: [{ method: 'truid.phone_check', timeoutSeconds: 2 }, 'otpless.otp'],
    })
    await untilTitle(page, 'Enter the code')
    t.match(page.url(), /\/buy\//, 'the page has not left')
    await typeCode(page, '550392')
    await untilEnd(t, page, 'verified')
  },

  async 'vonage.silent_auth: the code comes back in the fragment of the address' (t, shop) {
    const { page } = await shop.open()
    const returnUrl = `${shop.returnUrl}?page=%20~`
    const left = page.waitForRequest(request => request.url().includes('verification=ver_'))
    await shop.begin(page, { phoneNumber: numberEnding('02'), workflow: ['vonage.silent_auth'], returnUrl })
    t.notMatch((await left).url(), /code=/, 'no server has seen it')
    await untilEnd(t, page, 'verified')
    t.equal(page.url(), returnUrl, 'the address is as the page wrote it')
  },

  async 'vonage.silent_auth: an error comes back there, too' (t, shop) {
    const { page } = await shop.open()
    const phoneNumber = numberEnding('02')
    await page.route('**/silent-auth/redirect', route => route.fulfill({ contentType: 'text/html', body: 'Operator' }))
    const { id } = await shop.begin(page, { phoneNumber, workflow: ['vonage.silent_auth', 'otpless.otp'] })
    await page.waitForURL('**/silent-auth/redirect')
    await page.goto(`${shop.returnUrl}?verification=${id}#error_description=Device%20MSISDN%20does%20not%20match.`)
    await untilTitle(page, 'Enter the code')
    t.equal(page.url(), shop.returnUrl)
    await typeCode(page, codeFor(phoneNumber))
    await untilEnd(t, page, 'verified')
  },

  async 'truecaller.push: approved on the phone' (t, shop) {
    const { page } = await shop.open()
    const phoneNumber = numberEnding('02')
    await shop.phone.decideByHand(phoneNumber)
    await shop.begin(page, { phoneNumber, workflow: ['truecaller.push'] })
    await untilTitle(page, 'Approve the request on your phone')
    t.equal(await part(page, 'text').textContent(), 'Open Truecaller and approve the request.')
    t.equal(await page.evaluate('document.activeElement.tagName'), 'BODY', 'the focus is not taken')
    await shop.phone.choose(phoneNumber, 'approve')
    await untilEnd(t, page, 'verified')
  },

  async 'truecaller.push without an account: a code' (t, shop) {
    const { page } = await shop.open()
    await shop.begin(page, { phoneNumber: '+14155550291', workflow: ['truecaller.push', 'otpless.otp'] })
    await untilTitle(page, 'Enter the code')
    await typeCode(page, '550291')
    await untilEnd(t, page, 'verified')
  },

  async 'truecaller.web: the app opens' (t, shop) {
    const { page } = await shop.open({ userAgent: android })
    await page.addInitScript(appOpens)
    const phoneNumber = numberEnding('02')
    const { nextAction } = await shop.begin(page, { workflow: ['truecaller.web'] })
    await untilTitle(page, 'Continue in Truecaller')
    await button(page, 'Continue').click()
    await openDeepLink(shop.gateway.simulators, nextAction.url, phoneNumber)
    await untilEnd(t, page, 'verified')
    t.ok((await eventsOf(page)).some(({ type }) => type === 'before-open'))
  },

  async 'truecaller.web: the app is not there' (t, shop) {
    const { page } = await shop.open({ userAgent: android })
    const { id } = await shop.begin(page, { workflow: ['truecaller.web'] })
    await button(page, 'Continue').click()
    await untilEnd(t, page, 'failed', 'app_not_installed')
    t.hasStrict((await shop.gateway.shop.call('GET', `/verifications/${id}`)).body, { reason: 'app_not_installed' })
  },

  async 'truecaller.web on another platform: the next method at once' (t, shop) {
    const { page } = await shop.open()
    const phoneNumber = numberEnding('02')
    await shop.begin(page, { phoneNumber, workflow: ['truecaller.web', 'otpless.otp'] })
    await untilTitle(page, 'Enter the code')
    t.match(await part(page, 'text').textContent(), /^The app was not found on this device\./)
  },

  async 'truecaller.web: the person refuses' (t, shop) {
    const { page } = await shop.open({ userAgent: android })
    await page.addInitScript(appOpens)
    const { nextAction } = await shop.begin(page, { workflow: ['truecaller.web'] })
    await button(page, 'Continue').click()
    await openDeepLink(shop.gateway.simulators, nextAction.url, numberEnding('90'))
    await untilEnd(t, page, 'failed', 'user_rejected')
    t.match(await part(page, 'text').textContent(), /^The request was declined\./)
  },

  async 'otpless.otp: a wrong code, and the right one' (t, shop) {
    const { page } = await shop.open()
    const phoneNumber = numberEnding('02')
    await shop.begin(page, { phoneNumber, workflow: ['otpless.otp'] })
    const field = page.getByRole('textbox')
    await field.waitFor()
    t.strictSame(await Promise.all(['autocomplete', 'inputmode', 'type'].map(name => field.getAttribute(name))), [
      'one-time-code', 'numeric', 'text',
    ])
    t.equal(await part(page, 'label').textContent(), 'Code with 6 digits')
    await typeCode(page, '000000')
    await part(page, 'error').waitFor()
    t.equal(await part(page, 'error').textContent(), 'This code is not correct. Tries left: 4')
    t.equal(await part(page, 'status').textContent(), 'This code is not correct. Tries left: 4', 'it is read out')
    t.equal(await field.getAttribute('aria-invalid'), 'true')
    await page.keyboard.type('0')
    t.equal(await field.inputValue(), '0', 'it has the focus and can be typed over')
    await typeCode(page, 'none')
    await part(page, 'error').filter({ hasText: /^This code is not correct\.$/ }).waitFor()
    await page.getByRole('textbox').fill(codeFor(phoneNumber).split('').join(' '))
    await button(page, 'Verify').click()
    await untilEnd(t, page, 'verified')
  },

  async 'otpless.otp: too many wrong codes' (t, shop) {
    const { page } = await shop.open()
    await shop.begin(page, { phoneNumber: numberEnding('01'), workflow: ['otpless.otp'] })
    for (const left of [4, 3, 2, 1]) {
      await typeCode(page, '000000')
      await part(page, 'error').filter({ hasText: `Tries left: ${left}` }).waitFor()
    }
    await typeCode(page, '000000')
    await untilEnd(t, page, 'failed', 'code_attempts_exhausted')
  },

  async 'otpless.otp: the message cannot be sent' (t, shop) {
    const { page } = await shop.open()
    await shop.begin(page, { phoneNumber: numberEnding('96'), workflow: ['otpless.otp'] })
    await untilEnd(t, page, 'failed', 'provider_unavailable')
  },

  async 'a code is read from its message where the browser can' (t, shop) {
    const { page } = await shop.open()
    const phoneNumber = numberEnding('02')
    // Desktop browsers have no WebOTP: this is what Chrome on Android does.
    await page.addInitScript(`
      window.OTPCredential = class {}
      navigator.credentials.get = options => new Promise(resolve => {
        window.asked = options.otp
        window.arrive = () => resolve({ code: '${codeFor(phoneNumber)}' })
      })
    `)
    const action = { type: 'submitCode', length: 6, channels: ['SMS'], autofill: { webOtp: '@shop.example #123456' } }
    await shop.pretend(page, action)
    await shop.begin(page, { phoneNumber, workflow: ['otpless.otp'] })
    await untilTitle(page, 'Enter the code')
    t.strictSame(await page.evaluate('window.asked'), { transport: ['sms'] })
    await page.evaluate('window.arrive()')
    await untilEnd(t, page, 'verified')
  },

  async 'otpless.token: the page runs the SDK' (t, shop) {
    const { page } = await shop.open()
    const token = await signIn(shop.gateway.simulators, { phoneNumber: numberEnding('02') })
    await page.addInitScript(`document.addEventListener('token-needed', event => {
      event.preventDefault()
      window.asked = event.detail
      event.target.submit({ token: '${token}' })
    })`)
    await shop.begin(page, { workflow: ['otpless.token'] })
    await untilEnd(t, page, 'verified')
    t.match(await page.evaluate('window.asked'), { sdk: 'otpless', params: { appId: /./ } })
  },

  async 'otpless.token: a page without the SDK' (_t, shop) {
    const { page } = await shop.open()
    const phoneNumber = numberEnding('02')
    await shop.begin(page, { phoneNumber, workflow: ['otpless.token', 'otpless.otp'] })
    await untilTitle(page, 'Enter the code')
  },

  async 'truecaller.oauth, truecaller.payload and truecaller.missed_call: the page runs the SDK' (t, shop) {
    const { simulators } = shop.gateway
    const codeVerifier = randomBytes(32).toString('base64url')
    const codeChallenge = createHash('sha256').update(codeVerifier).digest('base64url')
    const phoneNumber = '+919876500102'
    for (const [method, path, pick] of [
      ['truecaller.oauth', 'oauth', ({ authorizationCode }) => ({ authorizationCode, codeVerifier })],
      ['truecaller.payload', 'payload', ({ payload, signature, signatureAlgorithm }) =>
        ({ payload, signature, signatureAlgorithm })],
      ['truecaller.missed_call', 'missed-call', ({ token }) => ({ token })],
    ] as const satisfies [string, string, (body: Record<string, unknown>) => object][]) {
      const { page } = await shop.open()
      await page.exposeFunction('runSdk', async ({ sdk, params }: { sdk: string, params: object }) => {
        t.equal(sdk, 'truecaller', method)
        const challenge = path === 'oauth' ? { codeChallenge } : {}
        return pick((await post(
          `${simulators.url}/handset/truecaller/${path}`, { phoneNumber, ...params, ...challenge },
        )).body)
      })
      await page.addInitScript(`document.addEventListener('token-needed', async event => {
        event.preventDefault()
        event.target.submit(await runSdk(event.detail))
      })`)
      await shop.begin(page, { ...method === 'truecaller.missed_call' ? { phoneNumber } : {}, workflow: [method] })
      await untilEnd(t, page, 'verified')
    }
  },

  async 'otpless.magic_link and otpless.otp_link: the link opens another tab' (t, shop) {
    for (const method of ['otpless.magic_link', 'otpless.otp_link']) {
      const { page, context } = await shop.open()
      const phoneNumber = numberEnding('02')
      await shop.begin(page, { phoneNumber, workflow: [method] })
      await untilTitle(page, 'Open the link that we sent')
      const link = await shop.phone.link(phoneNumber)
      const tab = await context.newPage()
      await tab.goto(link)
      await tab.getByRole('button').first().click()
      await untilTitle(tab, 'Go back to the page where you started')
      t.equal(tab.url(), shop.returnUrl, method)
      await untilEnd(t, page, 'verified')
    }
  },

  async 'otpless.oauth: signed in on another page' (t, shop) {
    const { page } = await shop.open()
    await shop.begin(page, { workflow: ['otpless.oauth'] })
    await untilTitle(page, 'Confirm your number')
    await button(page, 'Continue').click()
    await page.getByRole('textbox').first().fill(numberEnding('02'))
    await page.keyboard.press('Enter')
    await untilEnd(t, page, 'verified')
    t.equal(page.url(), shop.returnUrl)
  },

  async 'otpless.voice_approval: the person approves, or declines' (t, shop) {
    for (const [choice, end, reason] of [
      ['approve', 'verified', null], ['decline', 'failed', 'user_rejected'],
    ] as const) {
      const { page } = await shop.open()
      const phoneNumber = numberEnding('02')
      await shop.phone.decideByHand(phoneNumber)
      await shop.begin(page, { phoneNumber, workflow: ['otpless.voice_approval'] })
      await untilTitle(page, 'Answer our call')
      await shop.phone.choose(phoneNumber, choice)
      await untilEnd(t, page, end, reason)
    }
  },

  async 'otpless.sna: the URL is opened beside the page' (t, shop) {
    const { page } = await shop.open()
    await shop.begin(page, { phoneNumber: numberEnding('02'), workflow: ['otpless.sna'] })
    await untilTitle(page, 'Checking your number')
    await button(page, 'Continue').click()
    await untilEnd(t, page, 'verified')
  },
}
