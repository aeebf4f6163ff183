import type { Test } from 'tap'
import { codeFor, numberEnding } from '../e2e/end-user.ts'
import { until } from '../helpers/redis.ts'
import { button, eventsOf, part, typeCode, untilEnd, untilTitle, type Shop } from './browser.ts'

const offline = 'No connection. Trying again…'

/** Networks, limits and outages. */
export const faults: Record<string, (t: Test, shop: Shop) => Promise<void>> = {
  async 'without streams it polls' (t, shop) {
    const { page } = await shop.open()
    const phoneNumber = numberEnding('02')
    await shop.phone.decideByHand(phoneNumber)
    await page.route('**/events', route => route.abort())
    await shop.begin(page, { phoneNumber, workflow: ['truecaller.push'] })
    await untilTitle(page, 'Approve the request on your phone')
    await shop.phone.choose(phoneNumber, 'approve')
    await untilEnd(t, page, 'verified')
  },

  async 'a proxy holds the stream back' (t, shop) {
    const { page, context } = await shop.open()
    await context.clock.install()
    const held = new Promise<void>(resolve => void page.route('**/events', () => resolve()))
    await shop.begin(page, { phoneNumber: numberEnding('02'), workflow: ['truecaller.push'] })
    await held
    await context.clock.fastForward(7_000)
    await untilEnd(t, page, 'verified')
  },

  async 'the network is away while a code is submitted' (t, shop) {
    const { page, context } = await shop.open()
    const phoneNumber = numberEnding('02')
    await shop.begin(page, { phoneNumber, workflow: ['otpless.otp'] })
    await untilTitle(page, 'Enter the code')
    await context.setOffline(true)
    await typeCode(page, codeFor(phoneNumber))
    await part(page, 'notice').filter({ hasText: offline }).waitFor()
    await context.setOffline(false)
    await untilEnd(t, page, 'verified')
  },

  async 'the gateway is busy' (t, shop) {
    const { page } = await shop.open()
    const phoneNumber = numberEnding('02')
    await shop.begin(page, { phoneNumber, workflow: ['otpless.otp'] })
    let tries = 0
    const refuse = (code: string, seconds: number) => ({
      status: code === 'overloaded' ? 503 : 429, json: { code }, headers: {
        'access-control-allow-origin': shop.origin, 'access-control-expose-headers': 'retry-after',
        'retry-after': String(seconds),
      },
    })
    await page.route('**/check', route => {
      tries += 1
      if (tries === 1) return route.fulfill(refuse('overloaded', 1))
      if (tries === 2) return route.fulfill(refuse('rate_limited', 7))
      return route.continue()
    })
    await typeCode(page, codeFor(phoneNumber))
    await part(page, 'error').filter({ hasText: /Too many tries\. Try again in 0:0[1-7]\./ }).waitFor()
    t.equal(tries, 2, 'after 503 it tries again by itself, after 429 the person does')
    await button(page, 'Verify').click()
    await untilEnd(t, page, 'verified')
  },

  async 'a resend without an answer is not repeated' (t, shop) {
    const { page, context } = await shop.open()
    await context.clock.install()
    await shop.begin(page, { phoneNumber: numberEnding('02'), workflow: ['otpless.otp'] })
    let calls = 0
    await page.route('**/resend', route => {
      calls += 1
      return route.abort()
    })
    await button(page, /^Send again in/).waitFor()
    await context.clock.fastForward(31_000)
    await button(page, /^Send again$/).click()
    await part(page, 'notice').filter({ hasText: offline }).waitFor()
    await context.clock.fastForward(60_000)
    t.equal(calls, 1)
  },

  async 'a verification that is gone, and a wrong secret' (t, shop) {
    const { page } = await shop.open()
    const { id } = await shop.begin(page, { phoneNumber: numberEnding('02'), workflow: ['otpless.otp'] })
    await untilTitle(page, 'Enter the code')
    await shop.gateway.shop.call('DELETE', `/verifications/${id}`)
    await untilTitle(page, 'This verification is not available')
    t.match((await eventsOf(page)).at(-1), { type: 'unavailable' })
    const { page: other } = await shop.open()
    const { body } = await shop.gateway.shop.create({ phoneNumber: numberEnding('02'), workflow: ['otpless.otp'] })
    await other.goto(shop.pageOf({ ...body, clientSecret: 'vcs_wrong' }))
    await untilTitle(other, 'This verification is not available')
  },

  async 'the end ends all timers and requests' (t, shop) {
    const { page } = await shop.open()
    await page.addInitScript(`
      window.timers = new Set()
      const { setTimeout: set, clearTimeout: clear } = window
      window.setTimeout = (run, ms, ...rest) => {
        const id = set(() => { timers.delete(id); run() }, ms, ...rest)
        timers.add(id)
        return id
      }
      window.clearTimeout = id => { timers.delete(id); clear(id) }
    `)
    const running = new Set<string>()
    page.on('request', request => running.add(request.url()))
    page.on('requestfinished', request => running.delete(request.url()))
    page.on('requestfailed', request => running.delete(request.url()))
    const phoneNumber = numberEnding('02')
    await shop.begin(page, { phoneNumber, workflow: ['otpless.otp'] })
    await button(page, /^Send again in/).waitFor()
    t.ok(await page.evaluate<number>('timers.size') > 0, 'it counts down')
    t.ok([...running].some(url => url.endsWith('/events')), 'it follows')
    await typeCode(page, codeFor(phoneNumber))
    await untilEnd(t, page, 'verified')
    t.equal(await page.evaluate('timers.size'), 0)
    await until(async () => running.size === 0, 'no request is left')
  },

  async 'an origin that the app does not allow' (t, shop) {
    const { page } = await shop.open()
    const { body } = await shop.gateway.shop.create({ phoneNumber: numberEnding('02'), workflow: ['otpless.otp'] })
    await page.goto(shop.pageOf(body).replace('127.0.0.1', 'localhost'))
    await part(page, 'notice').filter({ hasText: offline }).waitFor()
    t.strictSame(await eventsOf(page), [])
  },
}
