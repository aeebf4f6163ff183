import t from 'tap'
import type { Outcome, Started } from '../../../src/adapters/adapter.ts'
import { ProviderError } from '../../../src/core/errors.ts'
import { openVendor, type Answer, type Call } from '../../../src/conformance/index.ts'
import { openContracts, withoutContracts, type Operation } from '../../helpers/contracts.ts'
import {
  accessToken, answerWell, attempt, authenticationId, code, isSend, isSwap, isToken, isValidate, isVerify, noRepeat,
  open,
  smsAttempt,
} from './vendor.ts'

// What the adapter sends, and what it makes of every answer that is documented, by the descriptions that CAMARA
// publishes. They are not part of this repository.

const documents = [
  'camara-number-verification-r1.3.yaml', 'camara-number-verification-r3.2.yaml',
  'camara-one-time-password-sms-r3.2.yaml', 'camara-sim-swap-r3.3.yaml',
]
type Media = { example?: unknown, examples?: Record<string, { value: unknown }> }

/** The documented bodies of an answer; an answer without content has one. */
function bodiesOf ({ content }: Operation['responses'][string]): unknown[] {
  const media = content?.['application/json'] as Media | undefined
  if (media === undefined) return ['']
  return [...media.example === undefined ? [] : [media.example], ...Object.values(media.examples ?? {}).map(
    ({ value }) => value,
  )]
}

const verify = async (adapter: ReturnType<typeof open>): Promise<Outcome> => adapter.resolve(
  { ...attempt, options: { signals: ['simSwap'] }, state: { verifier: 'v' } }, { code }, noRepeat,
)
const validate = async (adapter: ReturnType<typeof open>): Promise<Outcome> =>
  adapter.resolve({ ...smsAttempt, state: { authenticationId } }, { code: 'AJY3' }, noRepeat)

/** Each operation that the adapter uses, and how it comes to it. */
const uses: [path: string, version: string, isIt: (call: Call) => boolean, use: typeof verify | (
  (adapter: ReturnType<typeof open>) => Promise<Started>)][] = [
  ['/verify', '/number-verification/v2', isVerify, verify],
  ['/send-code', '/one-time-password-sms/v1', isSend, async adapter => adapter.start(smsAttempt)],
  ['/validate-code', '/one-time-password-sms/v1', isValidate, validate],
  ['/check', '/sim-swap/v2', isSwap, verify],
]

/** The reason, or the verdict. */
const endOf = (work: Promise<Outcome | Started>): Promise<string> => work.then(
  done => 'verdict' in done ? done.verdict === 'denied' ? done.reason : done.verdict : 'started',
  (error: unknown) => {
    if (error instanceof ProviderError) return error.reason
    throw error
  },
)

const meanings: Readonly<Record<string, Record<string, string>>> = {
  '/verify': {
    '400 INVALID_ARGUMENT': 'provider_bad_response', '401 UNAUTHENTICATED': 'provider_misconfigured',
    '401 AUTHENTICATION_REQUIRED': 'provider_misconfigured', '403 PERMISSION_DENIED': 'carrier_unsupported',
    '403 INVALID_TOKEN_CONTEXT': 'carrier_unsupported',
    '403 NUMBER_VERIFICATION.USER_NOT_AUTHENTICATED_BY_MOBILE_NETWORK': 'not_on_cellular',
    '500 INTERNAL': 'pending', '503 UNAVAILABLE': 'pending', '504 TIMEOUT': 'pending',
  },
  '/send-code': {
    '400 INVALID_ARGUMENT': 'provider_bad_response', '401 UNAUTHENTICATED': 'provider_misconfigured',
    '403 PERMISSION_DENIED': 'provider_misconfigured',
    '403 ONE_TIME_PASSWORD_SMS.MAX_OTP_CODES_EXCEEDED': 'recently_tried',
    '403 ONE_TIME_PASSWORD_SMS.PHONE_NUMBER_NOT_ALLOWED': 'carrier_unsupported',
    '403 ONE_TIME_PASSWORD_SMS.PHONE_NUMBER_BLOCKED': 'carrier_unsupported', '404 NOT_FOUND': 'carrier_unsupported',
    '429 QUOTA_EXCEEDED': 'rate_limited_by_provider', '429 TOO_MANY_REQUESTS': 'rate_limited_by_provider',
  },
  '/validate-code': {
    204: 'proven', '400 OUT_OF_RANGE': 'incorrect', '400 INVALID_ARGUMENT': 'incorrect',
    '400 ONE_TIME_PASSWORD_SMS.VERIFICATION_FAILED': 'code_attempts_exhausted',
    '400 ONE_TIME_PASSWORD_SMS.VERIFICATION_EXPIRED': 'evidence_expired',
    '400 ONE_TIME_PASSWORD_SMS.INVALID_OTP': 'incorrect', '401 UNAUTHENTICATED': 'provider_misconfigured',
    '403 PERMISSION_DENIED': 'provider_misconfigured', '404 NOT_FOUND': 'evidence_expired',
    '429 QUOTA_EXCEEDED': 'rate_limited_by_provider', '429 TOO_MANY_REQUESTS': 'rate_limited_by_provider',
  },
}

t.test('the published descriptions of CAMARA', { skip: withoutContracts(...documents) }, async t => {
  const vendor = await openVendor(t, answerWell)
  const newest = await openContracts(documents)
  const first = await openContracts(documents.slice(0, 1))
  const find = (path: string, from = newest): Operation => {
    const operation = from.find('POST', path)?.operation
    if (operation === undefined) throw new Error(`${path} is not documented`)
    return operation
  }
  const answerWith = (isIt: (call: Call) => boolean, answer: Answer) => {
    vendor.answer = call => isIt(call) ? answer : answerWell(vendor, call)
  }
  vendor.answer = call => answerWell(vendor, call)

  for (const [path, version, isIt, use] of uses) {
    await t.test(`the request of ${path}`, async t => {
      vendor.calls.length = 0
      await use(open(t, vendor))
      const calls = vendor.calls.filter(isIt)
      t.equal(calls.length, 1)
      for (const { path: called, headers, body } of calls) {
        t.equal(called, `/api${version}${path}`)
        const exchange = { method: 'POST', path, headers, body, status: 0, answerHeaders: {}, answer: undefined }
        t.same(newest.problemsOfRequest(find(path), exchange), [])
        const correlator = /^[a-zA-Z0-9-_:;./<>{}]{0,256}$/
        t.match(headers['x-correlator'], correlator)
        t.equal(headers.authorization, `Bearer ${accessToken}`)
        const broken = { ...exchange, body: { ...body as object, other: 1 } }
        t.not(newest.problemsOfRequest(find(path), broken).length, 0, 'a member more would be found')
      }
      const schema = find(path).responses['200']?.content?.['application/json']?.schema
      const { body } = answerWell(vendor, calls[0] as Call)
      t.same(newest.problemsOf(schema, body), [], 'the normal answers of these tests are as documented')
    })
  }

  await t.test('what each documented answer means', async t => {
    for (const [path, , isIt, use] of uses.slice(0, 3)) {
      const found: Record<string, string> = {}
      for (const from of path === '/verify' ? [newest, first] : [newest]) {
        for (const [status, response] of Object.entries(find(path, from).responses)) {
          for (const body of status === '200' ? [] : bodiesOf(response)) {
            answerWith(isIt, { status: Number(status), body })
            const name = (body as { code?: string }).code
            found[name === undefined ? status : `${status} ${name}`] = await endOf(use(open(t, vendor)))
          }
        }
      }
      t.same(found, meanings[path], path)
    }
  })

  await t.test('no documented answer about a SIM changes the verdict', async t => {
    let answers = 0
    for (const [status, response] of Object.entries(find('/check').responses)) {
      for (const body of [...bodiesOf(response), { swapped: true }]) {
        answerWith(isSwap, { status: Number(status), body })
        t.match(await verify(open(t, vendor)), { verdict: 'proven' }, `${status} ${JSON.stringify(body)}`)
        answers += 1
      }
    }
    t.ok(answers > 10, String(answers))
  })

  await t.test('the scopes are those of the descriptions', async t => {
    for (const [path, , , use] of uses) {
      vendor.answer = call => answerWell(vendor, call)
      vendor.calls.length = 0
      const adapter = open(t, vendor)
      await use(adapter)
      const started = path === '/verify' ? await adapter.start(attempt) : null
      const asked = started?.action.type === 'openUrlOnCellular'
        ? [new URL(started.action.url).searchParams.get('scope') ?? '']
        : vendor.calls.filter(isToken).flatMap(({ text }) => new URLSearchParams(text).get('scope') ?? [])
      const documented = (find(path).security ?? []).flatMap(one => Object.values(one).flat())
      t.ok(asked.some(scope => scope.split(' ').some(word => documented.includes(word))), `${path}: ${asked.join()}`)
    }
  })
})
