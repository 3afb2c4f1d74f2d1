import { lengthOf, numberAt } from './witness-log.ts'

/** What a witness table says of each record. */
export interface WitnessFindings {
  /** Records that have to be there. */
  readonly expected: number
  readonly lost: number
  /** Rows that are there once too often. */
  readonly duplicated: number
  /** One sentence for each of the first findings, with the exact record. */
  readonly findings: readonly string[]
}

const MAX_FINDINGS = 20

/** Takes a witness table row by row; rows may come in any order. */
export class WitnessCheck {
  readonly #partitions: number
  /** How often each record was seen, by its number. */
  readonly #seen: Uint32Array
  readonly #findings: string[] = []
  #alien = 0

  constructor(partitions: number, produced: number) {
    this.#partitions = partitions
    this.#seen = new Uint32Array(produced)
  }

  add(partition: number, offset: number, n: number): void {
    const number = numberAt(partition, offset, this.#partitions)
    if (number === n && n < this.#seen.length) this.#seen[n] = (this.#seen[n] ?? 0) + 1
    else {
      this.#alien += 1
      this.#find(`partition ${partition}, offset ${offset} holds record ${n}, which was never produced there`)
    }
  }

  /** @param nextOffsets of each partition: what is below it has to be in the table, and nothing else */
  finish(nextOffsets: readonly number[]): WitnessFindings {
    let [expected, lost, duplicated] = [0, 0, this.#alien]
    for (let partition = 0; partition < this.#partitions; partition++) {
      const length = lengthOf(partition, this.#partitions, this.#seen.length)
      const nextOffset = nextOffsets[partition] ?? 0
      if (nextOffset > length) {
        this.#find(`partition ${partition} is at offset ${nextOffset}, and its log ends at ${length}`)
        lost += nextOffset - length
      }
      for (let offset = 0; offset < length; offset++) {
        const times = this.#seen[numberAt(partition, offset, this.#partitions)] ?? 0
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
