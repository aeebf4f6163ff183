import { readFileSync } from 'node:fs'
import t, { type Test } from 'tap'
import { keys } from '../helpers/gateway.ts'
import { readLine, type GatewayProcess } from '../helpers/process.ts'
import { offer, quantile, type Offered } from './open-loop.ts'
import { numberOf } from './oracle.ts'
import { startDeployment } from './deployment.ts'


/** An api and a worker process, and a burst of creates whose users do nothing afterwards. */
async function startBoth (t: Test) {
  const deployment = await startDeployment(t)
  const { api, worker, start, url, oracle } = deployment
  // Short, so that some of them are refused on a fast machine, too.
  const [apiProcess] = await Promise.all([start({ ...api, QUEUE_LIMIT_SECONDS: '1' }), start(worker)])
  let begun = 0
  let sentWithinMs = NaN
  const burst = async (count: number, overMs: number): Promise<Offered[]> => {
    const from = begun
    begun += count
    const startedAt = performance.now()
    const all = await offer(`${url}/verifications`, { authorization: `Bearer ${keys.shop}` }, {
      count, overMs,
      // Asks no provider, whose time would be this process's; and does not end all at once.
      bodyOf: n => (
        {
          phoneNumber: numberOf(from + n, '92'),
          workflow: [{ method: 'truecaller.web', timeoutSeconds: 5 + n % 35 }],
        }
      ),
    })
    sentWithinMs = Math.round(Math.max(...all.map(({ sentAt }) => sentAt)) - startedAt)
    for (const { status, body } of all) {
      if (status === 201) oracle.accept(body['id'], 'expired/attempt_timeout')
    }
    return all
  }
  return { ...deployment, apiProcess, burst, oracle, sentWithinMs: () => sentWithinMs }
}

const refusalCodes = ['overloaded', 'store_unavailable', 'rate_limited']
const isRefusal = ({ status, body, retryAfter }: Offered): boolean =>
  (status === 503 || status === 429) && retryAfter !== null && refusalCodes.includes(body['code'])
const rssOf = ({ pid }: GatewayProcess): number =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024

function summarize (all: Offered[], { logs }: GatewayProcess, from: number): string {
  const accepted = all.filter(({ status }) => status === 201)
  const inside = logs.slice(from).filter(
    line => line.includes('"msg":"request"') && line.endsWith('}'),
  ).map(readLine).filter(({ status }) => status === 201).map(({ durationMs }) => Number(durationMs))
  const ms = (numbers: number[]): string =>
    `p50 ${Math.round(quantile(numbers, 0.5))} ms, p99 ${Math.round(quantile(numbers, 0.99))} ms`
  return `${accepted.length} accepted (${ms(accepted.map(one => one.ms))}; inside ${ms(inside)}), `
    + `${all.filter(isRefusal).length} refused`
}

t.test('thousands of requests within one second', async t => {
  const { burst, apiProcess, oracle, anybody, sentWithinMs } = await startBoth(t)
  const count = 10_000
  const all = await burst(count, 1_000)
  const summary = summarize(all, apiProcess, 0)
  t.comment(`${count} creates, the last of them sent after ${sentWithinMs()} ms: ${summary}`)
  t.equal(all.length, count)
  // The kernel or Node refuses a connection that the machine does not serve within ten seconds.
  const odd = all.filter(one => one.status !== 201 && !isRefusal(one)).map(
    ({ status, body }) => status === 408 ? 'unheard' : status === null ? 'no connection' : `${status} ${body['code']}`,
  )
  t.same(
    [...new Set(odd)].filter(word => !['unheard', 'no connection'].includes(word)), [],
    'each is accepted, or rejected with Retry-After',
  )
  const accepted = all.filter(({ status }) => status === 201)
  t.ok(accepted.length > 0, `${accepted.length} accepted`)
  t.equal((await anybody.call('GET', '/livez')).status, 200)
  await oracle.judge(
    `${count} creates within ${sentWithinMs()} ms, ${accepted.length} accepted, ${odd.length} not answered`,
  )
})

t.test('twice what it can carry', async t => {
  const { burst, apiProcess, oracle, shop } = await startBoth(t)
  const alone = await burst(1_500, 1_000)
  // All but the last twentieth, which the kernel may have let wait.
  const carried = Math.round(0.95 * 1_500 / quantile(alone.map(({ n, ms }) => n / 1.5 + ms), 0.95) * 1_000)
  const rss: number[] = []
  const figures: string[] = []
  for (let round = 0; round < 3; round += 1) {
    const from = apiProcess.logs.length
    figures.push(summarize(await burst(Math.round(Math.min(2 * carried, 2_000) * 1.5), 1_500), apiProcess, from))
    rss.push(rssOf(apiProcess))
  }
  const endedAt = performance.now()
  const { status } = await shop.call('GET', '/verifications?reference=none')
  const recoveredMs = performance.now() - endedAt
  t.comment(
    [
      `carries about ${carried} a second; twice that:`, ...figures,
      `RSS ${rss.map(Math.round).join(', ')} MB, the next request after it took ${Math.round(recoveredMs)} ms`,
    ].join('; '),
  )
  t.equal(status, 200)
  t.ok((rss.at(-1) ?? 0) < 1.5 * (rss[0] ?? 0) + 100, 'its memory does not go on growing')
  await oracle.judge('overload of twice the capacity, three times 1.5 s')
})
