import { createHash, randomUUID } from 'node:crypto'
import { call, oneTimePassword, tokenOfClient, tokenOfPhone } from './client.ts'
import { assets, shareScope, smsScope, verifyScope, type World } from './world.ts'

type Step = [pattern: RegExp, act: (world: World, ...words: string[]) => void | Promise<void>]

const member = String.raw`(?:the )?(?:request )?body property "\$\.(\w+)"`
const step = (text: string): RegExp => new RegExp(`^${text}$`)
const hash = (text: string): string => createHash('sha256').update(text).digest('hex')
const otherNumber = '+34666111104'
const wrongCode = '000001'

const nothing = (): void => {}

function set (world: World, name: string, value: unknown): void {
  world.body = { ...world.body, [name]: value }
}

/** The code that the scenario sent first; it is sent when the first step needs it. */
const firstCode = async (world: World): Promise<{ authenticationId: string, code: string }> =>
  world.codes[0] ?? await world.sendCode()

async function validate (world: World, code: string): Promise<number> {
  const { authenticationId } = await firstCode(world)
  const token = await tokenOfClient(world.started, smsScope)
  return (await call(world.started, 'POST', `${oneTimePassword}/validate-code`, {
    token, body: { authenticationId, code },
  })).status
}

async function useFirstCode (world: World): Promise<void> {
  set(world, 'authenticationId', (await firstCode(world)).authenticationId)
}

const backgrounds: Step[] = [
  [step('an environment at "apiRoot"'), nothing],
  [step('the resource "(/[\\w-]+/v\\d+)" as base url'), (world, base = '') => {
    world.path = `${base}/${world.method === 'GET' ? 'device-phone-number' : 'verify'}`
  }],
  [step('the resource "(/[\\w-]+/v\\d+/[\\w-]+)"'), (world, path = '') => { world.path = path }],
  [step('the header "Content-Type" is set to "application/json"'), nothing],
  [step('the header "x-correlator" complies with the schema at "#/components/schemas/XCorrelator"'), world => {
    world.t.match(world.correlator, /^[a-zA-Z0-9-]{1,256}$/)
  }],
  [step('the request body is set by default to a request body compliant with the schema'), async world => {
    if (world.path.endsWith('/validate-code')) {
      const { authenticationId } = await firstCode(world)
      world.body = { authenticationId, code: wrongCode }
    } else if (world.path.endsWith('/send-code')) {
      world.body = { phoneNumber: assets.phone_number, message: assets.message }
    } else world.body = { phoneNumber: assets.phone_number }
  }],
]

const tokens: Step[] = [
  [step('the header "Authorization" is set(?: to a valid access token)?'), nothing],
  [step('the header "Authorization" is removed'), world => { world.token = async () => null }],
  [step('the header "Authorization" is set to an expired(?: access token)?'), world => {
    world.token = async () => {
      const token = await world.tokenOf(assets.phone_number)
      world.elapse(300_000)
      return token
    }
  }],
  [step('the header "Authorization" is set to an invalid access token'), world => {
    world.token = async () => 'invalid'
  }],
  [step('the header "Authorization" is set to an access token without the required scope'), world => {
    const scope = world.method === 'GET' ? verifyScope : shareScope
    world.token = () => tokenOfPhone(world.started, assets.phone_number, scope)
  }],
  [step('the header "Authorization" is set to a (?:token for which neither Network-based nor SIM-based authentication '
    + 'was used|valid access token which does not identify a single phone number)'), world => {
    const scope = world.method === 'GET' ? shareScope : verifyScope
    world.token = () => tokenOfClient(world.started, scope)
  }],
  [step('a valid (?:testing )?phone ?[nN]umber (?:supported by the service, )?identified by the token'
    + '(?: and provided in the request body)?'), nothing],
  [step('the token has been obtained by a supported authentication method'), nothing],
]

/** Numbers of the sandbox's table. */
const kinds: Readonly<Record<string, string>> = {
  'cannot receive SMS': '+34666111191', 'target a landline': '+34911111191',
  'that has an active SMS barring': '+34666188191', 'did not belong to the operator': '+34666185191',
}

const bodies: Step[] = [
  [step('the request body is not included'), world => { world.body = undefined }],
  [step('the request body is set to "\\{\\}"'), world => { world.body = {} }],
  [step('the request body is set to a valid request body'), nothing],
  [step('the request body does not contain neither "\\$.phoneNumber" nor "\\$.hashedPhoneNumber"'), world => {
    const { phoneNumber: _number, hashedPhoneNumber: _hash, ...rest } = world.body ?? {}
    world.body = rest
  }],
  [step(`${member} is set to "([^"]*)"`), (world, name = '', value) => set(world, name, value)],
  [step(`${member} is set to config_var: "(phone_number|message)"`), (world, name = '', asset = '') =>
    set(world, name, assets[asset as 'phone_number' | 'message'])],
  [step(`${member} is not valued`), (world, name = '') => set(world, name, undefined)],
  [step(`${member} is longer than config_var:"max_len(?:gth|ght)"`), (world, name = '') =>
    set(world, name, `{{code}}${'x'.repeat(assets.max_length - 7)}`)],
  [step(`${member} is set to a valid phone number`), (world, name = '') => set(world, name, assets.phone_number)],
  [step('the same phone number is compliant with OAS schema at "#/components/schemas/PhoneNumber"'), nothing],
  [step(`${member} is set to a valid phone number compliant with OAS schema at "#/components/schemas/Hashed`
    + 'PhoneNumber"'), (world, name = '') => set(world, name, hash(assets.phone_number))],
  [step(`${member} does not comply with the OAS schema at "#/components/schemas/PhoneNumber"`), (world, name = '') =>
    set(world, name, '34 666 111 102')],
  [step(`${member} is set to a phone number that (.+)`), (world, name = '', kind = '') => {
    const number = kinds[kind]
    if (number === undefined) throw new Error(`no number that ${kind}`)
    set(world, name, number)
  }],
  [step(`${member} is set to (the phone number identified by the access token|a valid phone number different from `
    + 'the one identified by the access token)(, hashed in SHA-256 \\(in hexadecimal representation\\))?'),
  (world, name = '', which = '', hashed) => {
    const number = which.startsWith('the phone') ? assets.phone_number : otherNumber
    world.body = { [name]: hashed === undefined ? number : hash(number) }
  }],
]

const codes: Step[] = [
  [step('an authenticationId has been retrieved from a send-code request'), useFirstCode],
  [step(`${member} is set to the value (?:from send-code request|got for the first send-code request)`), useFirstCode],
  [step(`${member} is valued again with this authenticationId`), useFirstCode],
  [step(`${member} is set to the (?:value |code )?received in the SMS(?: for this first request)?`), async (
    world, name = '',
  ) => set(world, name, (await firstCode(world)).code)],
  [step(`${member} is set to a (?:value distinct from the value received in the SMS|format valid value)`), (
    world, name = '',
  ) => set(world, name, wrongCode)],
  [step(`${member} is set to an unknown value`), (world, name = '') => set(world, name, randomUUID())],
  [step('the time elapsed since the send-code exceed the allowed time'), world => world.elapse(300_000)],
  [step('Two send-code request has been sequentially triggered for the same phoneNumber'), async world => {
    await firstCode(world)
    await world.sendCode()
  }],
  [step('a validate-code has been succesfully performed for a authenticationId'), async world => {
    world.t.equal(await validate(world, (await firstCode(world)).code), 204)
  }],
  [step('\\(config_var:"max_try"-1\\) calls with the request body property "\\$.code" set to a value distinct from '
    + 'the value received in the SMS were performed'), async world => {
    for (let tries = 1; tries < assets.max_try; tries += 1) world.t.equal(await validate(world, wrongCode), 400)
  }],
  [step('\\(config_var:"max_send"-1\\) of send-code requests for this phone number has been submitted'), async (
    world,
  ) => {
    for (let sends = 1; sends < assets.max_send; sends += 1) await world.sendCode()
    world.t.notOk(world.codes.some(({ authenticationId }) => authenticationId === 'undefined'))
  }],
]

const word = (text: string): unknown => /^\d+$|^true$|^false$/.test(text) ? JSON.parse(text) : text

const checks: Step[] = [
  [step('the (?:HTTP "POST" request|request "\\w+") is sent'), async world => { await world.send() }],
  [step('the response status code is "?(\\d+)"?'), checkStatus],
  // With a body that has no such member, the scenarios of one-time passwords mean the status of the response.
  [step('the response property "\\$.status" is (\\d+)'), async (world, status) => {
    await checkStatus(world, status)
    if (Number(status) >= 400) await checkMember(world, 'status', Number(status))
  }],
  [step('the response property "\\$.((?!status")\\w+)" (?:is|==) "?([\\w.]+)"?'), (world, name = '', value = '') =>
    checkMember(world, name, word(value))],
  [step('the response property "\\$.message" contains a user friendly text'), async world => {
    const { json } = await world.send()
    world.t.match(json['message'], /^\w.* .*\w/)
  }],
  [step('the response property "\\$.devicePhoneNumber" is equal to the phone number associated with the access token'),
    world => checkMember(world, 'devicePhoneNumber', assets.phone_number)],
  [step('the response header "Content-Type" is "application/json"'), async world => {
    const { answerHeaders } = await world.send()
    world.t.match(answerHeaders['content-type'], /^application\/json(;|$)/)
  }],
  [step('the response header "x-correlator" has same value as the request header "x-correlator"'), async world => {
    const { answerHeaders } = await world.send()
    world.t.equal(answerHeaders['x-correlator'], world.correlator)
  }],
  [step('the response body complies with the OAS schema at "#?/components/schemas/\\w+"'), async world => {
    const { answer } = await world.send()
    world.t.ok(answer !== undefined, 'a body')
  }],
]

/** The status, and with it the whole answer by the official description. */
async function checkStatus (world: World, status: string | undefined): Promise<void> {
  const sent = await world.send()
  world.checks += 1
  world.t.equal(sent.status, Number(status))
  world.t.strictSame(world.problemsOf(sent), [])
}

async function checkMember (world: World, name: string, value: unknown): Promise<void> {
  const { json } = await world.send()
  world.checks += 1
  world.t.strictSame(json[name], value, name)
}

export const steps: readonly Step[] = [...backgrounds, ...tokens, ...bodies, ...codes, ...checks]
