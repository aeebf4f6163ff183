import { createHttp } from '../../src/adapters/http.ts'
import type { Method } from '../../src/adapters/adapter.ts'
import { providers } from '../../src/adapters/index.ts'
import { openAdapters } from '../../src/adapters/instances.ts'

const names = ['TRUECALLER_APP_KEY', 'TRUECALLER_OAUTH_CLIENT_ID', 'OTPLESS_APP_ID', ...['TRUID', 'OTPLESS'].flatMap(
  name => [`${name}_CLIENT_ID`, `${name}_CLIENT_SECRET`],
)]
const env = { ...Object.fromEntries(names.map(name => [name, 'a'])), TRUECALLER_CALLBACK_KEY: 'a'.repeat(22) }

/** Every method of every provider, by name, in the order of the default workflow. */
export async function readMethods (): Promise<[name: string, method: Method][]> {
  const http = createHttp()
  const io = { openHttp: http.openHttp, now: () => 0, randomBytes: () => Buffer.alloc(0), allowInsecure: false }
  const methods = openAdapters(providers, env, io).flatMap(adapter => Object.entries(adapter.methods))
  await http.close()
  return methods.sort(([, a], [, b]) => (a.defaultRank ?? Infinity) - (b.defaultRank ?? Infinity))
}
