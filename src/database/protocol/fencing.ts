import type { Claim } from '../../model/claim.ts'
import type { FencedReason } from '../../model/outcome.ts'
import { type TopicPartition, topicPartitionKey } from '../../model/topic-partition.ts'
import type { PositionRow } from '../dialect.ts'
import type { JobSession } from './session.ts'

/** Why a compare-and-set from `from` under `claim` does not match `row`; `unaffected` when it would. */
export function fencedReason(row: PositionRow | undefined, claim: Claim, from: bigint): FencedReason {
  if (!row || row.epoch < claim.epoch) return 'rewound'
  if (row.claimId !== claim.claimId || row.epoch !== claim.epoch) return 'owned-by-other'
  return row.nextOffset === from ? 'unaffected' : 'rewound'
}

/**
 * Looks, without a lock, whether a process that has had nothing to commit for a while still owns its partitions where
 * it thinks they are. It only makes an idle process notice sooner; what fences is the compare-and-set.
 * @returns partitions that are not as expected, with the reason
 */
export async function findFenced(
  session: JobSession,
  claims: readonly Claim[],
): Promise<readonly (TopicPartition & { readonly reason: FencedReason; readonly owner: string | null })[]> {
  const connection = await session.connection()
  const trx = await connection.begin('snapshot')
  try {
    const rows = new Map((await trx.readPositions(session.job)).map((row) => [topicPartitionKey(row), row]))
    return claims.flatMap((claim) => {
      const row = rows.get(topicPartitionKey(claim))
      const reason = fencedReason(row, claim, claim.nextOffset)
      const { topic, partition } = claim
      return reason === 'unaffected' ? [] : [{ topic, partition, reason, owner: row?.owner ?? null }]
    })
  } finally {
    await trx.rollback()
  }
}
