import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { dirname, join, relative, resolve } from 'node:path'
import { type Plugin, rolldown } from 'rolldown'

const repository = join(import.meta.dirname, '../..')
const ownSrc = join(repository, 'src')

export interface Bundle {
  /** The program of a worker thread, in one file. */
  readonly file: string
  remove(): Promise<void>
}

/**
 * Puts the simulation and the code that it runs into one file, in a fraction of a second: threads then start at once, and
 * run what the engine would run in production.
 * @param src another copy of `src`, or of its build (`dist`), to be simulated in place of this one
 */
export async function bundleSimulation(src: string = ownSrc): Promise<Bundle> {
  const cache = join(repository, '.cache')
  await mkdir(cache, { recursive: true })
  const folder = await mkdtemp(join(cache, 'simulation-'))
  const file = join(folder, 'worker.mjs')
  const bundle = await rolldown({
    input: join(import.meta.dirname, 'worker.ts'),
    platform: 'node',
    external: (id) => !id.startsWith('.') && !id.startsWith('/'),
    plugins: [insteadOf(resolve(src))],
  })
  try {
    await bundle.write({ file, format: 'esm' })
  } finally {
    await bundle.close()
  }
  return { file, remove: () => rm(folder, { recursive: true, force: true }) }
}

/** Modules of `src`, taken from another copy. */
function insteadOf(src: string): Plugin {
  return {
    name: 'other-copy-of-src',
    resolveId(source, importer) {
      if (src === ownSrc || !importer || !source.startsWith('.')) return null
      const inside = relative(ownSrc, resolve(dirname(importer), source))
      if (inside.startsWith('..')) return null
      const copy = join(src, inside)
      return existsSync(copy) ? copy : copy.replace(/\.ts$/, '.js')
    },
  }
}
