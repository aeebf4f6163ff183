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

t.test('which countries the lists allow', async t => {
  const table: [more: Partial<App>, country: string, isAllowed: boolean][] = [
    [{}, 'GB', true],
    [{}, '001', true],
    [{ allowedCountries: ['GB'] }, 'GB', true],
    [{ allowedCountries: ['GB'] }, 'FR', false],
    [{ allowedCountries: ['GB'] }, '001', false],
    [{ allowedCountries: [] }, 'GB', false],
    [{ deniedCountries: ['GB'] }, 'GB', false],
    [{ deniedCountries: ['GB'] }, 'FR', true],
    [{ deniedCountries: ['001'] }, '001', false],
    [{ allowedCountries: ['GB', 'FR'], deniedCountries: ['GB'] }, 'GB', false],
  ]
  for (const [more, country, isAllowed] of table) {
    t.equal(allowsCountry(app(more), country), isAllowed, `${JSON.stringify(more)} ${country}`)
  }
})

/** A policy, and what it counts and logs. */
function start () {
  const sealer = createSealer(`k1:${randomBytes(32).toString('base64')}`)
  const metrics = createMetrics({ providers: {}, queues: [], storeErrorCodes: [] })
  const lines: string[] = []
  const policy = createCountryPolicy({
    sealer, metrics, log: createLogger('info', { write: line => { lines.push(line) } }),
  })
  /** The error that the policy throws, or null. */
  const refusalOf = (more: Partial<App>, country: string | null = 'GB'): ApiError | null => {
    try {
      policy.assertAllowed(app(more), { number, country })
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
  const logged = () => lines.map(line => JSON.parse(line))
  return { policy, refusalOf, lines, logged, monitored, numberTag: numberTag(sealer, number) }
}

t.test('a country that is not allowed', async t => {
  const { policy, refusalOf, lines, logged, monitored, numberTag } = start()
  t.equal(refusalOf({}), null)
  t.match(refusalOf({ deniedCountries: ['GB'] }), {
    apiCode: 'country_not_allowed',
    extra: { errors: [{ field: 'phoneNumber' }], refusal: { cause: 'country_not_allowed', numberTag } },
  })
  t.match(refusalOf({ allowedCountries: ['GB'] }, null), { apiCode: 'country_not_allowed' }, 'a number of no country')
  t.equal(lines.length, 0, 'the error handler logs a refusal')
  t.equal(refusalOf({ deniedCountries: ['GB'], countryMode: 'monitor' }), null)
  t.match(logged(), [
    { audit: 'monitored', app: 'shop', cause: 'country_not_allowed', numberTag, msg: 'audit' },
  ])
  t.equal(await monitored('country_not_allowed'), 1)
  t.notMatch(lines.join(), '7700900')
  const isAllowed = (more: Partial<App>) => policy.isAllowed(app(more), 'GB')
  t.strictSame(
    [
      isAllowed({}), isAllowed({ deniedCountries: ['GB'] }),
      isAllowed({ deniedCountries: ['GB'], countryMode: 'monitor' }),
    ],
    [true, false, true],
  )
  t.equal(lines.length, 1, 'a question counts and logs nothing')
})
