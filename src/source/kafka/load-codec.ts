import { createRequire } from 'node:module'
import { OncesinkError } from '../../errors.ts'

const load = createRequire(import.meta.url)

/**
 * The package that a codec needs, loaded when it is first asked for: most topics take one codec, or none. What it returns
 * throws OncesinkError PREFLIGHT_FAILED where that fails.
 */
export function codecPackage<Module>(name: string): () => Module {
  return once(() => {
    try {
      return load(name) as Module
    } catch (cause) {
      const message =
        `package ${name}, which reads compressed records, cannot be loaded (${firstLine(cause)}); ` +
        'install the dependencies of oncesink again, and leave them out of bundles'
      throw new OncesinkError('PREFLIGHT_FAILED', message, { cause })
    }
  })
}

/** Node adds where it has looked. */
function firstLine(error: unknown): string {
  return String(error).split('\n', 1)[0] ?? ''
}

/** Like {@link codecPackage}; null where the package is not installed, or has no build for this platform. */
export function optionalPackage<Module>(name: string): () => Module | null {
  return once(() => {
    try {
      return load(name) as Module
    } catch {
      return null
    }
  })
}

/** `make`, which is called at most once. */
function once<T>(make: () => T): () => T {
  let made: { readonly value: T } | null = null
  return () => {
    made ??= { value: make() }
    return made.value
  }
}
