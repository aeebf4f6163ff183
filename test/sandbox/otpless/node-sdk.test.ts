import { createRequire } from 'node:module'
import { join } from 'node:path'
import t from 'tap'
import { ask, setting, start } from '../receiver.ts'
import { itemsOf, json } from './client.ts'

/** The part of `otpless-node-js-auth-sdk` 1.0.8 that is used here. */
type Sdk = { UserDetail: Record<
  'verifyToken' | 'verifyCode' | 'decodeIdToken' | 'magicLink' | 'sendOTP' | 'resendOTP' | 'verifyOTP',
  (...values: unknown[]) => Promise<Record<string, unknown>>
> }
type Axios = { interceptors: { request: { use (change: (config: { url?: string }) => object): void } } }

const name = 'otpless-node-js-auth-sdk'
/** Where a folder `node_modules` with the package is; it is not a dependency of Verigate. */
const folder = process.env['VENDOR_SDK_DIR'] ?? join(import.meta.dirname, '../../..')

function findSdk (): string | null {
  try {
    return createRequire(join(folder, 'package.json')).resolve(name)
  } catch {
    return null
  }
}

const path = findSdk()
const skip = path === null && `${name} is not installed; VENDOR_SDK_DIR can name a folder that has it`

t.test('the official Node SDK runs against the simulator', { skip }, async t => {
  if (path === null) return
  const started = await start(t)
  const { simulators: { url } } = started
  const load = createRequire(path)
  const { UserDetail } = load(path) as Sdk
  // Its hosts are constants, so its HTTP client sends the same requests to the simulator.
  const axios = load('axios') as Axios
  axios.interceptors.request.use(config =>
    ({ ...config, url: config.url?.replace(/^https:\/\/(auth\.otpless\.app|otpless\.com)(?=\/)/, url) }))
  const account = [
    setting(started.simulators, 'OTPLESS_CLIENT_ID'), setting(started.simulators, 'OTPLESS_CLIENT_SECRET'),
  ]
  const phoneNumber = '+919999999900'
  const { token, idToken } = (await ask(`${url}/handset/otpless/token`, 'POST', json, { phoneNumber })).json

  t.match(await UserDetail.verifyToken(token, ...account), {
    success: true, phone_number: phoneNumber, national_phone_number: '9999999900', country_code: '+91',
  })
  await t.rejects(UserDetail.verifyToken(token, ...account), { message: 'token is expired' })
  await t.rejects(UserDetail.verifyToken(token, 'wrong', 'wrong'), { message: 'Invalid secrets' })
  const decoded = { success: true, authTime: Number, phoneNumber: '919999999900', setCountryCode: '+91' }
  t.match(await UserDetail.decodeIdToken(idToken, ...account), decoded)

  const redirectUri = 'https://shop.example/back'
  const sent = await UserDetail.magicLink('919999999900', null, redirectUri, 'SMS', ...account)
  const [{ destinationUri } = {}] = sent['requestIds'] as Record<string, unknown>[]
  t.match(sent, { success: true, requestIds: [{ type: 'MOBILE', value: String }] })
  const back = await ask(String(destinationUri), 'POST')
  const code = new URL(back.headers.get('location') ?? '').searchParams.get('code')
  t.match(await UserDetail.verifyCode(code, ...account), decoded)
  await t.rejects(UserDetail.verifyCode(code, ...account))

  const order = [phoneNumber, null, 'SMS', null, 'order-1', 60, 6]
  t.match(await UserDetail.sendOTP(...order, ...account), { orderId: 'order-1', refId: String })
  t.match(await UserDetail.resendOTP('order-1', ...account), { orderId: 'order-1' })
  const otp = (await itemsOf(started, phoneNumber)).at(-1)?.['code']
  t.match(await UserDetail.verifyOTP(null, phoneNumber, 'order-1', '000000', ...account), { isOTPVerified: false })
  t.match(await UserDetail.verifyOTP(null, phoneNumber, 'order-1', otp, ...account), { isOTPVerified: true })
  t.match(
    await UserDetail.verifyOTP(null, phoneNumber, 'order-1', otp, 'wrong', 'wrong'),
    { success: false, errorMessage: 'Invalid secrets' },
  )
})
