import type { createDemand, FindAccess } from './access.ts'

/** What the routes of each API receive. */
export type Apis = { find: FindAccess, demand: ReturnType<typeof createDemand> }

/** The pattern of a phone number in all of CAMARA's APIs. */
export const withPlus = '^\\+[1-9][0-9]{4,14}$'
