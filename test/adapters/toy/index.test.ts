import t from 'tap'
import { contract } from '../../../src/conformance/index.ts'
import { toyCall, toyLogin, toySilent } from './documented.ts'

for (const promised of [toyCall, toySilent, toyLogin]) t.test(promised.method, t => contract(t, promised))
