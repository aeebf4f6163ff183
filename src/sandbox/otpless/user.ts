/** What a person has proven. `value`: digits without `+`, or an e-mail address; `at`: when, ms since the epoch. */
export type Identity = {
  type: 'MOBILE' | 'EMAIL', value: string, channel: string, method: string, verified: boolean, at: number,
}

function timestamp (at: number): string {
  return `${new Date(at).toISOString().slice(0, 19)}Z`
}

/** As validate/token describes it: ISO 8601. */
function describeInIso ({ type, value, channel, method, verified, at }: Identity): object {
  const verifiedAt = verified ? timestamp(at) : undefined
  return { identityType: type, identityValue: value, channel, methods: [method], verified, verifiedAt }
}

/** As verify/code and status describe it: milliseconds since the epoch. */
export function describeInMs ({ type, value, channel, method, verified, at }: Identity): object {
  const verifiedTimestamp = verified ? at : undefined
  return { identityType: type, identityValue: value, channel, methods: [method], verified, verifiedTimestamp }
}

/** The identities of an unusual answer: a null, and the number as a JSON number, with every optional member null. */
export function describeUnusually (identities: readonly Identity[], time: (at: number) => object): object[] {
  return [null, ...identities.filter(({ type }) => type === 'MOBILE').map(({ value, at }) => ({
    identityType: 'MOBILE', identityValue: Number(value), channel: null, methods: null, verified: true, ...time(at),
    name: null, picture: null,
  }))] as object[]
}

/** The successful answer of validate/token at `now` (ms since the epoch). */
export function describeUser (token: string, identities: readonly Identity[], now: number): object {
  return {
    token, status: 'SUCCESS', userId: 'MO-sandbox', timestamp: timestamp(now),
    identities: identities.map(describeInIso), network, deviceInfo, secureInfo,
  }
}

/** The same with every optional member null, and the number as a JSON number. */
export function describeUserUnusually (token: string, identities: readonly Identity[], now: number): object {
  const nothing = { userId: null, network: null, deviceInfo: null, secureInfo: null, errorCode: null, message: null }
  return {
    token, status: 'SUCCESS', timestamp: timestamp(now),
    identities: describeUnusually(identities, at => ({ verifiedAt: timestamp(at) })), ...nothing,
  }
}

/** `userDetails` of verify/code. */
export function describeCodeUser (token: string, identities: readonly Identity[], completedAt: number): object {
  return {
    token, status: 'SUCCESS', completedAt, identities: identities.map(describeInMs), network: { ip: network.ip },
    deviceInfo: codeDeviceInfo,
  }
}

const codeDeviceInfo = {
  userAgent: 'Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) '
    + 'Chrome/127.0.0.0 Safari/537.36',
  platform: 'MacIntel',
  vendor: 'Google Inc.',
  language: 'en-GB',
  cookieEnabled: true,
  screenWidth: 1512,
  screenHeight: 982,
  screenColorDepth: 30,
  devicePixelRatio: 2,
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
