import { findOptional } from './install.ts'

/** Prometheus's `promtool`, which the tests of the alert rules need; null where it is not to be had. */
export const findPromtool = (searchPath: string = process.env['PATH'] ?? ''): Promise<string | null> => findOptional({
  programs: ['promtool'], packages: { 'apt-get': ['prometheus'] }, services: ['prometheus'], searchPath,
  from: 'Prometheus', without: 'the alert rules are not tested',
})
