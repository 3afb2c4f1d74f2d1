import type { DeadLetterRow, LedgerRow, PositionRow, StartRow } from '../../src/database/dialect.ts'
import type { SimulatedLetter } from './state.ts'

export function startPosition(start: StartRow, topicId: string, now: Date): PositionRow {
  const { topic, partition, nextOffset, reason: startReason } = start
  return {
    topic,
    partition,
    nextOffset,
    epoch: 0n,
    claimId: null,
    owner: null,
    seq: 0n,
    incarnation: 0,
    leaderEpoch: -1,
    topicId,
    updatedAt: now,
    startReason,
  }
}

export function startLedgerRow({ topic, partition, nextOffset, reason }: StartRow, now: Date): LedgerRow {
  return {
    topic,
    partition,
    kind: 'start',
    incarnation: 0,
    epoch: 0n,
    claimId: null,
    fromOffset: nextOffset,
    untilOffset: nextOffset,
    batchId: null,
    records: 0,
    deadLetters: 0,
    digest: null,
    reason,
    actor: null,
    cause: null,
    topicId: null,
    committedAt: now,
  }
}

export function letterRow({ letter, incarnation, batchId, createdAt }: SimulatedLetter): DeadLetterRow {
  const { topic, partition, offset, timestampMs, cause } = letter
  return {
    topic,
    partition,
    offset,
    incarnation,
    batchId,
    timestampMs,
    keyLength: null,
    valueLength: null,
    truncated: false,
    code: cause.code,
    stage: cause.stage,
    message: cause.message,
    status: 'open',
    createdAt,
  }
}
