import { apiKey, type Recorded } from './api.ts'
import { byId, button, create, show } from './dom.ts'

const languages = ['curl', 'JavaScript', 'Python'] as const
type Language = typeof languages[number]

const maxRecorded = 20

const pretty = (json: string): string => {
  try {
    return JSON.stringify(JSON.parse(json), null, 2)
  } catch {
    return json
  }
}
const indent = (text: string, spaces: number): string => text.replaceAll('\n', `\n${' '.repeat(spaces)}`)
/** A text in single quotes for a POSIX shell. */
const quote = (text: string): string => `'${text.replaceAll('\'', '\'\\\'\'')}'`
/** JSON as Python writes it. */
const toPython = (json: string): string =>
  pretty(json).replace(/^(\s*(?:"(?:[^"\\]|\\.)*": )?)(true|false|null)\b/gm, (_, before: string, word: string) =>
    `${before}${word === 'null' ? 'None' : word.charAt(0).toUpperCase() + word.slice(1)}`)

/** The request in a language. */
export function writeCode (language: Language, { method, url, credential, body }: Recorded): string {
  switch (language) {
    case 'curl': return [
      `curl -s -X ${method} ${quote(url)}`,
      ...credential === null ? [] : [`-H ${quote(`authorization: ${credential}`)}`],
      ...body === null ? [] : ['-H \'content-type: application/json\'', `-d ${quote(body)}`],
    ].join(' \\\n  ')
    case 'JavaScript': return [
      `const response = await fetch('${url}', {`,
      `  method: '${method}',`,
      '  headers: {',
      ...credential === null ? [] : [`    authorization: '${credential}',`],
      ...body === null ? [] : ['    \'content-type\': \'application/json\','],
      '  },',
      ...body === null ? [] : [`  body: JSON.stringify(${indent(pretty(body), 2)}),`],
      '})',
      'console.log(response.status, await response.text())',
    ].join('\n')
    case 'Python': return [
      'import requests',
      '',
      `response = requests.request(`,
      `    '${method}', '${url}',`,
      ...credential === null ? [] : [`    headers={'authorization': '${credential}'},`],
      ...body === null ? [] : [`    json=${indent(toPython(body), 4)},`],
      ')',
      'print(response.status_code, response.text)',
    ].join('\n')
  }
}

function titleOf ({ url, method, credential }: Recorded): string {
  const path = new URL(url).pathname.replace(/ver_[^/]+/, '…')
  const who = credential === null ? 'the phone' : credential.endsWith(apiKey) ? 'your server' : 'your front end'
  return `${method} ${path} (${who})`
}

/** The panel with the latest requests. Returns what adds one. */
export function createCodePanel (): (recorded: Recorded) => void {
  let recorded: Recorded[] = []
  let chosen = 0
  let language: Language = 'curl'
  const panel = byId('code')

  function draw (): void {
    const one = recorded[chosen]
    if (one === undefined) {
      show(
        panel,
        create('p', { class: 'quiet' }, 'Each request of this page appears here as curl, JavaScript and Python.'),
      )
      return
    }
    const text = writeCode(language, one)
    const requests = create('select', {
      'data-key': 'requests', 'aria-label': 'Request', change: event => {
        chosen = Number((event.target as HTMLSelectElement).value)
        draw()
      },
    }, ...recorded.map((entry, index) =>
      create('option', { value: index, selected: index === chosen }, `${titleOf(entry)}: ${entry.status}`)))
    const tabs = create('fieldset', { class: 'tabs' }, create('legend', { class: 'visually-hidden' }, 'Language'),
      ...languages.map(name => create('label', {},
        create('input', {
          type: 'radio', name: 'language', value: name, checked: name === language, 'data-key': name, change: () => {
            language = name
            draw()
          },
        }), create('span', {}, name))))
    show(panel,
      create('div', { class: 'code-bar' }, requests, tabs, button('Copy', () => void copy(text), { class: 'small' })),
      create('pre', { tabindex: '0', 'aria-label': `The request in ${language}` }, text),
      create('details', {}, create('summary', { 'data-key': 'answer' }, `The answer: ${one.status}`),
        create('pre', { tabindex: '0' }, one.answer === '' ? '(empty)' : pretty(one.answer))))
  }

  async function copy (text: string): Promise<void> {
    await navigator.clipboard.writeText(text).catch(() => {})
    const copied = panel.querySelector('[data-key="Copy"]')
    if (copied !== null) copied.textContent = 'Copied'
  }

  draw()
  return one => {
    recorded = [one, ...recorded].slice(0, maxRecorded)
    chosen = 0
    draw()
  }
}
