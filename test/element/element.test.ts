import t from 'tap'
import { startShop, withoutBrowser } from './browser.ts'
import { faults } from './faults.ts'
import { journeys, waiting } from './journeys.ts'
import { look } from './look.ts'
import { methods } from './methods.ts'

t.test('<phone-verification> in Chromium, on a page of another origin', { skip: withoutBrowser }, async t => {
  const shop = await startShop(t)
  const all = { ...methods, ...journeys, ...faults, ...look, ...waiting }
  for (const [name, run] of Object.entries(all)) await t.test(name, t => run(t, shop))
})
