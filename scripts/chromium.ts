import { findOptional } from './install.ts'

/** The names that Chromium has on the search path. */
export const chromiumNames = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable']
/** It is a hundred megabytes. */
const timeoutMs = 5 * 60_000

/** A Chromium, which the tests of the pages and the element need; null where it is not to be had. */
export const findChromium = (searchPath: string = process.env['PATH'] ?? ''): Promise<string | null> => findOptional({
  programs: chromiumNames, packages: { 'apt-get': ['chromium'] }, services: [], searchPath, timeoutMs,
  from: 'the package chromium', without: 'pages and element are not tested in a browser',
})
