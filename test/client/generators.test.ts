import { existsSync } from 'node:fs'
import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { verifications } from '../../src/api/openapi/verification-examples.ts'
import { codeFor, numberEnding } from '../e2e/end-user.ts'
import { keys, startGateway } from '../helpers/gateway.ts'
import { run } from '../helpers/run.ts'

/** Where generators that are no dependencies are installed; docs/testing.md says how. */
const folderOfGenerators = process.env['GENERATORS_DIR'] ?? ''
const skipWithout = (path: string): string | false =>
  folderOfGenerators !== '' && existsSync(join(folderOfGenerators, path))
    ? false
    : `GENERATORS_DIR names no folder with ${path}`

const root = join(import.meta.dirname, '../..')
const document = join(root, 'openapi/openapi.json')

/** What each generated client prints: a code that is refused, one that is correct, and the words of a later version. */
const expected = [
  'pending submitCode 6', 'code_incorrect 4', 'verified True otpless.otp', 'a_word_of_tomorrow anActionOfTomorrow',
]

/** A verification of a later version: unknown words, an unknown action, an unknown member. */
const later = JSON.stringify({
  ...verifications.submitCode.value, reason: 'a_word_of_tomorrow',
  nextAction: { type: 'anActionOfTomorrow', expiresAt: '2026-03-01T12:05:00.000Z' }, unknown: { member: 1 },
})

const { url } = await startGateway(t)

/** Runs a program with a generated client, and expects the lines above. */
async function expectLifecycle (t: Test, command: string, args: string[], cwd: string): Promise<void> {
  const phoneNumber = numberEnding('02')
  const { stdout } = await run(command, args, {
    cwd, env: {
      ...process.env, GATEWAY: url, API_KEY: keys.shop, PHONE_NUMBER: phoneNumber, CODE: codeFor(phoneNumber),
      LATER: later,
    },
  })
  t.same(stdout.trim().split('\n'), expected)
}

async function emptyFolder (t: Test): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'verigate-generated-'))
  t.teardown(() => rm(folder, { recursive: true }))
  await writeFile(join(folder, 'package.json'), '{ "type": "module", "private": true }')
  return folder
}

const checkTypes = async (t: Test, cwd: string, ...options: string[]): Promise<void> => {
  const { stdout } = await run(process.execPath, [
    join(root, 'node_modules/.bin/tsc'), '--ignoreConfig', '--noEmit', '--strict', '--skipLibCheck', '--types', 'node',
    '--typeRoots', join(root, 'node_modules/@types'), '--target', 'esnext', '--lib', 'esnext,dom,dom.iterable',
    ...options, 'app.ts',
  ], { cwd }).catch(({ stdout }: { stdout: string }) => ({ stdout }))
  t.equal(stdout, '', 'types')
}

const show = `
const show = (...words: unknown[]) => console.log(words.map(word => word === true ? 'True' : word).join(' '))
const { GATEWAY = '', API_KEY = '', PHONE_NUMBER = '', CODE = '', LATER = '' } = process.env
`

t.test('openapi-typescript, with openapi-fetch', async t => {
  const folder = await emptyFolder(t)
  const cli = join(root, 'packages/client/node_modules/openapi-typescript/bin/cli.js')
  await run(process.execPath, [cli, document, '--output', 'schema.ts'], { cwd: folder })
  await symlink(join(root, 'node_modules'), join(folder, 'node_modules'))
  await writeFile(join(folder, 'app.ts'), `
    import createClient from 'openapi-fetch'
    import type { components, paths } from './schema.ts'
    ${show}
    const api = createClient<paths>({ baseUrl: GATEWAY, headers: { authorization: 'Bearer ' + API_KEY } })
    const { data: created } = await api.POST('/verifications', {
      body: { phoneNumber: PHONE_NUMBER, workflow: ['otpless.otp'] },
    })
    if (created?.nextAction?.type !== 'submitCode') throw new Error('no code')
    show(created.status, created.nextAction.type, created.nextAction.length)
    const params = { path: { id: created.id } }
    const { error } = await api.POST('/verifications/{id}/check', { params, body: { code: '000001' } })
    show(error?.code, error?.attemptsRemaining)
    const end = async () => {
      for (let revision = 0; ;) {
        const query = { wait: 20, revision }
        const { data } = await api.GET('/verifications/{id}', { params: { ...params, query } })
        if (data?.status !== 'pending') return data
        revision = data.revision
      }
    }
    const waiting = end()
    await api.POST('/verifications/{id}/check', { params, body: { code: CODE } })
    const ended = await waiting
    show(ended?.status, ended?.verified, ended?.result?.method)
    const later: components['schemas']['Verification'] = JSON.parse(LATER)
    show(later.reason, later.nextAction?.type)
  `)
  await checkTypes(t, folder, '--module', 'nodenext', '--allowImportingTsExtensions')
  await expectLifecycle(t, process.execPath, ['app.ts'], folder)
})

t.test('@hey-api/openapi-ts', { skip: skipWithout('node_modules/@hey-api/openapi-ts') }, async t => {
  const folder = await emptyFolder(t)
  const cli = join(folderOfGenerators, 'node_modules/@hey-api/openapi-ts/bin/run.js')
  await run(process.execPath, [cli, '--input', document, '--output', 'generated', '--no-log-file'], { cwd: folder })
  await writeFile(join(folder, 'app.ts'), `
    import { checkVerification, createVerification, getVerification, type Verification } from './generated'
    import { client } from './generated/client.gen'
    ${show}
    client.setConfig({ baseUrl: GATEWAY, auth: API_KEY })
    const { data: created } = await createVerification({
      body: { phoneNumber: PHONE_NUMBER, workflow: ['otpless.otp'] },
    })
    if (created?.nextAction?.type !== 'submitCode') throw new Error('no code')
    show(created.status, created.nextAction.type, created.nextAction.length)
    const path = { id: created.id }
    const { error } = await checkVerification({ path, body: { code: '000001' } })
    show(error?.code, error?.attemptsRemaining)
    const end = async () => {
      for (let revision = 0; ;) {
        const { data } = await getVerification({ path, query: { wait: 20, revision } })
        if (data?.status !== 'pending') return data
        revision = data.revision
      }
    }
    const waiting = end()
    await checkVerification({ path, body: { code: CODE } })
    const ended = await waiting
    show(ended?.status, ended?.verified, ended?.result?.method)
    const later: Verification = JSON.parse(LATER)
    show(later.reason, later.nextAction?.type)
  `)
  await checkTypes(t, folder, '--module', 'esnext', '--moduleResolution', 'bundler')
  // The generated files import each other without extensions, as bundlers permit.
  const { build } = await import('esbuild')
  await build({
    entryPoints: [join(folder, 'app.ts')], outfile: join(folder, 'app.mjs'), bundle: true, format: 'esm',
    platform: 'node',
  })
  await expectLifecycle(t, process.execPath, ['app.mjs'], folder)
})

t.test('openapi-python-client', { skip: skipWithout('venv/bin/openapi-python-client') }, async t => {
  const folder = await emptyFolder(t)
  const bin = join(folderOfGenerators, 'venv/bin')
  const { stdout, stderr } = await run(join(bin, 'openapi-python-client'), [
    'generate', '--path', document, '--output-path', 'verigate', '--meta', 'none', '--fail-on-warning',
  ], { cwd: folder, env: { ...process.env, PATH: `${bin}:${process.env['PATH']}` } })
  t.notMatch(stdout + stderr, /warning/i)
  await writeFile(join(folder, 'app.py'), `
import json
import os
from concurrent.futures import ThreadPoolExecutor

from verigate import AuthenticatedClient
from verigate.api.verifications import check_verification, create_verification, get_verification
from verigate.models import CodeEvidence, CreateVerification, Problem, SubmitCodeAction
from verigate.models import Verification, VerificationStatus

client = AuthenticatedClient(base_url=os.environ['GATEWAY'], token=os.environ['API_KEY'], timeout=30)
created = create_verification.sync(
    client=client, body=CreateVerification(phone_number=os.environ['PHONE_NUMBER'], workflow=['otpless.otp']),
)
assert isinstance(created.next_action, SubmitCodeAction)
print(created.status.value, created.next_action.type_, created.next_action.length)
problem = check_verification.sync(created.id, client=client, body=CodeEvidence(code='000001'))
assert isinstance(problem, Problem)
print(problem.code.value, problem.attempts_remaining)


def end():
    revision = 0
    while True:
        verification = get_verification.sync(created.id, client=client, wait=20, revision=revision)
        if verification.status != VerificationStatus.PENDING:
            return verification
        revision = verification.revision


with ThreadPoolExecutor() as pool:
    waiting = pool.submit(end)
    check_verification.sync(created.id, client=client, body=CodeEvidence(code=os.environ['CODE']))
    ended = waiting.result()
print(ended.status.value, ended.verified, ended.result.method)
later = Verification.from_dict(json.loads(os.environ['LATER']))
print(later.reason, later.next_action['type'])
`)
  await expectLifecycle(t, join(bin, 'python'), ['app.py'], folder)
})
