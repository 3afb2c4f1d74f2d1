import type { OffsetRange } from './offset-range.ts'

/**
 * What became of one offset range:
 * - `committed`: its rows, its new position and its ledger row are durable;
 * - `aborted`: definitely not committed; the records are to be read again from the position in SQL;
 * - `fenced`: the compare-and-set did not match; nothing of it was committed;
 * - `unknown`: COMMIT was sent and no answer came back; only the position in SQL can tell.
 */
export type RangeOutcome =
  | { readonly kind: 'committed'; readonly range: OffsetRange }
  | { readonly kind: 'aborted'; readonly range: OffsetRange; readonly error: Error }
  | {
      readonly kind: 'fenced'
      readonly range: OffsetRange
      readonly reason: FencedReason
      readonly owner: string | null
    }
  | { readonly kind: 'unknown'; readonly range: OffsetRange; readonly error: Error }

/**
 * Why a compare-and-set did not match:
 * - `rewound`: the row still carries this process's claim, or an older epoch, at another offset (a lost
 *   asynchronous commit, a restore): claim again and replay;
 * - `owned-by-other`: somebody else has claimed the partition;
 * - `unaffected`: this range would have matched; another range of the same transaction did not.
 */
export type FencedReason = 'rewound' | 'owned-by-other' | 'unaffected'
