import t, { type Test } from 'tap'
import type { Browser, BrowserContextOptions, Page } from 'playwright-core'
import type { ProviderList } from '../../src/api/schemas/responses.ts'
import { reasons } from '../../src/core/reasons.ts'
import type { Action } from '../../src/core/vocabulary.ts'
import { reasonExamples } from '../../src/sandbox/scenarios.ts'
import { checkPage, launchBrowser, screenshot, withoutBrowser } from '../element/browser.ts'
import { startListening } from '../helpers/process.ts'
import { freePort, startRedis } from '../helpers/redis.ts'
import { ask } from './receiver.ts'

const skip = withoutBrowser
const [port, simulatorsPort, redis] = await Promise.all([freePort(), freePort(), startRedis(t)])
const gateway = await startListening(
  t, { SANDBOX: 'true', PORT: String(port), SANDBOX_PORT: String(simulatorsPort), REDIS_URL: redis.url },
)
const url = `http://localhost:${port}`
const browser: Browser | null = withoutBrowser === false ? await launchBrowser(t) : null

/** Runs a test on the page, which fails for everything that its policy blocks, and for every error of a script. */
async function visit (t: Test, run: (page: Page) => Promise<void>, options: BrowserContextOptions = {}): Promise<void> {
  if (browser === null) throw new Error('no browser')
  const context = await browser.newContext({ locale: 'en', reducedMotion: 'reduce', ...options })
  context.setDefaultTimeout(20_000)
  await context.addInitScript(`
    window.blocked = []
    document.addEventListener('securitypolicyviolation', ({ violatedDirective, blockedURI }) => {
      blocked.push(violatedDirective + ' ' + blockedURI)
    })`)
  const page = await context.newPage()
  const errors: string[] = []
  page.on('pageerror', ({ message }) => errors.push(message))
  try {
    await page.goto(url)
    await page.waitForSelector('[data-preset]')
    await run(page)
    t.strictSame(errors, [], 'no script fails')
    t.strictSame(await page.evaluate('window.blocked'), [], 'nothing was blocked')
  } finally {
    await context.close()
  }
}

const choose = (page: Page, preset: string): Promise<void> => page.click(`[data-preset=${preset}]`)
const press = (page: Page, label: string): Promise<void> => page.click(`.phone button:text-is("${label}")`)
const useCode = (page: Page): Promise<void> => page.click('.phone button:text-matches("^Use \\\\d{6}$")')
/** Starts a verification by this method alone. */
async function workWith (page: Page, method: string): Promise<void> {
  await page.evaluate('document.querySelector("#own").open = true')
  const first = page.locator('#form .steps button').first()
  while (await first.count() > 0) await first.click()
  await page.locator('#form fieldset select').selectOption(method)
  await page.locator('#form > label select').nth(1).selectOption({ label: 'verified' })
  await page.click('#form button[type=submit]')
}
/** Waits until this state is lit in the drawing. */
const reach = (page: Page, status: string) => page.waitForSelector(`#drawing .${status}.lit`)
const attempts = async (page: Page): Promise<string[]> =>
  (await page.locator('.attempt').allInnerTexts()).map(text => text.replace(/\s+/g, ' '))

t.test('the page and its files exist in the sandbox', async t => {
  const answer = await ask(url, 'GET')
  t.equal(answer.status, 200)
  t.match(answer.headers.get('content-security-policy'), /^default-src 'none'; script-src 'self'; style-src 'self';/)
  t.notMatch(
    answer.text, /<script(?! type="module" src="\/)|<style|\son\w+=|\sstyle=|https?:/, 'nothing inline or foreign',
  )
  t.ok([...answer.text.matchAll(/(?:src|href)="(\/sandbox\/[^"]+)"/g)].length > 3)
  const script = await ask(`${url}/sandbox/page/main.ts`, 'GET')
  t.match(script.type, 'text/javascript')
  t.notMatch(script.text, /^type |: string/m, 'without types')
  t.equal((await ask(`${url}/sandbox/page/tsconfig.json`, 'GET')).status, 404)
  t.strictSame(gateway.complaints, [], 'and nothing is said about it')
})

t.test('every reason can be chosen', { skip }, t => visit(t, async page => {
  await page.click('#own summary')
  const offered = await page.locator('#form select').first().locator('option').allInnerTexts()
  t.strictSame(offered.filter(text => text.includes('`')), [], 'a menu cannot show code')
  const missing = Object.keys(reasons).filter(reason => !offered.some(text => text.startsWith(`${reason}: `)))
  t.strictSame(missing, Object.keys(reasons).filter(reason => !reasonExamples.some(one => one.reason === reason)))
  await page.locator('#form select').first().selectOption({ index: 1 + reasonExamples.findIndex(
    ({ reason }) => reason === 'carrier_unsupported',
  ) })
  t.match(await page.locator('#form input[type=tel]').inputValue(), /^\+1\d{3}5550191$/)
  t.match(await page.locator('#form .meanings').innerText(), 'tru.ID: not possible for this number')
  await page.click('#form button[type=submit]')
  await press(page, 'Open over mobile data')
  await reach(page, 'failed')
  t.strictSame(await attempts(page), ['tru.ID truid.phone_check failed: carrier_unsupported'])

  const superseded = reasonExamples.findIndex(({ reason }) => reason === 'superseded')
  await page.locator('#form select').first().selectOption({ index: 1 + superseded })
  await page.click('#form button[type=submit]')
  await page.waitForSelector('.notification.message')
  await page.click('#form button[type=submit]')
  await page.waitForSelector('#timeline .canceled span:text-matches("^ver_.* is canceled: superseded$")')
}))

t.test('verified without a code, with its webhooks and their signatures', { skip }, t => visit(t, async page => {
  await choose(page, 'silent')
  await press(page, 'Open over mobile data')
  await reach(page, 'verified')
  t.strictSame(await attempts(page), [
    'tru.ID truid.phone_check verified', 'OTPLESS otpless.otp not started',
  ])
  const webhook = page.locator('#webhooks > li', { hasText: 'verification.verified' })
  await webhook.locator('summary').click()
  await webhook.locator('button:text-is("Verify signature")').click()
  await webhook.locator('.signed.valid').waitFor()
  await webhook.locator('button:text-matches("changed")').click()
  await webhook.locator('.signed.invalid').waitFor()
  await checkPage(t, page, 'a webhook')
}))

t.test('the button of the app opens what the phone opens', { skip }, t => visit(t, async page => {
  const pressApp = (): Promise<void> => page.click('phone-verification button:text-is("Continue")')
  await choose(page, 'silent')
  await pressApp()
  await reach(page, 'verified')
  await workWith(page, 'truecaller.web')
  await pressApp()
  await page.locator('.notification.prompt button').first().click()
  await reach(page, 'verified')
  await workWith(page, 'otpless.oauth')
  const [tab] = await Promise.all([page.waitForEvent('popup'), pressApp()])
  await tab.waitForLoadState()
  t.match(tab.url(), /^http:/)
}))

t.test('on Wi-Fi a code verifies', { skip }, t => visit(t, async page => {
  await choose(page, 'wifi')
  await press(page, 'Open over mobile data')
  await useCode(page)
  await reach(page, 'verified')
  t.strictSame(await attempts(page), [
    'tru.ID truid.phone_check failed: not_on_cellular', 'OTPLESS otpless.otp verified',
  ])
  t.match(
    await page.locator('#timeline').innerText(),
    /created[\s\S]*not_on_cellular[\s\S]*otpless\.otp started[\s\S]*verified/,
  )
  t.match(await page.locator('#drawing svg').getAttribute('aria-label'), 'is verified. Attempt 2 of 2.')

  // The same by hand: the person stays on Wi-Fi, and the code is typed.
  await choose(page, 'silent')
  await press(page, 'Stay on Wi-Fi')
  const code = await page.locator('.notification.message p').first().innerText()
  await page.locator('phone-verification input').fill(code.slice(0, 6))
  await page.keyboard.press('Enter')
  await reach(page, 'verified')
}))

t.test('Truecaller: the user agrees, says no, or does nothing', { skip }, t => visit(t, async page => {
  await choose(page, 'push')
  await press(page, 'Continue')
  await reach(page, 'verified')

  await choose(page, 'refusal')
  await press(page, 'Open Truecaller')
  const refuse = page.locator('.notification.prompt button').nth(1)
  await refuse.click()
  await reach(page, 'failed')
  t.match(await attempts(page), ['Truecaller truecaller.web failed: user_rejected'])

  await choose(page, 'refusal')
  await press(page, 'Truecaller is not installed')
  await useCode(page)
  await reach(page, 'verified')
  t.match((await attempts(page))[0], 'failed: app_not_installed')
}))

t.test('a link in a message opens a tab, whose code reaches the first one', { skip }, t => visit(t, async page => {
  await workWith(page, 'otpless.magic_link')
  const [tab] = await Promise.all([page.waitForEvent('popup'), page.click('.phone a:text-is("Open the link")')])
  await tab.click('button')
  await tab.waitForSelector('phone-verification')
  await reach(page, 'verified')
  t.strictSame(await attempts(page), ['OTPLESS otpless.magic_link verified'])
}))

/** How a person completes a method with the mouse, by the first `nextAction` of the method. */
const byMouse: Partial<Record<Action['type'], (page: Page) => Promise<void>>> = {
  submitCode: useCode,
  openUrlOnCellular: page => press(page, 'Open over mobile data'),
  submitToken: page => press(page, 'Agree'),
  approveOnDevice: page => press(page, 'Continue'),
  answerCall: page => page.click('.notification.call button'),
}

t.test('every method is completed with the mouse', { skip }, t => visit(t, async page => {
  const { text } = await ask(`${url}/providers`, 'GET', { authorization: 'Bearer vgk_sandbox' })
  const methods = (JSON.parse(text) as ProviderList).data.flatMap(provider => provider.methods)
  const byHand = methods.filter(({ nextActions: [first = ''] }) => first in byMouse)
  const others = methods.filter(method => !byHand.includes(method)).map(({ method }) => method)
  // Their own tests are above: a deep link, and pages in another tab.
  t.strictSame(others, ['truecaller.web', 'otpless.magic_link', 'otpless.otp_link', 'otpless.oauth'])
  for (const { method, nextActions: [first] } of byHand) {
    await workWith(page, method)
    await byMouse[first as Action['type']]?.(page)
    await reach(page, 'verified')
    t.match(await attempts(page), [new RegExp(`${method} verified$`)])
  }
}))

t.test('an SDK that the user refuses', { skip }, t => visit(t, async page => {
  await workWith(page, 'truecaller.oauth')
  await press(page, 'Refuse')
  await reach(page, 'failed')
  t.match(await attempts(page), [/truecaller\.oauth failed: user_rejected$/])
}))

t.test('a provider that is down', { skip }, t => visit(t, async page => {
  await choose(page, 'outage')
  await useCode(page)
  await reach(page, 'verified')
  t.match((await attempts(page))[0], 'failed: provider_error')
}))

t.test('a message vendor that is down, and the redirect of an operator', { skip }, t => visit(t, async page => {
  await choose(page, 'vendors')
  await useCode(page)
  await reach(page, 'verified')
  t.strictSame(await attempts(page), ['OTPLESS otpless.otp failed: provider_error', 'Acme acme.sms verified'])
  await choose(page, 'operator')
  await press(page, 'Open over mobile data')
  await reach(page, 'verified')
  t.match((await attempts(page))[0], 'CAMARA camara.number_verification verified')
}))

t.test('the phone answers by itself', { skip }, t => visit(t, async page => {
  await page.check('#automatic')
  await choose(page, 'push')
  await reach(page, 'verified')
  await choose(page, 'mismatch')
  await reach(page, 'failed')
  t.match((await attempts(page))[0], 'failed: number_mismatch')
}))

t.test('the code of what was done runs', { skip }, t => visit(t, async page => {
  await choose(page, 'code')
  await useCode(page)
  await reach(page, 'verified')
  const requests = page.locator('#code select')
  const create = (
    await requests.locator('option').allInnerTexts()
  ).find(text => text.startsWith('POST /verifications ('))
  await requests.selectOption({ label: create ?? '' })
  const texts: string[] = []
  for (const language of ['curl', 'JavaScript', 'Python']) {
    await page.check(`#code input[value=${language}]`, { force: true })
    texts.push(await page.locator('#code pre').first().innerText())
  }
  const [curl = '', script = '', python = ''] = texts
  t.match(curl, new RegExp(`^curl -s -X POST '${url}/verifications' `))
  t.match(curl, /-d '\{"phoneNumber":"\+1\d+","workflow":\["otpless.otp"\],"onConflict":"replace"\}'/)
  t.match(script, 'authorization: \'Bearer vgk_sandbox\'')
  t.match(python, '"onConflict": "replace"')
  await requests.selectOption({ label: 'PUT /handset/mode (the phone): 204' })
  t.match(await page.locator('#code pre').first().innerText(), '"manual": True')
  // As a person would: the text is pasted into a script.
  const ran = await page.evaluate<number>(
    `(async () => { ${script.replace(/console.*/, 'return response.status')} })()`,
  )
  t.equal(ran, 201)
}))

t.test('with the keyboard only', { skip }, t => visit(t, async page => {
  const focused = (): Promise<string> => page.evaluate<string>('document.activeElement.textContent')
  const tabTo = async (text: string, key = 'Tab'): Promise<void> => {
    for (let presses = 0; presses < 60 && await focused() !== text; presses += 1) await page.keyboard.press(key)
    t.equal(await focused(), text)
  }
  await page.keyboard.press('Tab')
  t.equal(await focused(), 'Skip to the start of a verification')
  await page.keyboard.press('Enter')
  await tabTo('Wi-Fi: falls back to a codeThe silent check is not possible, a message is sent instead.')
  await page.keyboard.press('Enter')
  await page.waitForSelector('.notification.link button')
  await tabTo('Open over mobile data')
  await page.keyboard.press('Enter')
  await page.waitForSelector('.notification.message button')
  const label = await page.locator('.notification.message button').first().innerText()
  // The focus stayed on what was done, and the message is above it.
  await tabTo(label, 'Shift+Tab')
  await page.keyboard.press('Space')
  await reach(page, 'verified')
  t.match(await page.locator('#announcer').innerText(), 'The verification is verified.')
}))

t.test('a reload shows the same verification again', { skip }, t => visit(t, async page => {
  await choose(page, 'code')
  await page.waitForSelector('.notification.message')
  await page.reload()
  await useCode(page)
  await reach(page, 'verified')
}))

t.test('accessible and whole in light and dark, wide and narrow', { skip }, async t => {
  const wide = { width: 1440, height: 900 }
  const views: Record<string, BrowserContextOptions> = {
    light: { colorScheme: 'light', viewport: wide }, dark: { colorScheme: 'dark', viewport: wide },
    tablet: { colorScheme: 'light', viewport: { width: 900, height: 1100 } },
    phone: { colorScheme: 'dark', viewport: { width: 375, height: 720 } },
  }
  for (const [name, options] of Object.entries(views)) await visit(t, async page => {
    await page.click('#own summary')
    await choose(page, 'wifi')
    await press(page, 'Open over mobile data')
    await page.waitForSelector('.notification.message')
    await checkPage(t, page, `${name}, a code was sent`)
    await screenshot(page, `sandbox-${name}-pending`, { fullPage: true })
    await useCode(page)
    await reach(page, 'verified')
    await page.waitForSelector('#webhooks li:nth-child(3)')
    await screenshot(page, `sandbox-${name}-verified`, { fullPage: true })
    const overflow = await page.evaluate<number>('document.documentElement.scrollWidth - innerWidth')
    t.ok(overflow <= 0, `${name}: nothing is wider than the window`)
    // The states have other colors, and the rest is the same.
    if (options.viewport === wide) await checkPage(t, page, `${name}, verified`)
  }, options)
})
