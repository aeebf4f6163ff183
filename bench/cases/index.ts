import type { Case } from '../stage.ts'
import { create, providerCall } from './create.ts'
import { callbacks } from './callback.ts'
import { lifecycle } from './lifecycle.ts'
import { reading } from './read.ts'

/** All there is to measure, in the order of the goals. */
export const cases: readonly Case[] = [create, providerCall, reading, callbacks, lifecycle]
