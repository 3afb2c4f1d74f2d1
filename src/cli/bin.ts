#!/usr/bin/env node
/*
 * The package's binary. All it does is to say so when Node is too old, before anything else is loaded: this file has
 * to be understood by any Node that knows modules, so it has no static import and no syntax of later than 2020.
 */
const required = [20, 19]
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
if (major > 20 || (major === 20 && minor >= 19)) {
  void import('./main.ts')
} else {
  process.stderr.write(
    `oncesink needs Node.js ${required.join('.')} or newer, and this is ${process.versions.node} (${process.execPath}). ` +
      'Install a newer one, for example from https://nodejs.org, or put it first on the PATH.\n',
  )
  process.exit(2)
}
