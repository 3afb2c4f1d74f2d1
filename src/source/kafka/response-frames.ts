/** Every response begins with its size, which does not count itself. */
const sizeBytes = 4
/** No response is shorter: it begins with the number of its request. */
const leastBytes = 4
/** Larger responses are handed out in pieces: a wrong size must not take memory that nothing ever fills. */
const mostWholeBytes = 64 * 1024 * 1024

/**
 * Puts the responses of a connection together, each into memory that is just as large as it is: what is received lies in one
 * small buffer that is used again and again.
 *
 * States: `size` (its four bytes are read) -> `response` -> `size`; a response that is too large for that goes `in pieces`; a
 * size that cannot be one -> `nonsense`, for good: everything is handed out as it comes.
 */
export class ResponseFrames {
  readonly #hand: (bytes: Buffer) => void
  readonly #size = Buffer.alloc(sizeBytes)
  #response: Buffer | null = null
  /** Bytes that are there, of the size or of the response with its size. */
  #filled = 0
  #leftInPieces = 0
  #isNonsense = false

  /** @param hand is given whole responses, each with its size, or pieces */
  constructor(hand: (bytes: Buffer) => void) {
    this.#hand = hand
  }

  /** @param bytes are copied */
  receive(bytes: Uint8Array): void {
    let at = 0
    while (at < bytes.length) {
      if (this.#isNonsense) {
        this.#hand(Buffer.from(bytes.subarray(at)))
        return
      }
      if (this.#leftInPieces > 0) {
        const piece = bytes.subarray(at, at + this.#leftInPieces)
        this.#leftInPieces -= piece.length
        at += piece.length
        this.#hand(Buffer.from(piece))
      } else at += this.#fill(bytes.subarray(at))
    }
  }

  /** @returns how many of the bytes were taken */
  #fill(bytes: Uint8Array): number {
    const into = this.#response ?? this.#size
    const part = bytes.subarray(0, into.length - this.#filled)
    into.set(part, this.#filled)
    this.#filled += part.length
    if (this.#filled < into.length) return part.length
    if (this.#response === null) this.#begin(this.#size.readInt32BE(0))
    else {
      this.#response = null
      this.#filled = 0
      this.#hand(into)
    }
    return part.length
  }

  #begin(size: number): void {
    if (size >= leastBytes && size <= mostWholeBytes) {
      this.#response = Buffer.allocUnsafeSlow(sizeBytes + size)
      this.#response.set(this.#size)
      return
    }
    this.#filled = 0
    if (size > mostWholeBytes) this.#leftInPieces = size
    else this.#isNonsense = true
    this.#hand(Buffer.from(this.#size))
  }
}

/** The number of the request that `bytes` are the whole response to, and what it says; null for anything else. */
export function wholeResponse(
  bytes: Buffer,
): { readonly correlationId: number; readonly payload: Buffer } | null {
  if (bytes.length < sizeBytes + leastBytes || bytes.readInt32BE(0) !== bytes.length - sizeBytes) return null
  return { correlationId: bytes.readInt32BE(sizeBytes), payload: bytes.subarray(sizeBytes + leastBytes) }
}
