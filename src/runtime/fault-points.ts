/**
 * The named places where a crash, a stop or a lost connection is interesting. Production code announces that it
 * reached one; only tests listen.
 */
export type FaultPoint =
  | 'claim.confirmed'
  | 'claim.before-commit'
  | 'claim.after-commit'
  | 'batch.fetched'
  | 'batch.computed'
  | 'transaction.begun'
  | 'transaction.advanced'
  | 'transaction.copying'
  | 'transaction.rows-written'
  | 'transaction.dead-letters-written'
  | 'transaction.ledger-written'
  | 'transaction.committed'
  | 'batch.acknowledged'

export interface FaultPoints {
  /** Called when `point` is reached; the code goes on when the promise resolves, and fails when it rejects. */
  reach(point: FaultPoint): Promise<void>
}

const nothing = Promise.resolve()

/** What runs in production: nothing ever happens at a fault point. */
export const noFaults: FaultPoints = { reach: () => nothing }
