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
  /** A file has its content, and not yet its name. */
  | 'handoff.written'
  /** It has its name, which may not be durable yet. */
  | 'handoff.renamed'
  /** A file was read and is to be loaded. */
  | 'handoff.loading'
  /** It has committed, and is still there. */
  | 'handoff.loaded'

export interface FaultPoints {
  /** Called when `point` is reached; the code goes on when the promise resolves, and fails when it rejects. */
  reach(point: FaultPoint): Promise<void>
}

const nothing = Promise.resolve()

/** What runs in production: nothing ever happens at a fault point. */
export const noFaults: FaultPoints = { reach: () => nothing }
