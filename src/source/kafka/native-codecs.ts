import * as zlib from 'node:zlib'
import { optionalPackage } from './load-codec.ts'

const lz4 = optionalPackage<{ decompressFrameSync(bytes: Buffer): Buffer }>('lz4-napi')
const snappy = optionalPackage<{ uncompressSync(bytes: Buffer): Buffer }>('snappy')

/** Decompressors that are not JavaScript, each null where this machine has none. */
export interface NativeCodecs {
  /** A whole frame. */
  readonly lz4: ((bytes: Buffer) => Uint8Array) | null
  /** One bare block. */
  readonly snappy: ((bytes: Buffer) => Uint8Array) | null
  /** Whole frames, refused when they have more than `maxBytes` decompressed. */
  readonly zstd: ((bytes: Buffer, maxBytes: number) => Uint8Array) | null
}

/** For whoever wants JavaScript only. */
export const noNativeCodecs: NativeCodecs = { lz4: null, snappy: null, zstd: null }

/**
 * What this process has: lz4 and snappy from optional packages, of which npm installs the build for this platform where
 * there is one (about five times as fast as JavaScript); zstd from Node itself, since 22.15. Each is loaded with the first
 * batch that takes it.
 */
export const nativeCodecs: NativeCodecs = {
  get lz4() {
    return lz4()?.decompressFrameSync ?? null
  },
  get snappy() {
    const module = snappy()
    return module && ((bytes: Buffer) => module.uncompressSync(bytes))
  },
  zstd: zstdOf(zlib),
}

function zstdOf(module: object): NativeCodecs['zstd'] {
  const { zstdDecompressSync } = module as {
    zstdDecompressSync?: (bytes: Buffer, options: { maxOutputLength: number }) => Buffer
  }
  if (!zstdDecompressSync) return null
  return (bytes, maxOutputLength) => zstdDecompressSync(bytes, { maxOutputLength })
}
