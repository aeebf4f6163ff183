import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import type { Test } from 'tap'
import type { Page } from 'playwright-core'
import type { App } from '../../src/apps/apps.ts'
import { otpless } from '../../src/sandbox/otpless/index.ts'
import { truecaller } from '../../src/sandbox/truecaller/index.ts'
import { truid } from '../../src/sandbox/truid/index.ts'
import { vonage } from '../../src/sandbox/vonage/index.ts'
import { launchBrowser, withoutBrowser } from '../element/browser.ts'
import { startGateway, testApps } from '../helpers/gateway.ts'
import { until } from '../helpers/redis.ts'
import { codeOf, read, sectionOf } from './documents.ts'

const script = codeOf(sectionOf(read('docs/guides/web.md'), '## Without the element'))
const html = `<!doctype html>
<meta charset="utf-8">
<title>Shop</title>
<link rel="icon" href="data:,">
<main id="verification"></main>
<script type="module" src="/verification.js"></script>
`
const code = { phoneNumber: '+14155550100', workflow: ['otpless.otp'] }

t.test('the page without the element does what every action asks for', { skip: withoutBrowser }, async t => {
  let gatewayUrl = ''
  const server = createServer(({ url }, response) => {
    const isScript = url === '/verification.js'
    response.setHeader('content-type', `${isScript ? 'text/javascript' : 'text/html'}; charset=utf-8`)
    response.end(isScript ? script.replace('https://verify.example.com', gatewayUrl) : html)
  }).listen(0, '127.0.0.1')
  await new Promise(resolve => server.once('listening', resolve))
  t.teardown(() => server.close())
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const apps: App[] = testApps.map(app =>
    ({ ...app, allowedOrigins: [origin], allowedReturnUrls: [`${origin}/verify`] }))
  const { url, shop, simulators } = await startGateway(t, {
    apps, simulatorOptions: { silenceMs: 1_000, simulators: [truecaller, truid, otpless, vonage] },
  })
  gatewayUrl = url
  const browser = await launchBrowser(t)

  async function begin (t: Test, body: object) {
    const context = await browser.newContext()
    context.setDefaultTimeout(30_000)
    t.teardown(() => context.close())
    const page = await context.newPage()
    await page.goto(`${origin}/verify`)
    const { body: created } = await shop.create({ returnUrl: `${origin}/verify`, ...body })
    // The page may leave before the call returns.
    await page.evaluate(`void import('/verification.js').then(({ begin }) => begin(${JSON.stringify(created)}))`)
    return { page, context, id: String(created['id']) }
  }
  const shows = (page: Page, text: string) => page.getByText(text).waitFor()
  async function type (page: Page, digits: string): Promise<void> {
    await page.getByLabel('Code').fill(digits)
    await page.getByRole('button', { name: 'Verify' }).click()
  }
  const verified = async (t: Test, page: Page, id: string): Promise<void> => {
    await shows(page, 'Your number is verified.')
    t.equal((await shop.call('GET', `/verifications/${id}`)).body['status'], 'verified')
    t.equal(page.url(), `${origin}/verify`, 'the code is not in the address')
    t.equal(await page.evaluate('sessionStorage.length'), 0)
  }

  await t.test('a URL over mobile data: leaves and comes back', async t => {
    const { page, id } = await begin(t, { phoneNumber: '+14155550100', workflow: ['truid.phone_check'] })
    await verified(t, page, id)
  })

  await t.test('a code in the fragment', async t => {
    const { page, id } = await begin(t, { phoneNumber: '+14155550102', workflow: ['vonage.silent_auth'] })
    await verified(t, page, id)
  })

  await t.test('a fallback, and a code that is wrong at first', async t => {
    const { page, id } = await begin(t, {
      phoneNumber: '+14155550391', workflow: ['truid.phone_check', 'otpless.otp'],
    })
    await shows(page, 'Enter the code that we sent.')
    await type(page, '000000')
    await shows(page, 'This code is not correct.')
    await type(page, '550 391')
    await verified(t, page, id)
  })

  await t.test('the same URL is not opened twice by itself', async t => {
    const { page, id } = await begin(t, { phoneNumber: '+14155550392', workflow: ['truid.phone_check'] })
    await page.waitForURL(address => address.origin === new URL(simulators.url).origin, { waitUntil: 'commit' })
    await page.goto(`${origin}/verify`)
    await shows(page, 'Turn off Wi-Fi, then continue.')
    await shop.call('POST', `/verifications/${id}/cancel`)
    await shows(page, 'Your number is not verified.')
  })

  await t.test('no app, and no SDK: the next method', async t => {
    const { page, id } = await begin(t, { ...code, workflow: ['truecaller.web', 'otpless.token', 'otpless.otp'] })
    await shows(page, 'Enter the code that we sent.')
    const { body: { attempts } } = await shop.call('GET', `/verifications/${id}`)
    t.match(attempts, [{ reason: 'app_not_installed' }, { reason: 'abandoned' }, { status: 'pending' }])
    await type(page, '550100')
    await verified(t, page, id)
  })

  await t.test('a link of a message, in another tab', async t => {
    const { page, context, id } = await begin(t, { ...code, workflow: ['otpless.magic_link'] })
    await shows(page, 'Open the link that we sent.')
    const items = await fetch(`${simulators.url}/handset/items?phoneNumber=%2B14155550100`).then(one => one.json())
    const tab = await context.newPage()
    await tab.goto((items as { data: { url?: string }[] }).data.at(-1)?.url ?? '')
    await tab.getByRole('button').first().click()
    await shows(tab, 'Go back to the page where you began.')
    await verified(t, page, id)
  })

  await t.test('an account: after a click', async t => {
    const { page, id } = await begin(t, { ...code, workflow: ['otpless.oauth'] })
    await page.getByRole('button', { name: 'Continue' }).click()
    await page.getByRole('textbox').first().fill('+14155550100')
    await page.getByRole('button').first().click()
    await verified(t, page, id)
  })

  await t.test('a URL that does not come back opens beside the page', async t => {
    const { page, id } = await begin(t, { ...code, workflow: ['otpless.sna'] })
    await page.getByRole('button', { name: 'Continue' }).click()
    await verified(t, page, id)
  })

  await t.test('a prompt and a call need nothing', async t => {
    for (const method of ['truecaller.push', 'otpless.voice_approval']) {
      const { page, id } = await begin(t, { ...code, workflow: [method] })
      await verified(t, page, id)
    }
  })

  await t.test('a secret that is unknown ends it', async t => {
    const { page, id } = await begin(t, { ...code })
    await shows(page, 'Enter the code that we sent.')
    await shop.call('DELETE', `/verifications/${id}`)
    await shows(page, 'This verification is over. Please start again.')
    await until(async () => (await shop.call('GET', `/verifications/${id}`)).status === 410, 'erased')
  })
})
