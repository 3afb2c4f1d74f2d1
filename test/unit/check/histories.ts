import type { LedgerRow, PositionRow } from '../../../src/database/dialect.ts'

/** A ledger row of orders/0, a batch unless said otherwise. */
export function ledgerRow(row: Partial<LedgerRow>): LedgerRow {
  return {
    topic: 'orders',
    partition: 0,
    kind: 'batch',
    incarnation: 0,
    epoch: 1n,
    claimId: 'claim-1',
    fromOffset: 0n,
    untilOffset: 10n,
    batchId: 'batch-1',
    records: 10,
    deadLetters: 0,
    digest: null,
    reason: null,
    actor: null,
    cause: null,
    topicId: null,
    committedAt: new Date(0),
    ...row,
  }
}

export function startRow(offset: bigint, row: Partial<LedgerRow> = {}): LedgerRow {
  return ledgerRow({
    kind: 'start',
    epoch: 0n,
    claimId: null,
    batchId: null,
    records: 0,
    fromOffset: offset,
    untilOffset: offset,
    ...row,
  })
}

/** Somebody has accepted that retention took records; begins incarnation 1. */
export function actRow(row: Partial<LedgerRow>): LedgerRow {
  return ledgerRow({
    kind: 'accept_loss',
    incarnation: 1,
    epoch: 2n,
    claimId: 'claim-act',
    batchId: null,
    records: 0,
    reason: 'disk was full',
    actor: 'ann@host',
    cause: 'retention',
    topicId: 'topic-id',
    ...row,
  })
}

export function positionRow(row: Partial<PositionRow>): PositionRow {
  return {
    topic: 'orders',
    partition: 0,
    nextOffset: 0n,
    epoch: 1n,
    claimId: 'claim-1',
    owner: 'host:1',
    seq: 0n,
    incarnation: 0,
    leaderEpoch: 0,
    topicId: 'topic-id',
    updatedAt: new Date(0),
    startReason: 'earliest',
    ...row,
  }
}

export interface History {
  readonly ledger: LedgerRow[]
  readonly positions: PositionRow[]
}

/** What a history is made of: per partition a start, and per batch its length, records, and whether a claim precedes it. */
export interface HistoryRecipe {
  readonly start: number
  readonly batches: readonly { readonly length: number; readonly records: number; readonly claims: boolean }[]
}

/** A history that honours the protocol: one partition per recipe. */
export function honestHistory(recipes: readonly HistoryRecipe[]): History {
  const history: History = { ledger: [], positions: [] }
  for (const [partition, recipe] of recipes.entries()) {
    let next = BigInt(recipe.start)
    let epoch = 1n
    history.ledger.push(startRow(next, { partition }))
    for (const [i, batch] of recipe.batches.entries()) {
      if (batch.claims) epoch += 1n
      const fromOffset = next
      next += BigInt(batch.length)
      history.ledger.push(
        ledgerRow({
          partition,
          epoch,
          claimId: `claim-${partition}-${epoch}`,
          fromOffset,
          untilOffset: next,
          batchId: `batch-${partition}-${i}`,
          records: Math.min(batch.records, batch.length),
        }),
      )
    }
    history.positions.push(
      positionRow({
        partition,
        nextOffset: next,
        epoch,
        claimId: `claim-${partition}-${epoch}`,
        seq: BigInt(recipe.batches.length),
      }),
    )
  }
  return history
}
