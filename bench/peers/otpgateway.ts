import { execFile } from 'node:child_process'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import { request } from 'undici'
import { findExecutable } from '../../scripts/install.ts'
import type { CaseContext } from '../case-context.ts'
import { freePort } from '../gateway.ts'
import type { Measured } from '../processes.ts'

// https://github.com/knadh/otpgateway: a gateway for codes in Go, with Redis.

const module = 'github.com/knadh/otpgateway/v3/cmd/otpgateway@v3.6.3'
const folder = join(import.meta.dirname, 'bin')

/** The name and secret of its only app. */
export const otpgatewayAuth = Buffer.from('bench:secret').toString('base64')

/** The path of the program: in `bench/peers/bin`, or on the search path. Null: neither. */
export const findOtpgateway = (): Promise<string | null> =>
  findExecutable(['otpgateway'], `${folder}:${process.env['PATH'] ?? ''}`)

/** Builds the program with Go. Throws when Go is missing, or the module cannot be downloaded. */
export async function installOtpgateway (): Promise<void> {
  await promisify(execFile)('go', ['install', module], { env: { ...process.env, GOBIN: folder } })
}

/** Starts it with a webhook as its only provider, without debug logs. The templates of its pages are empty here. */
export async function startOtpgateway (
  context: CaseContext, path: string, sinkUrl: string,
): Promise<{ url: string, process: Measured }> {
  const cwd = join(context.dir, 'otpgateway')
  await mkdir(join(cwd, 'static'), { recursive: true })
  await writeFile(join(cwd, 'static', 'page.html'), '{{ define "message" }}{{ end }}')
  const [port, redis] = [await freePort(), new URL(context.redis.url)]
  await writeFile(join(cwd, 'config.toml'), `
[app]
address = "127.0.0.1:${port}"
server_timeout = "60s"
enable_debug_logs = false
otp_ttl = 300
otp_max_attempts = 5
otp_max_generate = 3
root_url = "http://127.0.0.1:${port}"
[store.redis]
host = "${redis.hostname}"
port = ${redis.port}
timeout = "5s"
[auth.bench]
namespace = "bench"
secret = "secret"
[webhooks.sink]
enabled = true
url = "${sinkUrl}/otpgateway"
max_conns = 200
timeout = "5s"
subject = "Verification"
channel_name = "SMS"
address_name = "Mobile number"
max_address_len = 16
max_otp_len = 6
`)
  const process = context.startProgram({ name: 'otpgateway', program: [path], core: 'server', cwd })
  const url = `http://127.0.0.1:${port}`
  await Promise.race([untilListening(url), process.ended])
  return { url, process }
}

async function untilListening (url: string): Promise<void> {
  for (const deadline = performance.now() + 10_000; performance.now() < deadline; await delay(20)) {
    const isListening = await request(url).then(async ({ body }) => {
      await body.dump()
      return true
    }, () => false)
    if (isListening) return
  }
  throw new Error('otpgateway does not listen')
}
