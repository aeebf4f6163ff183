import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { writeRequest } from '../connection.ts'
import type { Case, CaseContext } from '../case-context.ts'
import { medianOf, meanOf, noiseOf, pick, ratioOf, type Copies } from '../measure.ts'
import { findOtpgateway, installOtpgateway, otpgatewayAuth, startOtpgateway } from '../peers/otpgateway.ts'
import { startPostgres, type RunningPostgres } from '../peers/postgres.ts'
import { runCodeFlows, startSink, type CodeFlow, type Sink } from '../peers/sink.ts'
import type { Measured } from '../processes.ts'
import type { RedisMeter } from '../redis.ts'
import { check, newCreate, newNumber } from '../requests.ts'
import { formatMicros } from './floor.ts'

const counts = {
  whole: { count: 2_500, warmup: 8_000 }, quick: { count: 600, warmup: 1_000 }, smoke: { count: 60, warmup: 60 },
}
const maxWarmupMs = 25_000
const inFlight = 50
const folder = join(import.meta.dirname, '..', 'peers')

/** `database`: what else it needs, besides Redis. */
type Competitor = CodeFlow & { name: string, process: Measured, database?: Measured }
type PeerSample = {
  cpuMicros: number, redisMicros: number, databaseMicros: number, p50Ms: number, p99Ms: number, ratePerSecond: number
}

/** The same job for Verigate (two copies), otpgateway and better-auth: send a code, deliver it to a sink, check it. */
export const peers: Case = {
  name: 'peers',
  goals: ['N5', 'N6', 'N7'],
  async run (context) {
    const { options, redis } = context
    const sink = await startSink()
    const postgres = await startPostgres(context)
    let betterAuth: Competitor | null = null
    try {
      const otpgateway = await openOtpgateway(context, sink)
      betterAuth = await openBetterAuth(context, sink, postgres)
      const first = await openVerigate(context, sink)
      const second = await openVerigate(context, sink)
      const all = [first, second, otpgateway, betterAuth].filter(competitor => competitor !== null)
      const { count, warmup } = counts[options.name]
      for (const one of all) await runCodeFlows(one, sink, { count: warmup, inFlight, maxMs: maxWarmupMs })
      const samples = new Map<Competitor, PeerSample[]>(all.map(one => [one, []]))
      for (let round = 0; round < options.rounds; round += 1) {
        for (const [one, rounds] of samples) {
          await redis.flush()
          rounds.push(await measureCodes(one, sink, redis, { count, inFlight, maxMs: 10_000 }))
        }
      }
      const of = (one: Competitor, key: keyof PeerSample): number[] => pick(samples.get(one) ?? [], key)
      for (const [one, rounds] of samples) context.record(one === second ? 'Verigate again' : one.name, rounds)
      const copies = (key: keyof PeerSample): Copies => ({ first: of(first, key), second: of(second, key) })
      const cpu = copies('cpuMicros')
      const ours = meanOf(cpu)
      context.addFigure('codeMicros', medianOf(ours))
      context.addFigure('codeP99Ms', medianOf(meanOf(copies('p99Ms'))))
      for (const [peer, goal, micros, p99] of [
        [otpgateway, 'N5', 'otpgatewayMicros', 'otpgatewayP99Ms'],
        [betterAuth, 'N6', 'betterAuthMicros', 'betterAuthP99Ms'],
      ] as const) {
        if (peer === null) continue
        const theirs = of(peer, 'cpuMicros')
        const beside = (one: Competitor): string => `Redis ${formatMicros(of(one, 'redisMicros'))}`
          + (one.database === undefined ? '' : `, ${one.database.name} ${formatMicros(of(one, 'databaseMicros'))}`)
        context.addFinding(goal, ratioOf(ours, theirs), {
          note: `${formatMicros(ours)} ÷ ${formatMicros(theirs)}; besides: ${beside(first)} and ${beside(peer)}`,
          noise: noiseOf(cpu),
        })
        context.addFigure(micros, medianOf(theirs))
        context.addFigure(p99, medianOf(of(peer, 'p99Ms')))
      }
      if (otpgateway === null) return
      const [p99, theirs] = [copies('p99Ms'), of(otpgateway, 'p99Ms')]
      const note = `${medianOf(meanOf(p99)).toFixed(1)} ms ÷ ${medianOf(theirs).toFixed(1)} ms`
      context.addFinding('N7', ratioOf(meanOf(p99), theirs), { note, noise: noiseOf(p99) })
    } finally {
      await sink.close()
      // PostgreSQL stops once its last client has disconnected.
      await betterAuth?.process.stop()
      await postgres?.remove()
    }
  },
}

async function measureCodes (
  one: Competitor, sink: Sink, redis: RedisMeter, options: Parameters<typeof runCodeFlows>[2],
): Promise<PeerSample> {
  const usages = () => Promise.all([redis.usage(), one.process.usage(), one.database?.usage()])
  const [redisBefore, before, databaseBefore] = await usages()
  const startedAt = performance.now()
  const latencies = (await runCodeFlows(one, sink, options)).sort((a, b) => a - b)
  const durationMs = performance.now() - startedAt
  const [redisAfter, after, databaseAfter] = await usages()
  return {
    cpuMicros: (after.cpuMicros - before.cpuMicros) / latencies.length,
    redisMicros: (redisAfter.cpuMicros - redisBefore.cpuMicros) / latencies.length,
    databaseMicros: ((databaseAfter?.cpuMicros ?? 0) - (databaseBefore?.cpuMicros ?? 0)) / latencies.length,
    p50Ms: latencies[Math.floor(latencies.length * 0.5)] ?? NaN,
    p99Ms: latencies[Math.floor(latencies.length * 0.99)] ?? NaN,
    ratePerSecond: latencies.length / durationMs * 1000,
  }
}

/** A declared provider that delivers the codes of the gateway to the sink. */
async function openVerigate (context: CaseContext, sink: Sink): Promise<Competitor> {
  const request = { url: `${sink.url}/code`, body: { phoneNumber: '{phoneNumber}', code: '{code}' } }
  const entry = { name: 'sink', channel: 'sms', request, accepted: { status: [200] } }
  const providersFile = join(context.dir, 'providers.json')
  await writeFile(providersFile, JSON.stringify([entry]))
  const { url, process } = await context.startGateway({
    providerUrl: sink.url, role: 'all', environment: { PROVIDERS_FILE: providersFile },
  })
  return {
    name: 'Verigate', url, process,
    start: () => newCreate('sink.sms'),
    check: (_number, code, started) => check(/"id":"(ver_[^"]+)"/.exec(started)?.[1] ?? '', code),
    isVerified: body => body.includes('"status":"verified"'),
  }
}

async function openOtpgateway (context: CaseContext, sink: Sink): Promise<Competitor | null> {
  if (context.options.install) await installOtpgateway().catch(({ message }: Error) => context.say(`  ${message}`))
  const path = await findOtpgateway()
  if (path === null) {
    context.say('  otpgateway was not run: it is not on the PATH (`--install` builds it, if Go is there)')
    return null
  }
  const { url, process } = await startOtpgateway(context, path, sink.url)
  const headers = `authorization: Basic ${otpgatewayAuth}\r\n`
  const type = 'application/x-www-form-urlencoded'
  const idOf = (phoneNumber: string): string => `id-${phoneNumber.slice(1)}`
  return {
    name: 'otpgateway', url, process,
    start () {
      const phoneNumber = newNumber()
      const body = `provider=sink&to=${encodeURIComponent(phoneNumber)}`
      return { phoneNumber, request: writeRequest('PUT', `/api/otp/${idOf(phoneNumber)}`, { headers, type, body }) }
    },
    check: (phoneNumber, code) =>
      writeRequest('POST', `/api/otp/${idOf(phoneNumber)}`, { headers, type, body: `otp=${code}` }),
    isVerified: body => body.includes('"status":"success"'),
  }
}

async function openBetterAuth (
  context: CaseContext, sink: Sink, postgres: RunningPostgres | null,
): Promise<Competitor | null> {
  if (context.options.install) await promisify(execFile)('npm', ['ci', '--no-audit', '--no-fund'], { cwd: folder })
  if (!existsSync(join(folder, 'node_modules', 'better-auth'))) {
    context.say('  better-auth was not run: it is not installed (`--install` does it)')
    return null
  }
  if (postgres === null) context.say('  better-auth has its users in SQLite: PostgreSQL is not installed')
  const { url, process } = await context.start({
    name: 'better-auth', script: join(folder, 'better-auth.js'), core: 'server',
    env: {
      REDIS_URL: context.redis.url, SINK_URL: sink.url, NODE_NO_WARNINGS: '1',
      ...postgres === null ? {} : { POSTGRES_URL: postgres.url },
    },
  })
  const post = (path: string, body: object): string =>
    writeRequest('POST', `/api/auth/phone-number/${path}`, { body: JSON.stringify(body) })
  return {
    name: 'better-auth', url, process, ...postgres === null ? {} : { database: postgres.process },
    start () {
      const phoneNumber = newNumber()
      return { phoneNumber, request: post('send-otp', { phoneNumber }) }
    },
    check: (phoneNumber, code) => post('verify', { phoneNumber, code, disableSession: true }),
    isVerified: body => body.includes('"phoneNumberVerified":true'),
  }
}
