declare module 'snappyjs' {
  const snappyjs: {
    uncompress(compressed: Uint8Array, maxLength?: number): Uint8Array
    compress(uncompressed: Uint8Array): Uint8Array
  }
  export default snappyjs
}

declare module 'lz4js' {
  const lz4js: {
    decompressBound(compressed: Uint8Array): number
    decompress(compressed: Uint8Array, maxSize: number): Uint8Array
    compress(uncompressed: Uint8Array): Uint8Array
  }
  export default lz4js
}
