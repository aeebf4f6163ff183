import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { parse } from 'yaml'

/** What the tests look at of a service. Durations and mounts are as written. */
export type Service = {
  build?: string
  image: string
  user?: string
  command?: string[]
  profiles?: string[]
  restart?: string
  read_only?: boolean
  cap_drop?: string[]
  security_opt?: string[]
  stop_grace_period?: string
  env_file?: { path: string, required: boolean }[]
  environment?: Record<string, string>
  ports?: string[]
  networks?: string[]
  volumes?: string[]
  tmpfs?: string[]
  depends_on?: Record<string, unknown> | string[]
  healthcheck?: { test: string[] }
}
export type Compose = {
  services: Record<string, Service>, volumes: Record<string, unknown>, networks: Record<string, { internal?: boolean }>
}

export const root = resolve(import.meta.dirname, '../..')

/**
 * `docker-compose.yml` as Compose reads it with this `.env`: first the YAML, then the variables in each of its texts.
 */
export function readCompose (dotenv: Record<string, string> = {}): Compose {
  const fill = (_key: unknown, value: unknown): unknown => typeof value === 'string' ? fillIn(value, dotenv) : value
  return parse(readFileSync(join(root, 'docker-compose.yml'), 'utf8'), fill, { merge: true })
}

/** Variables may be nested; `$$` is a dollar for the shell. */
function fillIn (text: string, dotenv: Record<string, string>): string {
  const variable = /\$\{(\w+)(?:(:[-+])([^${}]*))?\}/
  let filled = text.replaceAll('$$', '\0')
  for (let found = variable.exec(filled); found !== null; found = variable.exec(filled)) {
    const [whole, name = '', operator, word = ''] = found
    const value = dotenv[name] ?? ''
    filled = filled.replace(whole, () => operator === ':+' ? (value === '' ? '' : word) : value === '' ? word : value)
  }
  if (filled.includes('$')) throw new Error(`the test does not understand the $ in ${text}`)
  return filled.replaceAll('\0', '$')
}

/** The services that `docker compose up` starts with this `.env`. A service without a profile is always started. */
export function startedServices (compose: Compose, { COMPOSE_PROFILES = '' }: Record<string, string>): string[] {
  const on = COMPOSE_PROFILES.split(',')
  return Object.keys(compose.services).filter(
    name => compose.services[name]?.profiles?.some(profile => on.includes(profile)) ?? true,
  )
}
