import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { formatNumber, type FigureName } from './figures.ts'
import { renderMarkdown, type Results } from './report.ts'

const root = join(import.meta.dirname, '..')

/** The results without their samples. */
export type Published = Omit<Results, 'samples'>

export const publishedPath = join(import.meta.dirname, 'results', 'latest.json')

/** The documents that contain figures, and the text between their marks. */
export const documents: Record<string, (results: Published) => string> = {
  'README.md': renderFigures,
  'bench/README.md': renderMarkdown,
  'docs/operations.md': renderSizes,
}

const marked = /(?<=<!-- bench -->\n).*?(?=<!-- \/bench -->)/s

/** The text between the marks of a document. Throws when there are none. */
export function readBlock (markdown: string): string {
  const found = marked.exec(markdown)?.[0]
  if (found === undefined) throw new Error('no <!-- bench --> marks')
  return found.trimEnd()
}

/** Writes the figures into `latest.json` and the documents. Throws when the run lacks one of them. */
export async function publish ({ samples: _samples, ...results }: Results): Promise<void> {
  const rendered = Object.entries(documents).map(([path, render]) => [path, render(results)] as const)
  for (const [path, text] of rendered) {
    const markdown = await readFile(join(root, path), 'utf8')
    readBlock(markdown)
    await writeFile(join(root, path), markdown.replace(marked, () => `${text}\n`))
  }
  await writeFile(publishedPath, `${JSON.stringify(results, null, 1)}\n`)
}

function read ({ figures }: Published): (name: FigureName) => number {
  return name => {
    const value = figures[name]
    if (value === undefined) throw new Error(`the run has no ${name}`)
    return value
  }
}

const ms = (micros: number): string => `${formatNumber(micros / 1000)} ms`

/** The five lines of README.md. */
function renderFigures (results: Published): string {
  const of = read(results)
  const ratio = (goal: string): string => {
    const finding = results.findings.find(finding => finding.goal === goal)
    if (finding === undefined) throw new Error(`the run has no ${goal}`)
    return formatNumber(finding.median)
  }
  return [
    `- To send a code and check it takes ${ms(of('codeMicros'))} of CPU: ${ratio('N5')} × otpgateway (Go), `
      + `${ratio('N6')} × better-auth (Node.js).`,
    `- With 50 of these verifications in flight, 99 % take less than ${formatNumber(of('codeP99Ms'))} ms.`,
    `- A start takes ${formatNumber(of('startCpuMs'))} ms of CPU; an idle process has ${
      formatNumber(of('idleMb'))} MB of memory.`,
    `- A live verification needs ${formatNumber(of('liveBytes'))} bytes of Redis memory.`,
    `- With ${of('manyLive').toLocaleString('en')} live verifications, a request takes ${
      ratio('N12')} × as long as with 1,000.`,
  ].join('\n')
}

/** The tables of docs/operations.md. */
function renderSizes (results: Published): string {
  const of = read(results)
  const kb = (bytes: number): string => `${formatNumber(bytes / 1000)} KB`
  const mb = (name: FigureName): string => `${Math.round(of(name))} MB`
  const lifecycles = Math.round(1e6 / of('lifecycleMicros') / 10) * 10
  return [
    `Measured ${results.madeAt.slice(0, 10)} with Node.js ${results.machine.node} and Redis ${results.machine.redis}: `
      + `${results.machine.cpu}, one core for the process.`,
    '',
    '| CPU | process | Redis |',
    '|---|---|---|',
    `| a create that calls no provider | ${ms(of('createMicros'))} | ${ms(of('createRedisMicros'))} |`,
    `| a create with its call to the provider | ${ms(of('callMicros'))} | ${ms(of('callRedisMicros'))} |`,
    `| one GET | ${ms(of('readMicros'))} | ${ms(of('readRedisMicros'))} |`,
    `| a whole lifecycle: create, call, callback, profile, webhook, GET | ${ms(of('lifecycleMicros'))} | ${
      ms(of('lifecycleRedisMicros'))} |`,
    `| idle, per second | ${formatNumber(of('idleMsPerSecond'))} ms | ${
      formatNumber(of('idleRedisMsPerSecond'))} ms |`,
    '',
    `One core serves about ${lifecycles} lifecycles a second: plan for half of that. A lifecycle needs about ${
      Math.round(of('lifecycleCommands'))} commands inside Redis.`,
    '',
    '| memory | |',
    '|---|---|',
    `| a process after its start | ${mb('idleMb')} |`,
    `| the same under load | ${mb('loadedMb')} |`,
    `| the same with 2,000 requests in flight | ${mb('crowdMb')} |`,
    `| Redis: a live verification | ${kb(of('liveBytes'))} |`,
    `| Redis: a final one with its delivered webhook | ${kb(of('finalBytes'))} |`,
    `| append-only file: a whole lifecycle, until the file is rewritten | ${kb(of('appendOnlyBytes'))} |`,
    '',
    `A million verifications a day with a day of retention need about ${formatNumber(of('finalBytes') / 1000)} GB.`,
  ].join('\n')
}
