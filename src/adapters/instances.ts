import type { TProperties } from 'typebox'
import { setting } from './settings.ts'
import type { Adapter, AdapterIo, Provider, Settings } from './adapter.ts'

/**
 * Several instances of one provider. `ACME_INSTANCES=north,south` opens `acme` again as `acme-north`, with the
 * variables `ACME_NORTH_…`, and as `acme-south`. The plain variables `ACME_…` open `acme` itself, as without instances.
 */

type Named = Pick<Provider, 'provider' | 'settings' | 'hasInstances'>

const prefixOf = ({ provider }: Named): string => `${provider.toUpperCase()}_`

/** The names in `ACME_INSTANCES`. Throws an `Error` that names the variable. */
function readInstances (provider: Named, settings: Settings): string[] {
  const variable = `${prefixOf(provider)}INSTANCES`
  const text = provider.hasInstances === true ? settings[variable] ?? '' : ''
  const names = text.split(',').map(name => name.trim()).filter(name => name !== '')
  if (new Set(names).size < names.length || !names.every(name => /^[a-z][a-z0-9]{0,15}$/.test(name))) {
    throw new Error(`${variable} must be different names of lower-case letters and digits, separated by commas`)
  }
  return names
}

/** Every environment variable of the provider; with those of its instances where `settings` names some. */
export function variablesOf (provider: Named, settings: Settings = {}): TProperties {
  const prefix = prefixOf(provider)
  const { properties } = provider.settings
  if (provider.hasInstances !== true) return properties
  const variables: TProperties = {
    ...properties,
    [`${prefix}INSTANCES`]: setting(
      'Names of more instances of this provider, separated by commas. '
        + `The variables of the instance \`x\` begin with \`${prefix}X_\`.`,
    ),
  }
  for (const name of readInstances(provider, settings)) {
    for (const [variable, schema] of Object.entries(properties)) variables[rename(variable, prefix, name)] = schema
  }
  return variables
}

/** Opens every provider whose credentials are present, with its instances. */
export function openAdapters (providers: readonly Provider[], settings: Settings, io: AdapterIo): Adapter[] {
  return providers.flatMap(provider => [
    provider.open(settings, io, provider.provider) ?? [],
    readInstances(provider, settings).map(name => openInstance(provider, name, settings, io)),
  ].flat())
}

function openInstance (provider: Provider, name: string, settings: Settings, io: AdapterIo): Adapter {
  const prefix = prefixOf(provider)
  const own = Object.keys(provider.settings.properties).map(variable =>
    [variable, settings[rename(variable, prefix, name)]] as const)
  try {
    const adapter = provider.open(Object.fromEntries(own), io, `${provider.provider}-${name}`)
    if (adapter === null) throw new Error(`${prefix}INSTANCES names ${name}, which has no credentials`)
    return adapter
  } catch (error) {
    // The adapter names the variable that it was given.
    const message = error instanceof Error ? error.message : 'unknown'
    const variable = Object.keys(provider.settings.properties).find(known => message.startsWith(`${known} `))
    if (variable === undefined) throw error
    throw new Error(`${rename(variable, prefix, name)}${message.slice(variable.length)}`)
  }
}

const rename = (variable: string, prefix: string, instance: string): string =>
  `${prefix}${instance.toUpperCase()}_${variable.slice(prefix.length)}`
