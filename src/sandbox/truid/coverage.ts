import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyReply } from 'fastify'
import { Type } from 'typebox'
import type { Authorize } from './access.ts'
import { IpAddress, networkOfAddress } from './addresses.ts'
import { callingCodeOf, countryWith } from '../countries.ts'
import { sendProblem } from './problems.ts'

const IpParams = Type.Object({ ip: IpAddress })
const CodeParams = Type.Object({ code: Type.String() })

const products = [
  { product_id: 'pck', product_name: 'PhoneCheck' }, { product_id: 'suk', product_name: 'SubscriberCheck' },
  { product_id: 'sck', product_name: 'SIMCheck' },
] as const
/** The network of the vendor's examples. */
const network = { network_id: '23410', network_name: 'O2 UK', network_aliases: ['23411', '23412', '23413'] }
const prices = [{ currency: 'API', amount: 1 }, { currency: 'EUR', amount: 0.05 }]

/** Countries that are not covered in full; every other one is. */
const partly: Readonly<Record<string, 'none' | 'soon' | 'partial' | 'simOnly'>> = {
  FJ: 'none', NZ: 'soon', AU: 'partial', IS: 'simOnly',
}

/** Whether any operator of the country takes part. */
export const isReached = (country: string): boolean => partly[country] !== 'none'

function describeCountry (country: string, callingCode: string, self: string) {
  const reach = partly[country]
  const offered = reach === 'simOnly' ? products.filter(({ product_id }) => product_id === 'sck') : products
  const coverage = reach === 'soon' ? 'COMING_SOON' : reach === 'partial' ? 'PARTIAL' : 'FULL'
  return {
    country_code: country,
    dialing_code: Number(callingCode),
    products: offered.map(product => ({
      ...product,
      coverage,
      prices_starting_from: prices,
      networks: reach === 'soon' ? [] : [{ ...network, prices }],
    })),
    _links: { self: { href: self } },
  }
}

/**
 * The Coverage API: a country by its ISO code or dialling code, and the network of a device's address.
 * https://github.com/tru-ID/api-definitions (utils.yaml)
 */
export const coverageRoutes: FastifyPluginAsyncTypebox<{ authorize: Authorize, url: () => string }> = async (
  app, { authorize, url },
) => {
  const onRequest = authorize('coverage')

  function describeDevice (reply: FastifyReply, ip: string): FastifyReply {
    const kind = networkOfAddress(ip)
    if (kind === 'wifi') return sendProblem(reply, 'not_mobile_ip')
    if (kind === 'unsupported') return sendProblem(reply, 'mno_not_supported')
    return reply.type('application/hal+json').send({
      ...network, country_code: 'GB', mobile_data_ip: ip, products,
    })
  }

  app.get('/coverage/v0.1/countries/:code', {
    schema: { params: CodeParams }, onRequest,
  }, async ({ params: { code } }, reply) => {
    const country = /^[A-Z]{2}$/.test(code) ? code : countryWith(code)
    const callingCode = country === undefined ? undefined : callingCodeOf(country)
    const isCovered = country !== undefined && isReached(country)
    if (!isCovered || callingCode === undefined) return sendProblem(reply, 'not_found')
    const self = `${url()}/coverage/v0.1/countries/${code}`
    return reply.type('application/hal+json').send(describeCountry(country, callingCode, self))
  })

  app.get('/coverage/v0.1/device_ips/:ip', {
    schema: { params: IpParams }, onRequest,
  }, async ({ params: { ip } }, reply) => describeDevice(reply, ip))

  app.get('/coverage/v0.1/device_ip', { onRequest }, async ({ ip }, reply) => describeDevice(reply, ip))
  /** Deprecated, and open to everybody. */
  app.get('/public/coverage/v0.1/device_ip', async ({ ip }, reply) => describeDevice(reply, ip))

  // A page can send its token only after this, which the documentation leaves out.
  app.options('/coverage/v0.1/device_ip', async (_request, reply) => reply.code(204).headers({
    'access-control-allow-methods': 'GET', 'access-control-allow-headers': 'authorization',
  }).send())
}
