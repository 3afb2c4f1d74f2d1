import type { AbortedTransaction } from './fetch.ts'

/**
 * Which record batches of one response belong to transactions that were aborted. A producer is in one transaction at a
 * time, so that each marker of it ends the oldest one that began before it, whatever the marker says.
 */
export class AbortedTransactions {
  /** First offsets of those that have not ended yet, ascending, by producer id. */
  readonly #begun = new Map<string, number[]>()

  constructor(aborted: readonly AbortedTransaction[]) {
    for (const { producerId, firstOffset } of aborted) {
      const begun = this.#begun.get(producerId) ?? []
      this.#begun.set(producerId, begun)
      begun.push(firstOffset)
    }
    for (const begun of this.#begun.values()) begun.sort((a, b) => a - b)
  }

  /** Whether what a producer wrote at `offset`, in a transaction, was aborted. */
  includes(producerId: string, offset: number): boolean {
    const first = this.#begun.get(producerId)?.[0]
    return first !== undefined && first <= offset
  }

  /** Says that a transaction of a producer ends at `offset`. */
  end(producerId: string, offset: number): void {
    if (this.includes(producerId, offset)) this.#begun.get(producerId)?.shift()
  }
}
