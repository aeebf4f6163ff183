import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import Fastify from 'fastify'
import { Type } from 'typebox'
import type { Captured } from './captured.ts'
import { call, partNames, parts, repeat, small, write } from './parts.ts'

// The floor as a process. As a server it is bare Fastify, and below `/assembled` whole requests: the parts of ours in
// one process, and nothing else. A message measures one part alone, or says which parts the whole requests have.

export type PartName = keyof typeof parts | 'call' | 'commands' | 'lines'
/** `commands`, `lines`: those that one request repeats. */
export type PartRequest = { part: PartName, count: number } & Partial<Captured>
/** How often a request needs each part, besides its commands and lines. `post`, `get`: a request of bare Fastify. */
export type Recipe = Partial<Record<Exclude<PartName, 'commands' | 'lines'> | 'post' | 'get', number>>
/** A whole request. */
export type Whole = Captured & { recipe: Recipe }
type Message = PartRequest | { assembled: Record<string, Whole> }

const inFlight = 50
async function many (count: number, work: () => Promise<unknown>): Promise<void> {
  let left = count
  await Promise.all(Array.from({ length: inFlight }, async () => { while ((left -= 1) >= 0) await work() }))
}

/** `work` in batches, so that what it leaves to the event loop is done in between. */
async function loop (count: number, work: () => void): Promise<void> {
  for (let at = 0; at < count;) {
    for (const end = Math.min(count, at + inFlight); at < end; at += 1) work()
    await new Promise(resolve => setImmediate(resolve))
  }
}

function runAlone ({ part, count, commands = [], lines = [] }: PartRequest): Promise<void> {
  if (part === 'commands') return many(count, () => repeat(commands))
  if (part === 'call') return many(count, call)
  return loop(count, part === 'lines' ? () => write(lines) : parts[part])
}

/** The whole requests by their names, and their parts in order. */
const assembled = new Map<string, Whole & { plan: (() => void)[] }>()

function assemble (requests: Record<string, Whole>): void {
  for (const [name, whole] of Object.entries(requests)) {
    const plan = partNames.flatMap(part => Array<() => void>(whole.recipe[part] ?? 0).fill(parts[part]))
    assembled.set(name, { ...whole, plan })
  }
}

async function runWhole (name: string): Promise<void> {
  const whole = assembled.get(name)
  if (whole === undefined) throw new TypeError('no such request')
  for (const part of whole.plan) part()
  await repeat(whole.commands)
  for (let calls = whole.recipe.call ?? 0; calls > 0; calls -= 1) await call()
  write(whole.lines)
}

process.on('message', async (message: Message | { ask: string }) => {
  if ('assembled' in message) assemble(message.assembled)
  if (!('part' in message)) return
  const before = process.cpuUsage()
  await runAlone(message)
  const { user, system } = process.cpuUsage(before)
  process.send?.({ micros: (user + system) / message.count })
})

/** The body of a create, with the parts of a schema that cost time: a pattern, a union, a maximum length. */
const Body = Type.Object({
  phoneNumber: Type.String({ pattern: '^\\+[1-9][0-9]{5,14}$' }),
  workflow: Type.Array(
    Type.Union([Type.String({ maxLength: 64 }), Type.Object({ method: Type.String({ maxLength: 64 }) })]),
    { maxItems: 10 },
  ),
  reference: Type.String({ maxLength: 256 }),
}, { additionalProperties: false })
const Created = Type.Object({ id: Type.String(), status: Type.Literal('pending'), createdAt: Type.String() })

const server = Fastify().withTypeProvider<TypeBoxTypeProvider>()
server.post('/verifications', { schema: { body: Body, response: { 201: Created } } }, async (_request, reply) =>
  reply.code(201).send(small()))
const Params = Type.Object({ id: Type.String({ maxLength: 64 }) })
server.get('/verifications/:id', { schema: { params: Params, response: { 200: Created } } }, async () => small())
server.post('/assembled/:id', {
  schema: { params: Params, body: Body, response: { 201: Created } },
}, async ({ params }, reply) => {
  await runWhole(params.id)
  return reply.code(201).send(small())
})
server.get('/assembled/:id', { schema: { params: Params, response: { 200: Created } } }, async ({ params }) => {
  await runWhole(params.id)
  return small()
})
process.send?.({ listening: await server.listen({ port: 0, host: '127.0.0.1' }) })
