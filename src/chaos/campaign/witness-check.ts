import type { WitnessLog } from './witness-log.ts'

/** What a witness table says of each record. */
export interface WitnessFindings {
  /** Records that have to be there. */
  readonly expected: number
  readonly lost: number
  /** Rows that are there once too often, or never had to be. */
  readonly duplicated: number
  /** One sentence for each of the first findings, with the exact record. */
  readonly findings: readonly string[]
}

const MAX_FINDINGS = 20

/** Takes a witness table row by row; rows may come in any order. */
export class WitnessCheck {
  readonly #log: WitnessLog
  /** How often each record was seen, by partition and offset. */
  readonly #seen: readonly Uint32Array[]
  readonly #findings: string[] = []
  #alien = 0

  constructor(log: WitnessLog) {
    this.#log = log
    this.#seen = log.lengths.map((length) => new Uint32Array(length))
  }

  add(partition: number, offset: number, n: number): void {
    const seen = this.#seen[partition]
    if (seen && offset < seen.length && this.#log.at(partition, offset) === n)
      seen[offset] = (seen[offset] ?? 0) + 1
    else {
      this.#alien += 1
      this.#find(
        `partition ${partition}, offset ${offset}: the table has record ${n}, which is not there in the log`,
      )
    }
  }

  /** @param nextOffsets of each partition: what is below it has to be in the table, and nothing else */
  finish(nextOffsets: readonly number[]): WitnessFindings {
    let [expected, lost, duplicated] = [0, 0, this.#alien]
    for (const [partition, seen] of this.#seen.entries()) {
      const nextOffset = nextOffsets[partition] ?? 0
      if (nextOffset > seen.length) {
        this.#find(`partition ${partition} is at offset ${nextOffset}, and its log ends at ${seen.length}`)
        lost += nextOffset - seen.length
      }
      for (const [offset, times] of seen.entries()) {
        const due = offset < nextOffset ? 1 : 0
        expected += due
        if (times < due) lost += 1
        else duplicated += times - due
        if (times === due) continue
        this.#find(
          due === 1
            ? `partition ${partition}, offset ${offset} is in the table ${times} times`
            : `partition ${partition}, offset ${offset} is in the table, and the position is ${nextOffset}`,
        )
      }
    }
    return { expected, lost, duplicated, findings: this.#findings }
  }

  #find(finding: string): void {
    if (this.#findings.length < MAX_FINDINGS) this.#findings.push(finding)
  }
}
