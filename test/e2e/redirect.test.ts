import t, { type Test } from 'tap'
import { request } from 'undici'
import { clientOf, startGateway, type TestGateway } from '../helpers/gateway.ts'
import { numberEnding, walk } from './end-user.ts'

const returnUrl = 'https://shop.example/verified'

/** What a browser sees there, not following. */
async function open (url: string): Promise<{
  status: number, location: URL | null, headers: Record<string, unknown>, text: string,
}> {
  const { statusCode, headers, body } = await request(url)
  const { location } = headers
  return {
    status: statusCode, headers, location: typeof location === 'string' ? new URL(location) : null,
    text: await body.text(),
  }
}

t.test('a browser comes back from tru.ID', async t => {
  const gateway = await startGateway(t)
  await t.test('with a code', t => testCode(t, gateway))
  await t.test('with an error, or something else', t => testError(t, gateway))
  await t.test('only to where the app allows', t => testAllowList(t, gateway))
})

/** A verification whose user has been to the operator, and where the operator then sent the browser. */
async function visit (t: Test, { shop, url }: TestGateway, wanted = returnUrl) {
  const created = await shop.create(
    { phoneNumber: numberEnding('02'), workflow: ['truid.phone_check'], returnUrl: wanted },
  )
  t.equal(created.status, 201)
  const arrival = await walk(created.body['nextAction'].url)
  const place = new URL(arrival?.location ?? '')
  t.equal(place.origin, url, 'tru.ID sends it to the gateway')
  return {
    created: created.body, place, code: place.searchParams.get('code') ?? '',
    checkId: place.searchParams.get('check_id') ?? '',
  }
}

async function testCode (t: Test, gateway: TestGateway) {
  const { shop, simulators, url } = gateway
  const { created, place, code } = await visit(t, gateway, `${returnUrl}?page=%20~&code=own&flag&error=own`)
  const { id, clientSecret, revision } = created
  const exchanges = () => simulators.requests.filter(({ method }) => method === 'PATCH').length
  const before = exchanges()
  for (const time of ['first', 'again', 'a link scanner']) {
    const { status, location, headers } = await open(place.href)
    t.equal(status, 303, time)
    t.equal(`${location?.origin}${location?.pathname}`, returnUrl)
    t.equal(location?.search, `?page=%20~&flag&code=${code}&verification=${id}`, 'the rest is as the app wrote it')
    t.hasStrict(headers, { 'cache-control': 'no-store', 'referrer-policy': 'no-referrer' })
  }
  t.equal(exchanges() - before, 0, 'nothing was consumed')
  t.hasStrict(
    (await shop.call('GET', `/verifications/${id}`)).body, {
      status: 'pending', revision, nextAction: { type: 'openUrlOnCellular' },
    },
  )

  const victim = await shop.create({ phoneNumber: numberEnding('04'), workflow: ['truid.phone_check'], returnUrl })
  const stolen = await clientOf(url, victim.body['clientSecret']).call('POST', `/verifications/${id}/check`, { code })
  t.equal(stolen.status, 404, 'another front end cannot bring it')
  const checked = await clientOf(url, clientSecret).call('POST', `/verifications/${id}/check`, { code })
  t.hasStrict(checked, { status: 200, body: { status: 'verified', result: { method: 'truid.phone_check' } } })
  t.equal(exchanges() - before, 1)
  const late = await open(place.href)
  t.strictSame(
    [late.status, late.location?.search], [303, `?page=%20~&flag&error=evidence_expired&verification=${id}`],
  )
}

async function testError (t: Test, gateway: TestGateway) {
  const { shop } = gateway
  const { created, place, checkId } = await visit(t, gateway)
  const { id, revision } = created
  const answerTo = async (query: Record<string, string>) => {
    const { status, location } = await open(`${place.origin}${place.pathname}?${new URLSearchParams(query)}`)
    t.equal(status, 303)
    t.equal(location?.searchParams.get('verification'), id)
    return [location?.searchParams.get('code') ?? null, location?.searchParams.get('error') ?? null]
  }
  for (const [word, reason] of [
    [
      'mno_not_supported', 'carrier_unsupported',
    ], ['not_mobile_ip', 'not_on_cellular'], ['mno_timeout', 'provider_timeout'],
    ['<script>', 'provider_error'],
  ] as const) {
    t.strictSame(
      await answerTo({ check_id: checkId, error: word, error_description: 'anything' }), [null, reason], word,
    )
  }
  t.strictSame(await answerTo({ check_id: 'another', code: 'x' }), [null, 'evidence_invalid'], 'of another check')
  t.strictSame(await answerTo({ code: 'x' }), [null, 'evidence_invalid'])
  t.strictSame(await answerTo({}), [null, 'evidence_invalid'])
  t.hasStrict((await shop.call('GET', `/verifications/${id}`)).body, { status: 'pending', revision }, 'nothing changed')

  const key = place.pathname.split('/').at(-1) ?? ''
  const nowhere = [
    `/callbacks/truid/${'A'.repeat(48)}`, `/callbacks/truid/${key.slice(0, -1)}`, '/callbacks/truid/x',
    `/callbacks/truecaller/${key}`,
    `/callbacks/nobody/${key}`, `/callbacks/otpless/${key}`,
  ]
  for (const path of nowhere) {
    const { status, headers, text, location } = await open(`${place.origin}${path}?code=1&check_id=${checkId}`)
    t.strictSame([status, location], [200, null], path.replace(key, '{key}'))
    t.match(headers['content-type'], /^text\/html/)
    t.match(headers['content-security-policy'], /default-src 'none'/)
    t.notMatch(text, /code=|script/)
  }
  await shop.call('DELETE', `/verifications/${id}`)
  t.equal((await open(place.href)).status, 200, 'after it was erased')

  const without = await shop.create({ phoneNumber: numberEnding('02'), workflow: ['truid.phone_check'] })
  const end = await walk(without.body['nextAction'].url)
  t.type(end?.body['code'], 'string', 'without a returnUrl tru.ID answers the phone itself')
}

async function testAllowList (t: Test, { shop, bank }: TestGateway) {
  const create = (url: unknown, client = shop) =>
    client.create({ phoneNumber: numberEnding('92'), workflow: ['truecaller.push'], returnUrl: url })
  for (
    const allowed of [
      returnUrl, `${returnUrl}?a=b`, 'https://shop.example/app/', 'https://shop.example/app/deep/page?x',
      'com.example.app:/verify', 'com.example.app:/verify?flag',
    ]
  ) {
    t.equal((await create(allowed)).status, 201, allowed)
  }
  for (const refused of [
    'https://shop.example/', 'https://shop.example/verified/', 'https://shop.example/verified/../other',
    'https://shop.example/app',
    'https://shop.example/app/../other',
    'https://shop.example/app/%2e%2e/other', 'https://shop.example/verified\\@evil.example',
    'http://shop.example/verified',
    'https://shop.example:8443/verified',
    'https://shop.example.evil.example/verified', 'https://evil.example/verified', 'https://user@shop.example/verified',
    'https://user:pw@shop.example/verified',
    'https://shop.example@evil.example/verified', 'https://evil.example\\.shop.example/verified',
    'https://evil.example#@shop.example/verified', '//shop.example/verified',
    'https://shop.example/app/page#part', 'https://shop.example/app/..;/', 'https://shop.example/app/%00',
    'https://shop.example/app/%0d%0ax', 'https://shop.example/app//x', 'com.example.app:verify',
    'com.example.app:/other',
    'shop.example/verified', 'javascript://shop.example/verified', 'data:text/html,x', '', 1,
  ]) {
    t.hasStrict(
      await create(refused), {
        status: 400, body: { code: 'invalid_request', errors: [{ field: 'returnUrl' }] },
      }, String(refused),
    )
  }
  t.hasStrict(
    await create(returnUrl, bank), { status: 400, body: { errors: [{ field: 'returnUrl' }] } },
    'an app that allows none',
  )
}
