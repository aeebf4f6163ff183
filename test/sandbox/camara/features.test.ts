import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { AstBuilder, compile, GherkinClassicTokenMatcher, Parser } from '@cucumber/gherkin'
import { IdGenerator, type Pickle } from '@cucumber/messages'
import t from 'tap'
import { createCamara } from '../../../src/sandbox/camara/index.ts'
import { contractsFolder, type Exchange, openContracts, withoutContracts } from '../../helpers/contracts.ts'
import { documents } from './client.ts'
import { steps } from './steps.ts'
import { assets, openWorld, type World } from './world.ts'

/** Scenarios that a simulator cannot decide, by their tag: why. */
const undecidable: Readonly<Record<string, string>> = {}

const folder = join(contractsFolder, 'features')
const skip = withoutContracts('features', ...documents)
const files = existsSync(folder) ? readdirSync(folder).filter(name => name.endsWith('.feature')) : []

type Case = { feature: string, pickle: Pickle, tag: string }

/** Every scenario of a file, with the steps of its background. */
function read (file: string): Case[] {
  const newId = IdGenerator.incrementing()
  const text = readFileSync(join(folder, file), 'utf8')
  const document = new Parser(new AstBuilder(newId), new GherkinClassicTokenMatcher()).parse(text)
  return compile(document, file, newId).map(pickle => ({
    feature: document.feature?.name ?? '', pickle, tag: pickle.tags.map(({ name }) => name).join(' '),
  }))
}

const cases = files.flatMap(read)

async function play (world: World, { pickle }: Case): Promise<void> {
  for (const { text } of pickle.steps) {
    const matching = steps.flatMap(([pattern, act]) => {
      const match = pattern.exec(text)
      return match === null ? [] : [() => act(world, ...match.slice(1))]
    })
    const [only] = matching
    if (only === undefined || matching.length > 1) throw new Error(`${matching.length} steps read: ${text}`)
    await only()
  }
}

t.test('CAMARA\'s own scenarios', { skip }, async t => {
  const contracts = await openContracts(documents)
  const problemsOf = (exchange: Exchange): string[] => {
    const operation = contracts.find(exchange.method, exchange.path.replace(/^\/[a-z-]+\/v\d+/, ''))?.operation
    return operation === undefined ? [`no operation ${exchange.path}`] : contracts.problemsOfAnswer(operation, exchange)
  }
  for (const one of cases.filter(({ tag }) => !(tag in undecidable))) {
    await t.test(`${one.tag} ${one.pickle.name}`, async t => {
      const world = await openWorld(t, one.feature, createCamara({ maxSends: assets.max_send - 1 }), problemsOf)
      await play(world, one)
      t.ok(world.checks > 0, 'something was checked')
      t.ok(world.sent !== null, 'a request was sent')
    })
  }
})

t.test('no scenario is forgotten', { skip }, async t => {
  t.equal(new Set(cases.map(({ pickle }) => pickle.id + pickle.uri)).size, cases.length)
  t.ok(cases.length >= 54, `${cases.length} scenarios`)
  const tags = cases.map(({ tag }) => tag)
  t.strictSame(Object.keys(undecidable).filter(tag => !tags.includes(tag)), [], 'the list names scenarios that exist')
})
