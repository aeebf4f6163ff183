import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Ajv2020 } from 'ajv/dist/2020.js'
import t from 'tap'
import { parse } from 'yaml'
import { declared } from '../../src/adapters/index.ts'
import { schemaPath, schemaText } from '../../scripts/providers-schema.ts'
import { anAttempt, callbackKey, callbackUrl, endingOf } from '../../src/conformance/index.ts'
import type { Adapter, Http, ProviderRequest } from '../../src/adapters/adapter.ts'

const folder = join(import.meta.dirname, '../../examples/providers')
const files = readdirSync(folder).filter(name => name.endsWith('.yaml'))
const phoneNumber = '+491701234567'
const text = '481516 is your code for Shop.'
const env: Record<string, string> = {
  SMS_ACCOUNT_SID: 'AC1', SMS_AUTH_TOKEN: 'secret', SMS_MESSAGING_SERVICE_SID: 'MG1', SMS_API_KEY: 'key',
  SMS_API_SECRET: 'secret', SMS_SENDER: 'Shop', SMS_BASE_URL: 'https://x1.api.infobip.com', SMS_AUTH_ID: 'MA1',
  SMS_SERVICE_PLAN_ID: 'plan', SMS_API_TOKEN: 'token',
}
const basic = (user: string): string => `Basic ${Buffer.from(`${user}:secret`).toString('base64')}`
const bad = 'provider_bad_response'

type Documented = {
  method: string
  /** The request that the vendor documents. */
  request: object
  body: object
  /** Answers: what is documented, and what it is read as. `id`: the message was accepted. */
  answers: [status: number, body: unknown, reads: { id: string } | string][]
  /** Receipts: a body in JSON, or a form. */
  receipts: [body: object | string, status: string | null][]
}

const documented: Record<string, Documented> = {
  'twilio-messaging.yaml': {
    method: 'twiliomessaging.sms',
    request: {
      url: 'https://api.twilio.com/2010-04-01/Accounts/AC1/Messages.json', method: 'POST',
      headers: { authorization: basic('AC1'), 'content-type': 'application/x-www-form-urlencoded' },
    },
    body: { MessagingServiceSid: 'MG1', To: phoneNumber, Body: text, StatusCallback: callbackUrl },
    answers: [
      [201, { sid: 'SM1', status: 'accepted', error_code: null }, { id: 'SM1' }],
      [400, { code: 21211, message: 'Invalid To', status: 400 }, 'number_not_registered'],
      [400, { code: 21610, status: 400 }, 'carrier_unsupported'],
      [401, { code: 20003, status: 401 }, 'provider_misconfigured'],
      [400, { code: 21602, status: 400 }, bad],
    ],
    receipts: [
      ['MessageSid=SM1&MessageStatus=sent', 'sent'], ['MessageSid=SM1&MessageStatus=delivered', 'delivered'],
      ['MessageStatus=undelivered&ErrorCode=30003', 'failed'], ['MessageStatus=queued', null],
    ],
  },
  'vonage-sms.yaml': {
    method: 'vonagesms.sms',
    request: { url: 'https://rest.nexmo.com/sms/json', headers: { 'content-type': 'application/json' } },
    body: {
      api_key: 'key', api_secret: 'secret', from: 'Shop', to: '491701234567', text, type: 'unicode',
      callback: callbackUrl,
    },
    answers: [
      [200, { 'message-count': '1', messages: [{ to: '49', 'message-id': 'a1', status: '0' }] }, { id: 'a1' }],
      [200, { messages: [{ status: '4', 'error-text': 'Bad Credentials' }] }, 'provider_misconfigured'],
      [200, { messages: [{ status: '9', 'error-text': 'Quota Exceeded' }] }, 'provider_misconfigured'],
      [200, { messages: [{ status: '1' }] }, 'rate_limited_by_provider'],
      [200, { messages: [{ status: '2' }] }, bad],
    ],
    receipts: [
      [{ msisdn: '49', messageId: 'a1', status: 'delivered', 'err-code': '0' }, 'delivered'],
      [{ status: 'expired' }, 'failed'], [{ status: 'unknown' }, null],
    ],
  },
  'infobip.yaml': {
    method: 'infobip.sms',
    request: {
      url: 'https://x1.api.infobip.com/sms/3/messages',
      headers: { authorization: 'App key', accept: 'application/json', 'content-type': 'application/json' },
    },
    body: {
      messages: [{
        sender: 'Shop', destinations: [{ to: '491701234567' }], content: { text },
        webhooks: { delivery: { url: callbackUrl }, contentType: 'application/json' },
      }],
    },
    answers: [
      [200, {
        bulkId: 'b', messages: [{
          messageId: 'm1', status: { groupId: 1, groupName: 'PENDING', id: 26, name: 'PENDING_ACCEPTED' },
        }],
      }, { id: 'm1' }],
      [200, { messages: [{ messageId: 'm1', status: { groupName: 'REJECTED', name: 'REJECTED_NOT_ENOUGH_CREDITS' } }] },
        'provider_misconfigured'],
      [200, { messages: [{ status: { groupName: 'REJECTED', name: 'REJECTED_NETWORK' } }] }, 'carrier_unsupported'],
      [401, { requestError: { serviceException: { messageId: 'UNAUTHORIZED' } } }, 'provider_misconfigured'],
    ],
    receipts: [
      [{ results: [{ messageId: 'm1', status: { groupId: 3, groupName: 'DELIVERED' } }] }, 'delivered'],
      [{ results: [{ status: { groupName: 'UNDELIVERABLE' } }] }, 'failed'],
    ],
  },
  'plivo.yaml': {
    method: 'plivo.sms',
    request: {
      url: 'https://api.plivo.com/v1/Account/MA1/Message/',
      headers: { authorization: basic('MA1'), 'content-type': 'application/json' },
    },
    body: { src: 'Shop', dst: '491701234567', text, url: callbackUrl, method: 'POST' },
    answers: [
      [202, { api_id: 'a', message: 'message(s) queued', message_uuid: ['u1'] }, { id: 'u1' }],
      [401, { api_id: 'a', error: 'authentication failed' }, 'provider_misconfigured'],
      [400, { api_id: 'a', error: 'dst is missing' }, bad],
    ],
    receipts: [
      ['MessageUUID=u1&Status=delivered&To=49', 'delivered'], ['Status=rejected', 'failed'], ['Status=queued', null],
    ],
  },
  'sinch.yaml': {
    method: 'sinch.sms',
    request: {
      url: 'https://eu.sms.api.sinch.com/xms/v1/plan/batches', headers: { authorization: 'Bearer token' },
    },
    body: {
      from: 'Shop', to: ['491701234567'], body: text, delivery_report: 'per_recipient', callback_url: callbackUrl,
    },
    answers: [
      [201, { id: '01FC66621XXXXX119Z8PMV1QPQ', to: ['49'], canceled: false }, { id: '01FC66621XXXXX119Z8PMV1QPQ' }],
      [400, { code: 'syntax_invalid_parameter_format', text: 'Invalid number' }, 'number_not_registered'],
      [401, {}, 'provider_misconfigured'], [403, { code: 'forbidden' }, 'provider_misconfigured'],
    ],
    receipts: [
      [{ type: 'recipient_delivery_report_sms', batch_id: 'b', code: 0, status: 'Delivered' }, 'delivered'],
      [{ status: 'Dispatched' }, 'sent'], [{ status: 'Rejected', code: 402 }, 'failed'], [{ status: 'Queued' }, null],
    ],
  },
}

/** The adapter of a file, whose network is the test: these hosts are not called. */
function open (file: string) {
  const read = declared.inspectProviders(readFileSync(join(folder, file), 'utf8'), {
    lookUp: name => env[name] ?? null, allowInsecure: false, taken: new Set(['twilio', 'vonage']),
  })
  const [found] = read.declared
  if (found === undefined) throw new Error(read.problems.join('\n'))
  const sent: ProviderRequest[] = []
  let answer: { status: number, body: unknown } = { status: 500, body: null }
  const http: Http = async request => {
    sent.push(request)
    return { ...answer, headers: {} }
  }
  const hosts: string[] = []
  const adapter = found.provider.open(found.env, {
    openHttp (_provider, allowed) {
      hosts.push(...allowed)
      return http
    },
    now: () => 0, randomBytes: Buffer.alloc, allowInsecure: false,
  }, found.provider.provider) as Adapter
  return { adapter, sent, hosts, answerWith: (status: number, body: unknown) => { answer = { status, body } } }
}

t.test('each example sends what its vendor documents, and reads its answers and receipts', async t => {
  t.strictSame(files.sort(), Object.keys(documented).sort())
  for (const [file, { method, request, body, answers, receipts }] of Object.entries(documented)) {
    const { adapter, sent, hosts, answerWith } = open(file)
    const attempt = anAttempt({ method, phoneNumber })
    for (const [status, answered, reads] of answers) {
      answerWith(status, answered)
      const ending = await endingOf(adapter.start(attempt))
      t.match(
        ending, typeof reads === 'string' ? { failed: reads } : { started: { type: 'submitCode' } },
        `${file} ${status}`,
      )
      if (typeof reads !== 'string') t.match(await adapter.start(attempt), reads)
    }
    const [{ body: written = '', ...asked } = { url: '', body: '' }] = sent
    t.match(asked, request, file)
    t.strictSame(hosts, [new URL(asked.url).host])
    const isForm = JSON.stringify(request).includes('urlencoded')
    t.strictSame(isForm ? Object.fromEntries(new URLSearchParams(written)) : JSON.parse(written), body, file)
    for (const [receipt, status] of receipts) {
      const callback = typeof receipt === 'string'
        ? { rawBody: Buffer.from(receipt), body: undefined }
        : { rawBody: Buffer.from(JSON.stringify(receipt)), body: receipt }
      const received = await adapter.receive?.({ key: callbackKey, url: callbackUrl, headers: {}, ...callback })
      t.match(received, status === null ? { type: 'noted' } : { type: 'delivery', delivery: { status } }, file)
    }
  }
})

t.test('the schema for editors is up to date, and accepts each example', async t => {
  t.equal(readFileSync(schemaPath, 'utf8'), schemaText(), 'node scripts/providers-schema.ts')
  const validate = new Ajv2020({ strict: false, allErrors: true }).compile(JSON.parse(schemaText()))
  for (const file of [...files, '../../src/sandbox/acme/providers.json']) {
    t.ok(validate(parse(readFileSync(join(folder, file), 'utf8'))), `${file} ${JSON.stringify(validate.errors)}`)
  }
  t.notOk(validate([{ name: 'ACME' }]))
})

t.test('the list of the examples names their variables', async t => {
  const readme = readFileSync(join(folder, 'README.md'), 'utf8')
  for (const file of files) {
    const [row = ''] = readme.split('\n').filter(line => line.startsWith(`| [${file}]`))
    t.ok(row.includes(`\`${documented[file]?.method}\``), file)
    const named = [
      ...readFileSync(join(folder, file), 'utf8').matchAll(/\$\{env:(\w+)\}/g),
    ].map(([, name]) => name ?? '')
    t.strictSame([...new Set(row.match(/SMS_\w+/g))].sort(), [...new Set(named)].sort(), file)
  }
})
