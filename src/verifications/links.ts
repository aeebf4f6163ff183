import type { AdapterMap } from '../adapters/guard.ts'
import { providerOf, type Verification } from '../core/verification.ts'
import type { Ids } from '../store/ids.ts'

/** The URLs of actions that are not stored, because the adapter can build them again. */
export type Links = {
  isBuilt (method: string): boolean
  /** The URL of the action of an attempt. Null: the method is not configured any more. */
  build (verification: Pick<Verification, 'id' | 'locale' | 'workflow'>, index: number): string | null
}

export const noLinks: Links = { isBuilt: () => false, build: () => null }

export function createLinks (
  { adapters, ids }: { adapters: AdapterMap, ids: Pick<Ids, 'callbackKey'> },
): Links {
  const linkOf = (method: string) => adapters.get(providerOf(method))?.links?.[method]
  return {
    isBuilt: method => linkOf(method) !== undefined,
    build ({ id, locale, workflow }, index) {
      const step = workflow[index]
      const link = linkOf(step?.method ?? '')
      if (step === undefined || link === undefined) return null
      return link({ callbackKey: ids.callbackKey(id, index, 'callback'), locale, options: step.options })
    },
  }
}
