import { execFile } from 'node:child_process'
import t from 'tap'
import { providers } from '../../src/adapters/index.ts'
import { NextAction } from '../../src/api/schemas/verification.ts'
import { findExecutable } from '../../scripts/install.ts'
import { everyMethod } from '../../scripts/provider-docs.ts'
import { keys, startGateway } from '../helpers/gateway.ts'
import { read, rowsOf, sectionOf } from './documents.ts'

const readme = read('README.md')

t.test('the README stays short', async t => {
  t.ok(readme.split('\n').length <= 261, `${readme.split('\n').length - 1} lines`)
})

t.test('every method and every call of the API is in the README', async t => {
  for (const { provider } of providers) t.ok(sectionOf(readme, '## Methods').includes(`\`${provider}.`), provider)
  const { paths } = JSON.parse(read('openapi/openapi.json')) as { paths: Record<string, Record<string, unknown>> }
  const calls = sectionOf(readme, '## The API').replaceAll(/`/g, '')
  const documented = Object.entries(paths).flatMap(([path, item]) =>
    Object.keys(item).map(verb => `${verb.toUpperCase()} ${path.replaceAll(/{\w+}/g, '{id}')}`))
  t.ok(documented.length > 15)
  for (const call of documented) {
    const [, path = ''] = call.split(' ')
    // Callbacks are one row, and calls of operators are a list of paths.
    const isListed = path.startsWith('/callbacks/') ? calls.includes('/callbacks/…') : calls.includes(call)
    t.ok(isListed || / (\/livez|\/readyz|\/metrics)$/.test(call) && calls.includes(path), call)
  }
})

t.test('every type of next action that a method uses is described for front ends', async t => {
  const rows = rowsOf(sectionOf(read('docs/front-end.md'), '## What to do: nextAction')).map(([type = '']) => type)
  const known = NextAction.anyOf.map(({ properties: { type } }) => `\`${type.const}\``)
  for (const type of rows) t.ok(known.includes(type), type)
  const shown = sectionOf(readme, '## Integrate it')
  for (const type of rows) t.ok(shown.includes(type), `README: ${type}`)
  const used = everyMethod().flatMap(([, { nextActions }]) => nextActions)
  t.strictSame(rows.sort(), [...new Set(['wait', ...used])].map(type => `\`${type}\``).sort())
})

const hasShell = await findExecutable(['bash']) !== null && await findExecutable(['curl']) !== null

t.test('the commands of the README verify a number', {
  skip: hasShell ? false : 'bash or curl is not on the PATH',
}, async t => {
  const { url } = await startGateway(t)
  const [, commands = ''] = /```sh\n(ANSWER=.*?)```/s.exec(readme) ?? []
  const script = commands.replaceAll('localhost:3000', url.replace('http://', '')).replaceAll('vgk_sandbox', keys.shop)
  t.equal(commands.match(/curl/g)?.length, 3)
  const output = await new Promise<string>((resolve, reject) => {
    execFile('bash', ['-euc', script], (error, stdout) => error === null ? resolve(stdout) : reject(error))
  })
  t.match(output, /"status":"pending"/)
  t.equal(output.match(/"status":"verified","verified":true/g)?.length, 2, 'the check and the read say so')
})
