import { readFileSync } from 'node:fs'
import { registerHooks, stripTypeScriptTypes } from 'node:module'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parse, type Function, type Node } from 'acorn'
import { full } from 'acorn-walk'

/**
 * Counts how often a create with `truid.phone_check` moves between files: each function of `src/` (without the
 * simulators) notes when it is entered, and a move is an entry in another file than the one before. See
 * docs/architecture.md.
 */
const root = join(import.meta.dirname, '../src')
const entered: string[] = []
let isRecording = false
Object.assign(globalThis, {
  enterFunction: (file: string) => {
    if (isRecording) entered.push(file)
  },
})

const isFunction = (node: Node): node is Function & { body: Node } => /Function/.test(node.type)

/** The source with a call at the start of each function. */
function instrument (source: string, file: string): string {
  const call = `enterFunction(${JSON.stringify(file)})`
  const edits: { at: number, text: string }[] = []
  full(parse(source, { ecmaVersion: 'latest', sourceType: 'module' }), node => {
    if (!isFunction(node)) return
    if (node.body.type === 'BlockStatement') return void edits.push({ at: node.body.start + 1, text: `${call};` })
    edits.push(
      { at: source.lastIndexOf('=>', node.body.start) + 2, text: ` (${call}, (` }, { at: node.end, text: '))' },
    )
  })
  return edits.sort((a, b) => b.at - a.at).reduce(
    (text, edit) => text.slice(0, edit.at) + edit.text + text.slice(edit.at), source,
  )
}

registerHooks({
  load (url, context, next) {
    const path = url.startsWith('file:') ? fileURLToPath(url) : ''
    const file = relative(root, path)
    if (file.startsWith('..') || !file.endsWith('.ts') || file.startsWith('sandbox')) return next(url, context)
    return {
      format: 'module', source: instrument(stripTypeScriptTypes(readFileSync(path, 'utf8')), file), shortCircuit: true,
    }
  },
})

const { startGateway } = await import('../test/helpers/gateway.ts')
const teardowns: (() => unknown)[] = []
const { shop } = await startGateway({ teardown: run => teardowns.unshift(run) })
const create = (ending: string) => shop.create({ phoneNumber: `+141555501${ending}`, workflow: ['truid.phone_check'] })
// The first creates fetch the provider's token and open connections.
for (const ending of ['00', '02', '04']) await create(ending)
isRecording = true
const { status } = await create('10')
isRecording = false
const moves = entered.filter((file, index) => file !== entered[index - 1])
const counts = [
  `${entered.length} function calls`, `${new Set(moves).size} files`, `${moves.length} moves between files`,
]
console.log(`create: ${status}, ${counts.join(', ')}`)
if (process.argv.includes('--list')) console.log(moves.join('\n'))
for (const run of teardowns) await run()
