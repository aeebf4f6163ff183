import { randomBytes } from 'node:crypto'
import { createExpiringMap } from '../expiring-map.ts'
import type { SimulatorContext } from '../simulator.ts'
import type { AuthRequest } from './auth-request.ts'

/** "Typically 5 minutes", and "can be used only once". */
const codeMs = 5 * 60_000

type Code = { request: AuthRequest, expiresAt: number, used: boolean }
export type Codes = ReturnType<typeof createCodes>

export function createCodes ({ now }: SimulatorContext) {
  const codes = createExpiringMap<Code>(now, 2 * codeMs)
  return {
    find: codes.get,
    isOver: ({ used, expiresAt }: Code): boolean => used || expiresAt <= now(),
    issue (request: AuthRequest): string {
      const code = randomBytes(16).toString('hex')
      codes.set(code, { request, expiresAt: now() + codeMs, used: false })
      return code
    },
  }
}
