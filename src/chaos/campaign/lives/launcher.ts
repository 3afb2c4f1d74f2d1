/*
 * `node launcher.cjs [--keep] <program.cjs> ...`: runs one of the bundled programs with what the engine has compiled of it
 * before, where that was kept. With `--keep` what this process has compiled is kept when it ends in order.
 */
import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, resolve } from 'node:path'
import process from 'node:process'
import { constants, Script } from 'node:vm'

interface LoadedModule {
  exports: unknown
}

type Body = (
  exports: unknown,
  require: (name: string) => unknown,
  module: LoadedModule,
  file: string,
  folder: string,
) => void

const loaded = new Map<string, LoadedModule>()
const compiled = new Map<string, Script>()
const keptOf = (file: string) => `${file}.compiled`

function load(file: string): unknown {
  const known = loaded.get(file)
  if (known) return known.exports
  const module: LoadedModule = { exports: {} }
  loaded.set(file, module)
  const cachedData = kept(file)
  const script = new Script(
    `(function (exports, require, module, __filename, __dirname) { ${readFileSync(file, 'utf8')}\n})`,
    {
      filename: file,
      ...(cachedData && { cachedData }),
      importModuleDynamically: constants.USE_MAIN_CONTEXT_DEFAULT_LOADER,
    },
  )
  if (!cachedData) compiled.set(file, script)
  const require = createRequire(file)
  const body = script.runInThisContext() as Body
  body(
    module.exports,
    (name) => (name.startsWith('./') ? load(resolve(dirname(file), name)) : require(name)),
    module,
    file,
    dirname(file),
  )
  return module.exports
}

/** What belongs to another engine, or to another text, is refused by the engine, which then compiles. */
function kept(file: string): Buffer | undefined {
  try {
    return readFileSync(keptOf(file))
  } catch {
    return undefined
  }
}

function keep(): void {
  for (const [file, script] of compiled) {
    const partial = `${keptOf(file)}.${process.pid}`
    writeFileSync(partial, script.createCachedData())
    renameSync(partial, keptOf(file))
  }
}

const args = process.argv.splice(1, process.argv[2] === '--keep' ? 2 : 1)
if (args.length > 1) process.on('exit', keep)
load(resolve(process.argv[1] ?? ''))
