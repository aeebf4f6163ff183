import { randomBytes } from 'node:crypto'
import { createExpiringMap } from '../expiring-map.ts'
import type { SimulatorContext } from '../simulator.ts'
import type { AuthRequest } from './auth-request.ts'

// Twice the longest expiry.
const rememberedMs = 2 * 86_400_000

export type Links = ReturnType<typeof createLinks>
export type Link = { request: AuthRequest, redirectURI: string }

/** The links that were sent or returned. */
export function createLinks ({ now, url }: SimulatorContext) {
  const links = createExpiringMap<Link>(now, rememberedMs)
  return {
    find: links.get,
    /** The URL, which lasts as long as its request. */
    create (link: Link): string {
      const slug = randomBytes(12).toString('base64url')
      links.set(slug, link)
      return `${url()}/otpless.me/${slug}`
    },
  }
}
