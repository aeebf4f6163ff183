import { Webhook } from 'standardwebhooks'
import t from 'tap'
import { retryDelays } from '../../../src/webhooks/delivery.ts'
import { describeWebhooks, exampleSecret } from '../../../src/api/openapi/webhook-events.ts'
import { webhookEventTypes } from '../../../src/core/vocabulary.ts'

const webhooks = describeWebhooks()

t.test('every event there is', async t => {
  t.same(Object.keys(webhooks), [...webhookEventTypes.map(type => `verification.${type}`), 'webhook.test'])
  for (const [type, { post }] of Object.entries(webhooks)) {
    const { schema, examples } = post.requestBody.content['application/json']
    t.equal(schema.properties.type.const, type)
    t.match(Object.values(examples), [{ value: { type } }])
    t.ok(post.responses['2XX'] && post.responses[410] && post.responses.default, 'what each answer leads to')
  }
  t.match(
    webhooks['verification.created']?.post.description,
    /only when the app chooses it \(`events` of its webhook: `created`\)/,
  )
  t.match(webhooks['verification.verified']?.post.description, /unless the app chooses otherwise/)
  const [, schedule] = /again (.*) \(± 10 %\)/.exec(
    webhooks['verification.failed']?.post.responses.default.description ?? '',
  ) ?? []
  t.match(schedule, /^5 s, 5 min, 30 min, 2 h, .*, 24 h$/)
  t.equal(schedule?.split(', ').length, retryDelays.length - 1, 'the whole schedule after the first try')
})

t.test('the signatures that are shown are right', async t => {
  const { now } = Date
  t.teardown(() => { Date.now = now })
  for (const [type, { post }] of Object.entries(webhooks)) {
    const headers = Object.fromEntries(post.parameters.map(({ name, example }) => [name, String(example)]))
    const [{ value } = { value: null }] = Object.values(post.requestBody.content['application/json'].examples)
    Date.now = () => Number(headers['webhook-timestamp']) * 1000
    t.same(new Webhook(exampleSecret).verify(JSON.stringify(value), headers), value, type)
  }
})
