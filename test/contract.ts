export * from '../src/conformance/index.ts'
