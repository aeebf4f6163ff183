/**
 * A user of the front-end SDK as validate/token describes it; all other members are those of the documented sample.
 * `at`: when the user signed in; `numberAt`: when the number was verified (ms since the epoch).
 */
export type OtplessUser = {
  digits: string | undefined, email: string | undefined, verified: boolean, at: number, numberAt: number,
}

function timestamp (at: number): string {
  return `${new Date(at).toISOString().slice(0, 19)}Z`
}

function identity (
  identityType: string, identityValue: string | undefined, method: string, verified: boolean, at: number,
): object[] {
  if (identityValue === undefined) return []
  const verifiedAt = verified ? timestamp(at) : undefined
  return [{ identityType, identityValue, channel: 'OAUTH', methods: [method], verified, verifiedAt }]
}

/** The identities, e-mail first: the order means nothing, and an adapter that takes the first one fails. */
export function identitiesOf ({ digits, email, verified, at, numberAt }: OtplessUser): object[] {
  return [
    ...identity('EMAIL', email, 'GOOGLE', verified, at),
    ...identity('MOBILE', digits, 'TRUE_CALLER', verified, numberAt),
  ]
}

/** The successful answer of validate/token at `now` (ms since the epoch). */
export function describeUser (token: string, user: OtplessUser, now: number): object {
  const identities = identitiesOf(user)
  return {
    token, status: 'SUCCESS', userId: 'MO-sandbox', timestamp: timestamp(now), identities, network, deviceInfo,
    secureInfo,
  }
}

/** The same with every optional member null, and the number as a JSON number. */
export function describeUnusually (token: string, user: OtplessUser, now: number): object {
  const { digits, numberAt } = user
  const mobile = {
    identityType: 'MOBILE', identityValue: Number(digits), channel: null, methods: null, verified: true,
    verifiedAt: timestamp(numberAt), name: null, picture: null,
  }
  const nothing = { userId: null, network: null, deviceInfo: null, secureInfo: null, errorCode: null, message: null }
  return { token, status: 'SUCCESS', timestamp: timestamp(now), identities: [null, mobile], ...nothing }
}

const network = {
  ip: '192.0.2.146',
  timezone: 'Asia/Kolkata',
  ipLocation: {
    accuracyRadius: 1000,
    city: {},
    subdivisions: {},
    country: { code: 'IN', name: 'India' },
    continent: { code: 'AS' },
    latitude: 21.9974,
    longitude: 79.0011,
    asn: { asn: '64496', name: 'Example Internet Services', network: '192.0.2.0/24' },
  },
}

const deviceInfo = {
  userAgent: 'Mozilla/5.0 (Linux; Android 14; wv) AppleWebKit/537.36 (KHTML, like Gecko) '
    + 'Chrome/129.0 Mobile Safari/537.36 otplesssdk',
  platform: 'Linux aarch64',
  vendor: 'Google Inc.',
  browser: 'Chrome',
  connection: '4g',
  language: 'en-GB',
  cookieEnabled: true,
  screenWidth: 360,
  screenHeight: 800,
  screenColorDepth: 24,
  devicePixelRatio: 3,
  timezoneOffset: -330,
  cpuArchitecture: '8-core',
  fontFamily: 'sans-serif',
  deviceId: 'DEVICE_ID',
  browserInfo: { browserName: 'Other', os: 'Android', osVersion: '14', device: 'Generic Smartphone' },
}

const secureInfo = {
  incognito: false,
  confidence: { score: 1, revision: 'v1.1' },
  bot: { result: 'notDetected' },
  rootApps: { result: false },
  emulator: { result: false },
  vpn: { result: true, originCountry: 'unknown', methods: { timezoneMismatch: false, publicVPN: true } },
  tampering: { result: false, anomalyScore: 0 },
  jailbroken: { result: false },
  clonedApp: { result: false },
  factoryReset: { time: '2024-10-09T10:53:31Z', timestamp: 1728471211 },
  frida: { result: false },
  suspectScore: { result: 5 },
  privacySettings: { result: false },
}
