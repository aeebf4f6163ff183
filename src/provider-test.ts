import { randomInt } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { parseArgs, parseEnv } from 'node:util'
import type { AttemptContext, ProviderAnswer, ProviderRequest } from './adapters/adapter.ts'
import { createHttp } from './adapters/http.ts'
import { declared } from './adapters/index.ts'
import { variables } from './config.ts'
import { ProviderError } from './core/errors.ts'
import { readVariable, type Environment } from './environment.ts'
import { parsePhoneNumber } from './phone.ts'
import { inspectProvidersFile } from './providers.ts'

const usage = `Shows the request that a provider of PROVIDERS_FILE makes for one message, with secrets as *NAME*.

  npm run provider:test -- <name> <phone number> [--send] [--locale de] [--app Shop] [--host shop.example]
                           [--file providers.yaml] [--env-file .env]

--send sends it, which may cost money, and shows the answer and what it is read as.
`
const exampleUrl = 'https://verify.example.com'

type Write = (text: string) => void
type Found = ReturnType<typeof inspectProvidersFile>['declared'][number]
type Message = { phoneNumber: string, locale: string | null, app: AttemptContext['app'], publicUrl: string }

/** The command `provider:test`: writes what it finds, and returns the exit code. */
export async function runProviderTest (environment: Environment, args: string[], write: Write): Promise<0 | 1> {
  const { positionals: [name, number], values } = parseArgs({
    args, allowPositionals: true, options: {
      'send': { type: 'boolean' }, 'locale': { type: 'string' }, 'app': { type: 'string', default: 'Shop' },
      'host': { type: 'string' }, 'file': { type: 'string' }, 'env-file': { type: 'string', multiple: true },
    },
  })
  const given: Environment = Object.assign(
    {}, ...(values['env-file'] ?? []).map(file => parseEnv(readFileSync(file, 'utf8'))), environment,
  )
  const fail = (text: string): 1 => {
    write(`${text}\n`)
    return 1
  }
  if (name === undefined || number === undefined) return fail(usage)
  const phoneNumber = parsePhoneNumber(number)?.number
  if (phoneNumber === undefined) return fail('The phone number must be in E.164 format, such as +14155550100.')
  const providersFile = values.file ?? given['PROVIDERS_FILE']
  if (providersFile === undefined) return fail('Set PROVIDERS_FILE, or name the file with --file.')

  const { declared: found, problems } = inspectProvidersFile({
    providersFile, allowInsecureProviders: given['ALLOW_INSECURE_PROVIDERS'] === 'true', lookUp: readOther(given),
  })
  if (problems.length > 0) return fail(problems.map(problem => `PROVIDERS_FILE${problem}`).join('\n'))
  const chosen = found.find(({ entry }) => entry.name === name || `${entry.name}.${entry.channel}` === name)
  if (chosen === undefined) {
    return fail(`The file has no provider ${name}. It has: ${found.map(({ entry }) => entry.name).join(', ')}.`)
  }
  const attempt = attemptOf(chosen, {
    phoneNumber, locale: values.locale ?? null, app: { name: values.app, host: values.host ?? null },
    publicUrl: given['PUBLIC_URL'] ?? exampleUrl,
  })
  const code = codeOf(declared.codeLengthOf(chosen.entry))
  showRequest(chosen, attempt, code, write)
  if (values.send !== true) {
    write('Not sent. With --send it is sent, and the answer is shown.\n')
    return 0
  }
  return send(chosen, declared.writeRequest(
    chosen.entry.request, declared.valuesOf(chosen.entry, attempt, code), chosen.env,
  ), { isInsecure: given['ALLOW_INSECURE_PROVIDERS'] === 'true', write })
}

const readOther = (environment: Environment) => (name: string): string | null => {
  if (Object.hasOwn(variables, name)) throw new Error('it is one of Verigate\'s own: use another name')
  return readVariable(name, environment)
}

const codeOf = (length: number): string => Array.from({ length }, () => randomInt(10)).join('')

/** Receipts to this URL are accepted and change nothing, because no verification has its key. */
function attemptOf ({ entry }: Found, { phoneNumber, locale, app, publicUrl }: Message): AttemptContext {
  const callbackKey = 'test'.repeat(12)
  return {
    id: 'att_test', method: `${entry.name}.${entry.channel}`, phoneNumber, options: {}, locale, device: {}, state: null,
    startedAt: 0, expiresAt: 0, callbackKey, redirectUrl: null, redirectKey: null, app,
    callbackUrl: `${publicUrl.replace(/\/+$/, '')}/callbacks/${entry.name}/${callbackKey}`,
    code: { make: () => ({ code: '', hash: '' }), matches: () => false },
  }
}

/** The name of a secret between `*`, which URLs and forms do not escape. */
const hide = (name: string): string => `*${name}*`

function showRequest ({ entry, env }: Found, attempt: AttemptContext, code: string, write: Write): void {
  const values = declared.valuesOf(entry, attempt, code)
  const hidden = Object.fromEntries(Object.keys(env).map(name => [name, hide(name)]))
  const { method, url, headers = {}, body } = declared.writeRequest(entry.request, values, hidden)
  const host = new URL(declared.writeRequest(entry.request, values, env).url).host
  write(`${method} ${url}\nhost: ${host}\n`)
  for (const [name, text] of Object.entries(headers)) write(`${name}: ${showHeader(text)}\n`)
  if (body !== undefined) write(`\n${showBody(body)}\n`)
  const { text = '' } = values
  if (!JSON.stringify(entry.request).includes('{text}')) return
  const { alphabet, segments } = declared.segmentsOf(text)
  write(`\nText: ${[...text].length} characters, ${alphabet}, ${segments === 1 ? '1 part' : `${segments} parts`}\n`)
}

/** Decodes `Basic` credentials, which consist of the names of secrets. */
function showHeader (text: string): string {
  const [, encoded] = /^Basic ([A-Za-z0-9+/=]+)$/.exec(text) ?? []
  return encoded === undefined ? text : `Basic ${Buffer.from(encoded, 'base64').toString()} (as base64)`
}

function showBody (body: string): string {
  try {
    return JSON.stringify(JSON.parse(body), null, 2)
  } catch {
    return body
  }
}

/** Every form in which a service may repeat a secret: as it is, escaped, and in Basic credentials. */
function formsOf (env: Found['env'], { headers = {} }: ProviderRequest): [form: string, name: string][] {
  const basic = Object.values(headers).flatMap(value => /^Basic (\S+)$/.exec(value)?.[1] ?? [])
  const values = Object.entries(env).flatMap(([name, value]) => [
    value, encodeURIComponent(value), JSON.stringify(value).slice(1, -1), Buffer.from(value).toString('base64'),
  ].map((form): [string, string] => [form, name]))
  return [...basic.map((form): [string, string] => [form, 'authorization']), ...values].filter(([form]) => form !== '')
}

async function send (
  { entry, env }: Found, request: ProviderRequest, { isInsecure, write }: { isInsecure: boolean, write: Write },
): Promise<0 | 1> {
  const http = createHttp({ allowInsecure: isInsecure })
  const withoutSecrets = (text: string): string =>
    formsOf(env, request).reduce((shown, [form, name]) => shown.replaceAll(form, hide(name)), text)
  try {
    const answer = await http.openHttp(entry.name, [new URL(request.url).host])(request)
    const notJson = `not JSON: ${answer.describe?.().text ?? 'no text'}`
    write(`\nAnswer: ${answer.status}\n${withoutSecrets(JSON.stringify(answer.body, null, 2) ?? notJson)}\n`)
    return judge(declared.readAnswer(entry, answer), answer, entry, write)
  } catch (error) {
    if (!(error instanceof ProviderError)) throw error
    const { status = null, code = null, text = null } = error.vendor ?? {}
    const said = [status, code, text].filter(part => part !== null).join(' ')
    write(`\nAnswer: ${said === '' ? 'none' : said}\nRead as: ${error.reason}\n`)
    return 1
  } finally {
    await http.close()
  }
}

function judge (
  read: ReturnType<typeof declared.readAnswer>, { status }: ProviderAnswer, { accepted }: declared.Entry, write: Write,
): 0 | 1 {
  if (!('refused' in read)) {
    write(`Read as: accepted${read.id === null ? '' : `, id ${read.id}`}\n`)
    return 0
  }
  const todo = read.refused === 'provider_bad_response'
    ? `: neither accepted nor refused says what ${status} with this body means${
      accepted.id === undefined ? '' : `, or there is no id at ${accepted.id}`}`
    : ''
  write(`Read as: ${read.refused}${todo}\n`)
  return 1
}
