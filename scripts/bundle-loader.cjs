'use strict'

// The entry of the bundle (see bundle.ts), as the image has it. Node.js compiles the bundle from `verigate.cache`: the
// functions that a start uses, compiled. Another version of Node.js, or one with other V8 options, compiles the source.
const { readFileSync } = require('node:fs')
const { join } = require('node:path')
const { Script, constants } = require('node:vm')

const filename = join(__dirname, 'verigate.cjs')
const script = new Script(readFileSync(filename, 'latin1'), {
  filename, cachedData: readCache(), importModuleDynamically: constants.USE_MAIN_CONTEXT_DEFAULT_LOADER,
})
script.runInThisContext()(require, filename, __dirname)

/** bundle.ts makes the cache of it, after a start. */
module.exports = script

function readCache () {
  try {
    return readFileSync(join(__dirname, 'verigate.cache'))
  } catch {
    return undefined
  }
}
