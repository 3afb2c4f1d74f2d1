import { createRequire } from 'node:module'

const load = createRequire(import.meta.url)

/** The package that a codec needs, loaded when it is first asked for: most topics take one codec, or none. */
export function codecPackage<Module>(name: string): () => Module {
  return once(() => load(name) as Module)
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
