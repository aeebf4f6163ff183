import { Webhook } from 'standardwebhooks'
import t from 'tap'
import { retryDelays } from '../../../src/webhooks/schedule.ts'
import { describeWebhooks, exampleSecret } from '../../../src/api/openapi/webhook-events.ts'
import { webhookEventTypes } from '../../../src/core/vocabulary.ts'

const webhooks = describeWebhooks()

t.test('every event is documented', async t => {
  t.same(Object.keys(webhooks), [...webhookEventTypes.map(type => `verification.${type}`), 'webhook.test'])
  for (const [type, { post }] of Object.entries(webhooks)) {
    const { schema, examples } = post.requestBody.content['application/json']
    t.equal(schema.properties.type.const, type)
    t.match(Object.values(examples), [{ value: { type } }])
    t.ok(post.responses['2XX'] && post.responses[410] && post.responses.default, 'the responses')
  }
  t.match(
    webhooks['verification.created']?.post.description,
    /only if the app selects it \(`events` of its webhook: `created`\)/,
  )
  t.match(webhooks['verification.verified']?.post.description, /Sent by default/)
  const [, schedule] = /again (.*) \(± 10 %\)/.exec(
    webhooks['verification.failed']?.post.responses.default.description ?? '',
  ) ?? []
  t.match(schedule, /^5 s, 5 min, 30 min, 2 h, .*, 24 h$/)
  t.equal(schedule?.split(', ').length, retryDelays.length - 1, 'the whole schedule after the first try')
})

t.test('the signatures of the examples are valid', async t => {
  const { now } = Date
  t.teardown(() => { Date.now = now })
  for (const [type, { post }] of Object.entries(webhooks)) {
    const headers = Object.fromEntries(post.parameters.map(({ name, example }) => [name, String(example)]))
    const [{ value } = { value: null }] = Object.values(post.requestBody.content['application/json'].examples)
    Date.now = () => Number(headers['webhook-timestamp']) * 1000
    t.same(new Webhook(exampleSecret).verify(JSON.stringify(value), headers), value, type)
  }
})
