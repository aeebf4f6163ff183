import { execFile } from 'node:child_process'
import { cp, mkdir, readFile, stat } from 'node:fs/promises'
import { basename, join, resolve } from 'node:path'
import { promisify } from 'node:util'

/** What a Dockerfile says about how its last stage is run. */
export type Image = {
  /** The folder that is its root. */
  root: string
  workdir: string
  environment: Record<string, string>
  user: string
  exposed: string
  stopSignal: string
  healthcheck: string[]
  command: string[]
}

type Instruction = { name: string, words: string }

/** The instructions of a Dockerfile, each on one line, without comments. */
export function readInstructions (text: string): Instruction[] {
  const lines = text.split('\n').filter(line => !/^\s*(#|$)/.test(line)).join('\n').replace(/\\\n\s*/g, '')
  return lines.split('\n').map(line => {
    const [, name = '', words = ''] = /^(\S+)\s+(.*)$/.exec(line) ?? []
    return { name, words }
  })
}

/**
 * Builds an image without a container engine: its stages are folders below `folder`, on the system that is here instead
 * of the base image's. Covers what
 * our Dockerfile uses, and throws at the rest. `runs` is the environment of RUN, beside the image's own.
 */
export async function buildImage (context: string, folder: string, runs: NodeJS.ProcessEnv): Promise<Image> {
  const roots = new Map<string, string>()
  let image = newImage('')
  for (const { name, words } of readInstructions(await readFile(join(context, 'Dockerfile'), 'utf8'))) {
    const within = (path: string): string => join(image.root, resolve('/', image.workdir, path))
    switch (name) {
      case 'FROM': {
        const from = /^node:24[\w.-]+@sha256:[0-9a-f]{64}(?: AS (?<stage>\w+))?$/
        const stage = from.exec(words)?.groups ?? refuse(name, words)
        image = newImage(join(folder, stage['stage'] ?? 'image'))
        roots.set(stage['stage'] ?? '', image.root)
        break
      }
      case 'WORKDIR':
        image.workdir = words
        await mkdir(within('.'), { recursive: true })
        break
      case 'COPY': {
        const {
          from, paths = '',
        } = /^(?:--from=(?<from>\w+) )?(?<paths>[^-].*)$/.exec(words)?.groups ?? refuse(name, words)
        const sources = paths.split(' ')
        const target = sources.pop() ?? ''
        for (const source of sources) {
          const origin = join(from === undefined ? context : roots.get(from) ?? refuse(name, words), source)
          const isIntoFolder = target.endsWith('/') && (await stat(origin)).isFile()
          await cp(
            origin, isIntoFolder ? join(within(target), basename(source)) : within(target),
            { recursive: true, verbatimSymlinks: true },
          )
        }
        break
      }
      case 'RUN':
        await promisify(execFile)(
          'sh', ['-c', words], { cwd: within('.'), env: { ...runs, ...image.environment }, ...userOf(image) },
        )
        break
      case 'ENV':
        for (const pair of words.split(' ')) image.environment[pair.replace(/=.*/, '')] = pair.replace(/^[^=]*=/, '')
        break
      case 'HEALTHCHECK':
        image.healthcheck = readWords(words.replace(/^(--\S+\s+)*CMD /, ''))
        break
      case 'CMD':
        image.command = readWords(words)
        break
      case 'USER': image.user = words; break
      case 'EXPOSE': image.exposed = words; break
      case 'STOPSIGNAL': image.stopSignal = words; break
      case 'LABEL': break
      default: refuse(name, words)
    }
  }
  return image
}

/** As whom its processes run: as its user where that can be chosen, else as ourselves. */
export function userOf ({ user }: Pick<Image, 'user'>): { uid?: number, gid?: number } {
  const [uid = 0, gid = 0] = user.split(':').map(Number)
  return user !== '' && process.getuid?.() === 0 ? { uid, gid } : {}
}

const newImage = (root: string): Image =>
  ({ root, workdir: '/', environment: {}, user: '', exposed: '', stopSignal: '', healthcheck: [], command: [] })

function readWords (json: string): string[] {
  const words: unknown = JSON.parse(json)
  if (!Array.isArray(words)) throw new Error(`not the exec form: ${json}`)
  return words.map(String)
}

function refuse (name: string, words: string): never {
  throw new Error(`the test does not know how to do this: ${name} ${words}`)
}
