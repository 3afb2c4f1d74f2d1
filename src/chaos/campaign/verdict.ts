/** What the checker has found out about one or more arenas. */
export interface Verdict {
  /** Records that were to be in the tables. */
  readonly records: number
  /** Batches in the ledger. */
  readonly batches: number
  readonly lost: number
  readonly duplicated: number
  /** What contradicts the promise, one sentence each. */
  readonly violations: readonly string[]
  /** What could not be checked. */
  readonly inconclusive: readonly string[]
}

export function combined(verdicts: readonly Verdict[]): Verdict {
  const sum = (pick: (verdict: Verdict) => number) => verdicts.reduce((total, v) => total + pick(v), 0)
  return {
    records: sum((v) => v.records),
    batches: sum((v) => v.batches),
    lost: sum((v) => v.lost),
    duplicated: sum((v) => v.duplicated),
    violations: verdicts.flatMap((v) => v.violations),
    inconclusive: verdicts.flatMap((v) => v.inconclusive),
  }
}
