import type { SimulatorContext } from '../simulator.ts'
import type { Verifications } from './verifications.ts'

export type Parts = { context: SimulatorContext, verifications: Verifications }
