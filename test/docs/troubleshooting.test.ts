import { execFile } from 'node:child_process'
import { globSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { findExecutable } from '../../scripts/install.ts'
import { clientOf } from '../helpers/gateway.ts'
import { startProcess } from '../helpers/process.ts'
import { freePort, startRedis } from '../helpers/redis.ts'
import { codeOf, headingsOf, read, root, sectionOf } from './documents.ts'

const text = read('docs/troubleshooting.md')
const symptoms = headingsOf(text).slice(1).map(heading => ({ heading, section: sectionOf(text, `## ${heading}`) }))
const spans = (markdown: string): string[] =>
  [...markdown.matchAll(/`([^`\n]+(?:\n[^`\n]+)?)`/g)].map(([, code = '']) => code.replace(/\s+/g, ' '))

t.test('each symptom has a cause, what to do, and a check', t => {
  t.ok(symptoms.length > 15)
  for (const { heading, section } of symptoms) {
    for (const part of ['**You see**', '**Cause**', '**Do**', '**Check**', 'Right: **']) {
      t.ok(section.includes(part), `${heading}: ${part}`)
    }
  }
  t.end()
})

t.test('what the product says is quoted word by word', t => {
  const sources = globSync('src/**/*.ts', { cwd: root }).map(path => read(path)).join('\n').replaceAll('\\\'', '\'')
  let quotes = 0
  for (const { heading, section } of symptoms) {
    const [prose = ''] = section.split('**Check**')
    for (const span of spans(prose)) {
      const [, message] = /^"msg":"(.*)"$/.exec(span) ?? []
      // A sentence of an error or of the log; code of other kinds has signs that sentences lack.
      const isSentence = / \w+ /.test(span) && !/["={]|^[A-Z]+ \//.test(span)
      if (message === undefined && !isSentence) continue
      quotes += 1
      t.ok(sources.includes(message ?? span), `${heading}: ${span}`)
    }
  }
  t.ok(quotes > 8, `${quotes} quotes`)
  t.end()
})

const hasCurl = await findExecutable(['bash']) !== null && await findExecutable(['curl']) !== null

t.test('each check is right against the sandbox', { skip: hasCurl ? false : 'bash or curl is missing' }, async t => {
  const port = await freePort()
  const callbackKey = 'a-key-that-is-long-enough'
  const started = startProcess(t, {
    SANDBOX: 'true', PORT: String(port), SANDBOX_PORT: String(await freePort()), REDIS_URL: (await startRedis(t)).url,
    TRUECALLER_CALLBACK_KEY: callbackKey,
  })
  const url = (await started.listening).replace('127.0.0.1', 'localhost')
  const shop = 'http://localhost:5173'
  const { body: created } = await clientOf(url, 'vgk_sandbox').create({ phoneNumber: '+14155550200' })
  const env = {
    ...process.env, API_KEY: 'vgk_sandbox', ID: created['id'], SECRET: created['clientSecret'],
    CALLBACK_KEY: callbackKey,
  }
  const here = (command: string): string =>
    command.replaceAll('https://verify.example.com', url).replaceAll('https://shop.example', shop)

  for (const { heading, section } of symptoms) {
    const [, check = ''] = section.split('**Check**')
    const command = here(codeOf(check))
    t.equal(command.match(/\bcurl -i /g)?.length, 1, `${heading}: one curl`)
    const answer = await new Promise<string>(resolve => {
      // A stream is read for a few seconds only: then curl ends with an error.
      execFile('bash', ['-c', command], { env, cwd: join(root, 'docs') }, (_error, stdout) => resolve(stdout))
    })
    const [, status = ''] = /^HTTP\/1\.1 (\d{3})/.exec(answer) ?? []
    const [, rightStatus, rightText = ''] = /Right: \*\*(\d{3})\*\* with `([^`]+)`/.exec(section) ?? []
    t.equal(status, rightStatus, heading)
    t.ok(answer.toLowerCase().includes(here(rightText).toLowerCase()), `${heading}: ${rightText}`)
  }
  t.ok(started.logs.some(line => line.includes('"callback":{"provider":"truecaller","result":"malformed"}')))
})
