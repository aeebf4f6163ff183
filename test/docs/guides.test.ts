import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { parse } from 'acorn'
import t from 'tap'
import { NextAction } from '../../src/api/schemas/verification.ts'
import { reasonWords } from '../../src/core/reasons.ts'
import { startGateway } from '../helpers/gateway.ts'
import { codeOf, documents, plain, read, rowsOf, sectionOf } from './documents.ts'

const platforms = ['web', 'android', 'ios', 'react-native'].map(name => `docs/guides/${name}.md`)
const guides = documents.filter(path => path.startsWith('docs/guides/'))

t.test('each platform says what to do for every next action, and its code does it', t => {
  const types = NextAction.anyOf.map(({ properties: { type } }) => type.const)
  for (const path of platforms) {
    const guide = read(path)
    const rows = rowsOf(sectionOf(guide, '## Each nextAction'))
    t.strictSame(rows.map(([type = '']) => plain(type)).sort(), [...types, 'any other'].sort(), path)
    for (const [type = '', what] of rows) t.ok(what, `${path}: ${type}`)
    const code = [...guide.matchAll(/^```(?:js|kotlin|swift)\n(.*?)^```$/gms)].map(([, text]) => text).join('\n')
    // The web page without the element, and `default`, leave these to the call of `next`.
    const isLeft = (type: string): boolean => type === 'submitToken' && path.endsWith('/web.md')
    for (const type of types) t.ok(isLeft(type) || new RegExp(`["']${type}["']`).test(code), `${path}: ${type} in code`)
  }
  t.end()
})

t.test('every reason has what the person sees, and what the front end does', t => {
  const rows = rowsOf(read('docs/guides/reasons.md'))
  t.strictSame(rows.map(([reason = '']) => plain(reason)), reasonWords, 'in the order of the code')
  for (const [reason = '', sees, does] of rows) t.ok(sees && does, reason)
  t.end()
})

t.test('the entry for front ends links to each guide', t => {
  const entry = read('docs/front-end.md')
  for (const path of guides) t.ok(entry.includes(`(guides/${path.slice('docs/guides/'.length)}`), path)
  t.end()
})

t.test('code in JavaScript is complete and correct in form', t => {
  for (const path of guides) {
    for (const [, code = ''] of read(path).matchAll(/^```js\n(.*?)^```$/gms)) {
      t.doesNotThrow(() => parse(code, { ecmaVersion: 'latest', sourceType: 'module' }), path)
    }
  }
  t.end()
})

/** What the code for React Native asks of the platform. The phone opens URLs as Node does. */
const reactNative = `export const Platform = { OS: 'ios' }
export const opened = []
export const Linking = {
  openURL: async url => { opened.push(url) },
  addEventListener: () => ({ remove () {} }),
}
export const NativeModules = {
  Cellular: {
    async open (url) {
      let cookie = ''
      for (let left = 20; left > 0; left -= 1) {
        const response = await fetch(url, { redirect: 'manual', headers: { cookie } })
        cookie = response.headers.get('set-cookie')?.split(';')[0] ?? cookie
        const location = response.headers.get('location')
        if (location === null) return { status: response.status, code: (await response.json()).code }
        url = new URL(location, url).href
      }
    },
  },
}
`

t.test('the code for React Native verifies', async t => {
  const { url: gateway, shop } = await startGateway(t)
  const folder = t.testdir({
    'package.json': '{ "type": "module" }',
    'verification.js': codeOf(sectionOf(read('docs/guides/react-native.md'), '## Follow the verification')),
  })
  const place = join(folder, 'node_modules/react-native')
  await mkdir(place, { recursive: true })
  await writeFile(join(place, 'package.json'), '{ "type": "module", "exports": "./index.js" }')
  await writeFile(join(place, 'index.js'), reactNative)
  const { startVerification } = await import(pathToFileURL(join(folder, 'verification.js')).href)

  async function run (body: object, code = ''): Promise<string[]> {
    const { body: created } = await shop.create(body)
    const seen: string[] = []
    const verification = startVerification({
      gateway, created, screen: {
        show ({ type }: { type: string }) {
          if (type !== 'wait') seen.push(type)
          if (type === 'submitCode' && !seen.includes('incorrect')) void verification.submit({ code: '000000' })
        },
        showIncorrect () {
          seen.push('incorrect')
          void verification.submit({ code })
        },
        runSdk: async (sdk: string) => { seen.push(sdk); return null },
        end: (status: string, reason: string | null) => seen.push(reason ?? status),
      },
    })
    await verification.done
    // The screen may also be told again about the field, after the incorrect code.
    return [...new Set(seen)]
  }
  const phoneNumber = '+14155550391'
  const workflow = ['truid.phone_check', 'otpless.otp']
  t.strictSame(await run({ phoneNumber: '+14155550100', workflow }), ['openUrlOnCellular', 'verified'])
  t.strictSame(
    await run({ phoneNumber, workflow }, '550391'), ['openUrlOnCellular', 'submitCode', 'incorrect', 'verified'],
  )
  t.strictSame(
    await run({ phoneNumber: '+14155550102', workflow: ['truecaller.web', 'otpless.token', 'otpless.otp'] }, '550102'),
    ['otpless', 'submitCode', 'incorrect', 'verified'],
  )
})
