import { findOptional } from './install.ts'

/** Prometheus's `promtool`, for the tests of the alert rules; null where it is missing and cannot be installed. */
export const findPromtool = (searchPath: string = process.env['PATH'] ?? ''): Promise<string | null> => findOptional({
  programs: ['promtool'], packages: { 'apt-get': ['prometheus'] }, services: ['prometheus'], searchPath,
  from: 'Prometheus', without: 'the alert rules are not tested',
})
