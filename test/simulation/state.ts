import type { DeadLetterWrite, JobRow, LedgerRow, PositionRow, TopicRow } from '../../src/database/dialect.ts'
import { topicPartitionKey } from '../../src/model/topic-partition.ts'

export interface SimulatedLetter extends DeadLetterWrite {
  readonly createdAt: Date
}

/** What a simulated database holds of one job. */
export interface State {
  job: JobRow | null
  readonly topics: Map<string, TopicRow>
  readonly positions: Map<string, PositionRow>
  readonly ledger: LedgerRow[]
  readonly deadLetters: SimulatedLetter[]
  /** The sink table: values by key. */
  readonly rows: Map<string, readonly bigint[]>
}

/** Part of a transaction, applied to the committed state by its COMMIT: always the same, however often it is applied. */
export type Change = (state: State) => void

export function emptyState(): State {
  return {
    job: null,
    topics: new Map(),
    positions: new Map(),
    ledger: [],
    deadLetters: [],
    rows: new Map(),
  }
}

/** The state as it is now; rows are never changed in place. */
export function copyOf(state: State): State {
  return {
    job: state.job,
    topics: new Map(state.topics),
    positions: new Map(state.positions),
    ledger: [...state.ledger],
    deadLetters: [...state.deadLetters],
    rows: new Map(state.rows),
  }
}

export function letterKey({ letter, incarnation }: DeadLetterWrite): string {
  return `${topicPartitionKey(letter)}@${letter.offset}, incarnation ${incarnation}`
}

/** Whether a unique index of the ledger takes the rows for one. */
export function isSameLink(a: LedgerRow, b: LedgerRow): boolean {
  return (
    a.partition === b.partition &&
    a.kind === b.kind &&
    a.incarnation === b.incarnation &&
    // Numbers first: bigints are compared out of line.
    a.fromOffset === b.fromOffset &&
    a.epoch === b.epoch &&
    a.topic === b.topic
  )
}

/** What one transaction has done, for whoever watches commits. */
export interface Effects {
  readonly advanced: { readonly from: PositionRow; readonly to: PositionRow }[]
  readonly claimed: PositionRow[]
  readonly ledger: LedgerRow[]
  readonly deadLetters: DeadLetterWrite[]
  /** What was added to rows of the sink table, by key. */
  readonly merged: Map<string, bigint[]>
}

export function noEffects(): Effects {
  return { advanced: [], claimed: [], ledger: [], deadLetters: [], merged: new Map() }
}
