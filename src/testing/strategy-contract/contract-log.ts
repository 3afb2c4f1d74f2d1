import { SeededRandom } from '../../runtime/seeded-random.ts'

/** Partitions of the topic of a scenario: enough for two members to have several each. */
export const PARTITIONS = 4

const KEYS = 7

/**
 * What is wrong with a record, if anything: a function of the job throws (`throws`), or the database rejects its row
 * (`rejected`).
 */
export type Poison = 'throws' | 'rejected'

/** The value of a record, as JSON. */
export interface ContractEntry {
  readonly k: string
  /** Different in every record; below zero where the database is to reject it. */
  readonly v: number
  readonly poison?: Poison
}

export interface LoggedEntry extends ContractEntry {
  readonly partition: number
  readonly offset: number
}

/** What a scenario has produced, so that it can say what must be in the tables. */
export class ContractLog {
  readonly #partitions: LoggedEntry[][] = Array.from({ length: PARTITIONS }, () => [])
  readonly #random: SeededRandom
  #count = 0
  #calls = 0

  constructor(seed: number) {
    this.#random = new SeededRandom(seed)
  }

  /**
   * The next records, dealt out to the partitions. Among the first ones of every call is poison: in each partition a record
   * that a function refuses, and in one partition, a different one every time, a record that the database rejects, which
   * is searched for by transactions.
   * @param kinds of poison that there are
   */
  append(records: number, kinds: readonly Poison[] = ['throws', 'rejected']): LoggedEntry[] {
    const rejecting = this.#calls++ % PARTITIONS
    return Array.from({ length: records }, (_, i) => {
      const n = this.#count++
      const partition = n % PARTITIONS
      const log = this.#partitions[partition] as LoggedEntry[]
      const due = poisonAt(Math.floor(i / PARTITIONS), partition === rejecting)
      const poison = due && kinds.includes(due) ? due : undefined
      const v = n + 1
      const entry: LoggedEntry = {
        partition,
        offset: log.length,
        k: `key ${this.#random.integer(1, KEYS)}`,
        v: poison === 'rejected' ? -v : v,
        ...(poison && { poison }),
      }
      log.push(entry)
      return entry
    })
  }

  /** Where each partition ends. */
  ends(): number[] {
    return this.#partitions.map((entries) => entries.length)
  }

  /** Everything below the positions, one per partition. */
  below(positions: readonly number[]): LoggedEntry[] {
    return this.#partitions.flatMap((entries, partition) => entries.slice(0, positions[partition] ?? 0))
  }
}

function poisonAt(round: number, rejecting: boolean): Poison | undefined {
  if (round % 10 === 1) return 'throws'
  return round === 3 && rejecting ? 'rejected' : undefined
}
