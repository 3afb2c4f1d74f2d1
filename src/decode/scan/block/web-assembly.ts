import type { kernelOf } from './kernel.ts'
import type { MemoryMap } from './memory-map.ts'

/** What is used of the engine's WebAssembly; TypeScript describes it only for browsers. */
interface Engine {
  readonly Memory: new (pages: { initial: number; maximum: number }) => { readonly buffer: ArrayBuffer }
  readonly Module: new (code: Uint8Array) => object
  readonly Instance: new (module: object, imports: object) => { readonly exports: { readonly run: Kernel } }
}

/** See {@link kernelOf}. */
export type Kernel = (records: number, shift: number, limit: number) => number

const PAGE_BYTES = 64 * 1024

/** Memory, and kernels that work on it. */
export interface KernelHost {
  readonly buffer: ArrayBuffer
  /** @throws where the engine does not have every instruction */
  load(code: Uint8Array): Kernel
}

/** @throws where there is no WebAssembly, or no memory for it */
export function kernelHost({ bytes }: MemoryMap): KernelHost {
  const { Memory, Module, Instance } = (globalThis as unknown as { WebAssembly: Engine }).WebAssembly
  const pages = Math.ceil(bytes / PAGE_BYTES)
  const memory = new Memory({ initial: pages, maximum: pages })
  return {
    buffer: memory.buffer,
    load: (code) => new Instance(new Module(code), { env: { memory } }).exports.run,
  }
}
