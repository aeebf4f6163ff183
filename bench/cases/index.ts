import type { Case } from '../case-context.ts'
import { create, providerCall } from './create.ts'
import { callbacks } from './callback.ts'
import { jobs } from './jobs.ts'
import { lifecycle } from './lifecycle.ts'
import { live } from './live.ts'
import { halfLoad, overload, slowProvider } from './load.ts'
import { memory } from './memory.ts'
import { reading } from './read.ts'
import { soak } from './soak.ts'
import { start } from './start.ts'

/** All cases, in the order of the goals. */
export const cases: readonly Case[] = [
  create, providerCall, reading, live, callbacks, lifecycle, jobs, halfLoad, overload, slowProvider, memory, start,
  soak,
]
