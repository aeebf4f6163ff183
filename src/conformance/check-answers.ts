import { gzipSync } from 'node:zlib'
import { setTimeout } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import { reasons } from '../core/reasons.ts'
import type { Ending } from './attempt.ts'
import { expectAlways, summaryOf } from './check-evidence.ts'
import type { Kit, Phase } from './kit.ts'
import type { Expect } from './runner.ts'
import { readsAlike } from './tolerance.ts'
import { bytesOf, type Answer } from './vendor.ts'

type Given = Exclude<Answer, 'hang'>

/** The same answer, as other servers and proxies send it. */
const transports: [name: string, send: (given: Given) => Given][] = [
  ['as text/html', given => ({ ...given, headers: { ...given.headers, 'content-type': 'text/html' } })],
  ['compressed', given => ({
    ...given, body: gzipSync(bytesOf(given.body)), headers: { ...given.headers, 'content-encoding': 'gzip' },
  })],
  ['with a byte order mark', given => ({ ...given, body: `\ufeff${bytesOf(given.body)}` })],
]

export async function checkWritings (kit: Kit, expect: Expect): Promise<void> {
  const { promised, vendor, normally, run, open } = kit
  const good = { evidence: promised.good.evidence, repeated: false, vendor: undefined }
  const scenes = [
    { name: 'start', phase: 'start' as Phase, ...good }, { name: 'good', phase: 'resolve' as Phase, ...good },
    ...promised.bad.map(bad => ({ ...good, ...bad, phase: 'resolve' as Phase })),
  ]
  for (const { name, phase, evidence, repeated, vendor: special } of scenes) {
    const answers: Given[] = []
    /** The ending when one of the answers is another one. */
    const endsWith = async (at: number, other: Answer): Promise<Partial<Ending>> => {
      answers.length = 0
      vendor.answer = call => {
        const given = special?.(call) ?? normally(call)
        if (given !== 'hang') answers.push(given)
        return answers.length - 1 === at ? other : given
      }
      return summaryOf(await run(phase, { evidence, repeated, by: open() }))
    }
    const said = await endsWith(-1, 'hang')
    for (const [at, given] of [...answers.entries()]) {
      const label = `the answer ${at} of ${name}`
      await readsAlike(expect, label, given.body, body => endsWith(at, { ...given, body }),
        special === undefined ? kindOf : undefined)
      if (special !== undefined) continue
      for (const [writing, send] of transports) {
        expect.same(await endsWith(at, send(given)), said, `Must be read alike: ${label}, ${writing}.`)
      }
    }
  }
}

/** Null: the provider is asked again, or is at fault, or the evidence proves nothing. */
function kindOf (ending: unknown): string | null {
  const { verdict, reason, started }: { verdict?: unknown, reason?: unknown, started?: unknown } = Object(ending)
  if (started !== undefined) return 'started'
  const saysNothing = verdict === undefined || verdict === 'pending' || reason === 'evidence_invalid'
  return saysNothing ? null : [verdict, reason].join(' ')
}

const deep = `${'['.repeat(50_000)}${']'.repeat(50_000)}`

export async function checkOtherAnswers ({ vendor, run, open, talks }: Kit, expect: Expect): Promise<void> {
  const bodies = fc.oneof(
    fc.jsonValue(), fc.constantFrom('', '<html></html>', deep, '{"status":', `"${'x'.repeat(300_000)}"`),
  )
  const phases = fc.constantFrom<Phase>('start', 'resolve')
  await expectAlways(
    expect, 'An answer of any other form must prove nothing, start nothing, and throw nothing but a ProviderError.',
    fc.tuple(bodies, phases), async ([body, phase]) => {
      vendor.answer = () => ({ body })
      const ending = await run(phase, { by: open() })
      return !talks[phase] || 'failed' in ending || ('verdict' in ending && ending.verdict !== 'proven')
    }, { runs: 60, examples: [['', 'start'], ['', 'resolve'], ['null', 'start'], ['null', 'resolve']] },
  )
}

type Broken = { statuses: number[], wanted: unknown, found: unknown }

/** Puts statuses with the same ending together. */
function add (broken: Broken[], status: number, ending: Omit<Broken, 'statuses'>): void {
  const same = broken.find(({ statuses: _, ...other }) => isDeepStrictEqual(other, ending))
  if (same === undefined) broken.push({ statuses: [status], ...ending })
  else same.statuses.push(status)
}

const badResponse = { failed: 'provider_bad_response', retryable: false }
const elsewhere = '/elsewhere'

export async function checkStatuses (kit: Kit, expect: Expect): Promise<void> {
  const { promised, vendor, normally, run, open, started, talks } = kit
  expect.same(
    new Set(promised.refusals.map(({ phase }) => phase)),
    new Set((['start', 'resolve'] as const).filter(phase => talks[phase])),
    '`refusals` must have an entry for each of `start` and `resolve` that sends a request, and for no other.',
  )
  for (const { call: isSwept, phase, ends, state: known = started.state } of promised.refusals) {
    const broken: Broken[] = []
    for (let status = 100; status < 600; status++) {
      const headers = status >= 300 && status < 400 ? { location: elsewhere } : {}
      vendor.answer = call => isSwept(call) ? { status, headers } : normally(call)
      const refusal = status >= 400 && status < 500 ? ends(status) : null
      const wanted = status === 429
        ? { failed: 'rate_limited_by_provider', retryable: true }
        : status >= 500 ? { failed: 'provider_error', retryable: true } : refusal ?? badResponse
      const found = await run(phase, { by: open(), known })
      if (!isDeepStrictEqual({ ...found, ...wanted }, found)) add(broken, status, { wanted, found })
    }
    expect.same(broken, [], `Every HTTP status with {} as body must have its meaning: ${phase}.`)
    expect.holds(
      vendor.calls.every(({ path }) => path !== elsewhere), `A redirect must not be followed: ${phase}.`,
    )
  }
}

/** A call that takes longer hangs. */
const maxWaitMs = 5_000
const encoded = { 'content-encoding': 'gzip' }
const padding = ' '.repeat(400_000)
/** Damaged forms of the vendor's normal answer. */
const damages: [name: string, damage: (given: Given) => Answer][] = [
  ['cut off', given => ({ ...given, isCut: true })],
  ['empty', given => ({ ...given, body: '' })],
  ['longer than 256 KiB', given => ({ ...given, body: `${bytesOf(given.body)}${padding}` })],
  ['gzip that unpacks to more than 256 KiB', given =>
    ({ ...given, body: gzipSync(`${bytesOf(given.body)}${padding}`), headers: { ...given.headers, ...encoded } })],
  ['gzip that is not gzip', given => ({ ...given, headers: { ...given.headers, ...encoded } })],
  ['gzip that is cut off', given =>
    ({ ...given, body: gzipSync(bytesOf(given.body)).subarray(0, -9), headers: { ...given.headers, ...encoded } })],
  ['no answer', () => 'hang'],
]

export async function checkDamages (kit: Kit, expect: Expect): Promise<void> {
  const { promised, vendor, normally, run, open, openIo, started } = kit
  for (const { call: isSwept, phase, state: known = started.state } of promised.refusals) {
    for (const [name, damage] of damages) {
      vendor.answer = call => {
        const given = normally(call)
        return isSwept(call) && given !== 'hang' ? damage(given) : given
      }
      const isHang = name === 'no answer'
      const working = run(phase, { by: open(openIo(isHang ? { timeoutMs: 100 } : {})), known })
      const ending = await Promise.race([working, setTimeout(maxWaitMs, null, { ref: false })])
      if (ending === null) expect.fail(`\`io.openHttp\` must send the request, and end it: ${phase}, ${name}.`)
      const rule = `A damaged answer must be the provider's fault, a ProviderError: ${phase}, ${name}.`
      if (isHang) expect.same(ending, { failed: 'provider_timeout', retryable: true }, rule)
      const reason = ending !== null && 'failed' in ending ? ending.failed : ''
      expect.holds(Object.entries(reasons).some(([name, { isProviderFault }]) =>
        name === reason && isProviderFault), rule, ending)
    }
  }
}
