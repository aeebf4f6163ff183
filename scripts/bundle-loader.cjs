'use strict'

// The entry of the bundle (see bundle.ts), as the image has it. Node.js compiles the bundle from `verigate.cache`: the
// functions that a start uses, compiled. When another version or other V8 options reject it, the source is compiled.
const { readFileSync } = require('node:fs')
const { join } = require('node:path')
const { Script, constants } = require('node:vm')

const filename = join(__dirname, 'verigate.cjs')
const source = `(function (exports, require, module, __filename, __dirname) {${readFileSync(filename, 'latin1')}\n})`
const script = new Script(source, {
  filename, cachedData: readCache(), importModuleDynamically: constants.USE_MAIN_CONTEXT_DEFAULT_LOADER,
})
script.runInThisContext()({}, require, module, filename, __dirname)

/** bundle.ts makes the cache of it, after a start. */
module.exports = script

function readCache () {
  try {
    return readFileSync(join(__dirname, 'verigate.cache'))
  } catch {
    return undefined
  }
}
