import type { Case } from '../case-context.ts'
import { callbacks } from './callback.ts'
import { crowd } from './crowd.ts'
import { growth } from './growth.ts'
import { jobs } from './jobs.ts'
import { lifecycle } from './lifecycle.ts'
import { memory } from './memory.ts'
import { overload } from './overload.ts'
import { peers } from './peers.ts'
import { requests } from './requests.ts'
import { soak } from './soak.ts'
import { start } from './start.ts'

/** All cases, in the order of the goals. */
export const cases: readonly Case[] = [
  requests, lifecycle, peers, start, overload, crowd, memory, growth, callbacks, jobs, soak,
]
