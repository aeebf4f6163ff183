import { findOptional } from './install.ts'

/** The names of Chromium's program. */
export const chromiumNames = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable']
/** It is a hundred megabytes. */
const timeoutMs = 5 * 60_000

/** Chromium, for the tests of the pages and the element; null where it is missing and cannot be installed. */
export const findChromium = (searchPath: string = process.env['PATH'] ?? ''): Promise<string | null> => findOptional({
  programs: chromiumNames, packages: { 'apt-get': ['chromium'] }, services: [], searchPath, timeoutMs,
  from: 'the package chromium', without: 'pages and element are not tested in a browser',
})
