import { execFile } from 'node:child_process'
import { createServer, type IncomingHttpHeaders } from 'node:http'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { request } from 'undici'
import t from 'tap'
import type { Test } from 'tap'
import { startChild } from '../../scripts/child.ts'
import { findExecutable } from '../../scripts/install.ts'
import { signWebhook } from '../../src/webhooks/signature.ts'
import { startGateway, webhookSecret, withWebhook } from '../helpers/gateway.ts'
import { freePort, until } from '../helpers/redis.ts'
import { codeOf, read, sectionOf } from './documents.ts'

const run = promisify(execFile)
const guide = read('docs/guides/webhook-receivers.md')
const snippet = (framework: string): string => codeOf(sectionOf(guide, `## ${framework}`))

type Delivery = { headers: Record<string, string>, body: string }

const signed = ({ body = '{"type":"webhook.test","timestamp":"…","data":{"app":"shop"}}', age = 0, secrets = [
  webhookSecret,
] } = {}): Delivery => ({
  body, headers: signWebhook({ webhookId: 'msg_1', body, secrets, now: Date.now() - age * 1000 }),
})

/** A delivery that the gateway has sent to an endpoint. */
async function capture (t: Test): Promise<Delivery> {
  const deliveries: Delivery[] = []
  const port = await freePort()
  const endpoint = createServer(async (received, response) => {
    const body = Buffer.concat(await Array.fromAsync(received)).toString()
    deliveries.push({ headers: ownHeaders(received.headers), body })
    response.writeHead(204).end()
  }).listen(port, '127.0.0.1')
  t.teardown(() => endpoint.close())
  const { shop } = await startGateway(t, { apps: withWebhook(`http://127.0.0.1:${port}/hooks`) })
  const { body: { id } } = await shop.create({ phoneNumber: '+14155550100', workflow: ['otpless.otp'] })
  await shop.call('POST', `/verifications/${id}/check`, { code: '550100' })
  await until(() => deliveries.length > 0, 'a delivery')
  const [delivery] = deliveries
  if (delivery === undefined) throw new Error('no delivery')
  return delivery
}

const ownHeaders = (headers: IncomingHttpHeaders): Record<string, string> => Object.fromEntries(
  Object.entries(headers).flatMap(([name, value]) => name.startsWith('webhook-') ? [[name, String(value)]] : []),
)

const python = await findExecutable(['python3'])
const hasFlask = python !== null && await run(python, ['-c', 'import flask']).then(() => true, () => false)
const go = await findExecutable(['go'])
const genuine = await capture(t)

/** Starts the receiver, and sends it what the gateway, and what others, would send. */
async function judge (t: Test, command: string, args: string[], cwd: string): Promise<void> {
  const port = await freePort()
  const env = { ...process.env, WEBHOOK_SECRET: webhookSecret, PORT: String(port) }
  const child = startChild(command, args, { cwd, env, stdio: 'ignore' })
  t.teardown(() => child.stop(0))
  const send = async ({ headers, body }: Delivery): Promise<number> => {
    const answer = await request(`http://127.0.0.1:${port}/hooks/verigate`, {
      method: 'POST', body, headers: { 'content-type': 'application/json', ...headers },
    })
    await answer.body.dump()
    return answer.statusCode
  }
  await until(() => send(signed()).then(() => true, () => false), 'the receiver listens')

  t.equal(await send(genuine), 204, 'a delivery of the gateway')
  t.equal(await send(genuine), 204, 'the same once more')
  t.equal(await send(signed()), 204, 'a test event')
  const other = `whsec_${Buffer.alloc(32, 'of another app').toString('base64')}`
  t.equal(await send(signed({ secrets: [other, webhookSecret] })), 204, 'during a rotation')
  t.equal(await send(signed({ body: '{"type":"webhook.test","data":{"name":"Zoë ☎"}}' })), 204, 'not ASCII')
  t.equal(await send(signed({ secrets: [other] })), 401, 'the secret of another app')
  t.equal(await send({ ...genuine, body: genuine.body.replace('+14155550100', '+14155550102') }), 401, 'another body')
  t.equal(await send({ ...genuine, headers: { ...genuine.headers, 'webhook-id': 'msg_2' } }), 401, 'another id')
  t.equal(await send(signed({ age: 301 })), 401, 'an old timestamp')
  t.equal(await send(signed({ age: -360 })), 401, 'a timestamp of the future')
  t.equal(await send({ ...genuine, headers: {} }), 401, 'no signature')
}

/** Not a dependency: it has the three calls that the receiver makes. */
const standIn = `import { createServer } from 'node:http'

const express = () => {
  const routes = new Map()
  return {
    post: (path, ...handlers) => routes.set(path, handlers),
    listen: port => createServer((request, response) => {
      response.sendStatus = status => response.writeHead(status).end()
      const [parse, handle] = routes.get(request.url)
      parse(request, response, () => handle(request, response))
    }).listen(port, '127.0.0.1'),
  }
}
express.raw = ({ type }) => async (request, response, next) => {
  if (request.headers['content-type'] !== type) throw new TypeError('not parsed')
  request.body = Buffer.concat(await Array.fromAsync(request))
  next()
}
export default express
`

t.test('Express, by a stand-in', async t => {
  const folder = t.testdir({ 'receiver.mjs': snippet('Express') })
  const place = join(folder, 'node_modules/express')
  await mkdir(place, { recursive: true })
  await writeFile(join(place, 'package.json'), '{ "name": "express", "type": "module", "exports": "./index.js" }')
  await writeFile(join(place, 'index.js'), standIn)
  await judge(t, process.execPath, ['receiver.mjs'], folder)
})

t.test('Fastify', async t => {
  await judge(t, process.execPath, ['receiver.mjs'], t.testdir({ 'receiver.mjs': snippet('Fastify') }))
})

t.test('Flask', { skip: hasFlask ? false : 'Flask is not installed' }, async t => {
  await judge(t, python ?? '', ['receiver.py'], t.testdir({ 'receiver.py': snippet('Flask') }))
})

/** So that the check of the signature is tried where there is no Flask. */
const checkOnly = `import json, sys
from receiver_check import is_signed
headers, body = json.load(sys.stdin)
print(is_signed(headers, body.encode()), is_signed(headers, body.encode() + b' '))
`

t.test('the check of the Flask receiver needs no package', {
  skip: python === null ? 'python3 is not on the PATH' : false,
}, async t => {
  const [check = ''] = snippet('Flask').replace('from flask import Flask, request\n', '').split('\napp = ')
  const folder = t.testdir({ 'receiver_check.py': check, 'try.py': checkOnly })
  const env = { ...process.env, WEBHOOK_SECRET: webhookSecret }
  const pending = run(python ?? '', ['try.py'], { cwd: folder, env })
  pending.child.stdin?.end(JSON.stringify([genuine.headers, genuine.body]))
  t.equal((await pending).stdout, 'True False\n')
})

t.test('Go', { skip: go === null ? 'go is not on the PATH' : false }, async t => {
  const folder = t.testdir({ 'receiver.go': snippet('Go') })
  const env = { ...process.env, GOTOOLCHAIN: 'local', GOPROXY: 'off', GOFLAGS: '' }
  await run(go ?? '', ['build', '-o', 'receiver', 'receiver.go'], { cwd: folder, env })
  await judge(t, join(folder, 'receiver'), [], folder)
})
