import { randomBytes } from 'node:crypto'
import t from 'tap'
import type { App } from '../../src/apps/apps.ts'
import { ApiError } from '../../src/core/errors.ts'
import { createLogger } from '../../src/telemetry/logger.ts'
import { createMetrics } from '../../src/telemetry/metrics.ts'
import { allowsCountry, createCountryPolicy } from '../../src/apps/country-policy.ts'
import { createSealer, numberTag } from '../../src/store/sealing.ts'

const app = (more: Partial<App> = {}): App => ({ id: 'shop', name: 'Shop', keys: [], ...more })
const number = '+447700900123'

t.test('which countries pass', async t => {
  const table: [more: Partial<App>, country: string, passes: boolean][] = [
    [{}, 'GB', true], [{}, '001', true],
    [{ allowedCountries: ['GB'] }, 'GB', true], [{ allowedCountries: ['GB'] }, 'FR', false], [
      { allowedCountries: ['GB'] }, '001', false,
    ],
    [{ allowedCountries: [] }, 'GB', false],
    [{ deniedCountries: ['GB'] }, 'GB', false], [{ deniedCountries: ['GB'] }, 'FR', true], [
      { deniedCountries: ['001'] }, '001', false,
    ],
    [{ allowedCountries: ['GB', 'FR'], deniedCountries: ['GB'] }, 'GB', false],
  ]
  for (const [more, country, passes] of table) t.equal(
    allowsCountry(app(more), country), passes, `${JSON.stringify(more)} ${country}`,
  )
})

function start (over: { retryAfterMs: number } | null = null) {
  const sealer = createSealer(`k1:${randomBytes(32).toString('base64')}`)
  const metrics = createMetrics({})
  const lines: string[] = []
  const policy = createCountryPolicy(
    {
      budget: { exceeded: () => over }, sealer, metrics,
      log: createLogger('info', { write: line => { lines.push(line) } }),
    },
  )
  const judge = (
    more: Partial<App>, asked: { number: string, country: string | null } = { number, country: 'GB' },
  ): ApiError | null => {
    try {
      policy.assertAllowed(app(more), asked)
      return null
    } catch (error) {
      if (error instanceof ApiError) return error
      throw error
    }
  }
  const monitored = async (cause: string): Promise<number> => {
    const text = await metrics.registry.metrics()
    return Number(new RegExp(`^verigate_monitored_requests_total\\{cause="${cause}"\\} (\\d+)$`, 'm').exec(text)?.[1])
  }
  return { judge, lines, monitored, numberTag: numberTag(sealer, number) }
}

t.test('a country that is not allowed', async t => {
  const { judge, lines, monitored, numberTag } = start()
  t.equal(judge({}), null)
  const refused = judge({ deniedCountries: ['GB'] })
  t.match(
    refused,
    {
      apiCode: 'country_not_allowed',
      extra: { errors: [{ field: 'phoneNumber' }], refusal: { cause: 'country_not_allowed', numberTag } },
    },
  )
  t.match(
    judge({ allowedCountries: ['GB'] }, { number, country: null }), { apiCode: 'country_not_allowed' }, 'of no country',
  )
  t.equal(lines.length, 0, 'whoever answers logs it')
  t.equal(judge({ deniedCountries: ['GB'], countryMode: 'monitor' }), null)
  t.match(
    lines.map(line => JSON.parse(line)),
    [{ audit: 'monitored', app: 'shop', cause: 'country_not_allowed', numberTag, msg: 'audit' }],
  )
  t.equal(await monitored('country_not_allowed'), 1)
  t.notMatch(lines.join(), '7700900')
})

t.test('a country whose verifications remain unverified', async t => {
  const { judge, lines, monitored, numberTag } = start({ retryAfterMs: 90_500 })
  t.equal(judge({ unverifiedBudget: { mode: 'off' } }), null)
  t.equal(lines.length, 0)
  t.equal(judge({}), null, 'only watched, unless the app says more')
  t.match(lines.map(line => JSON.parse(line)), [{ audit: 'monitored', cause: 'unverified_budget', numberTag }])
  t.equal(await monitored('unverified_budget'), 1)
  t.match(
    judge({ unverifiedBudget: { mode: 'enforce' } }),
    { apiCode: 'rate_limited', extra: { retryAfterSeconds: 90.5, refusal: { cause: 'unverified_budget', numberTag } } },
  )
})
