'use strict'

// Plain JavaScript, because an older Node.js cannot load the TypeScript that this file is loaded before.
// `import.meta.main` exists since Node.js 24.2.
const [major, minor] = process.versions.node.split('.').map(Number)

if (major < 24 || (major === 24 && minor < 2)) {
  process.stderr.write(`Verigate needs Node.js 24.2 or newer; this is ${process.versions.node}.\n`)
  process.exit(1)
}
