import { createRequire } from 'node:module'
import * as zlib from 'node:zlib'

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
 * there is one (about five times as fast as JavaScript); zstd from Node itself, since 22.15.
 */
export const nativeCodecs: NativeCodecs = {
  lz4: optional<{ decompressFrameSync(bytes: Buffer): Buffer }>('lz4-napi')?.decompressFrameSync ?? null,
  snappy: snappyOf(optional<{ uncompressSync(bytes: Buffer): Buffer }>('snappy')),
  zstd: zstdOf(zlib),
}

function snappyOf(module: { uncompressSync(bytes: Buffer): Buffer } | null): NativeCodecs['snappy'] {
  return module && ((bytes) => module.uncompressSync(bytes))
}

function zstdOf(module: object): NativeCodecs['zstd'] {
  const { zstdDecompressSync } = module as {
    zstdDecompressSync?: (bytes: Buffer, options: { maxOutputLength: number }) => Buffer
  }
  if (!zstdDecompressSync) return null
  return (bytes, maxOutputLength) => zstdDecompressSync(bytes, { maxOutputLength })
}

/** Null where the package is not installed, or has no build for this platform. */
function optional<Module>(name: string): Module | null {
  try {
    return createRequire(import.meta.url)(name) as Module
  } catch {
    return null
  }
}
