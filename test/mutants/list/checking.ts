import { integration, type Mutant, simulation, unit } from '../mutant.ts'

const totals = 'src/check/control-totals.ts'

/** What is written down to be checked, and what is compared with it. */
export const checkingMutants: readonly Mutant[] = [
  {
    name: 'digest of a range not reset between ranges',
    breaks: 'the digest of every batch but the first is of records that are not its own',
    edits: [
      {
        file: 'src/executor/partition-task.ts',
        find: 'digest ? new RangeDigest() : null',
        replace: 'digest ? ((compiled as { digest?: RangeDigest }).digest ??= new RangeDigest()) : null',
      },
    ],
    killedBy: simulation(),
  },
  {
    name: 'digest of the last chunk for that of the range',
    breaks: 'a batch that is read in chunks says less than it has read',
    edits: [
      {
        file: 'src/driver/chunk-stream.ts',
        find: 'addDigests(progress.digest ?? 0n, digest)',
        replace: 'addDigests(0n, digest)',
      },
    ],
    killedBy: simulation(),
  },
  {
    name: 'digest kept with 63 bits',
    breaks: 'half of all digests come back as negative numbers',
    edits: [
      {
        file: 'src/database/digest-column.ts',
        find: 'BigInt.asUintN(64, BigInt(text))',
        replace: 'BigInt(text)',
      },
    ],
    killedBy: integration('ledger-digest.test.ts', 'every 64 bits come back from the ledger'),
  },
  {
    name: 'digest not compared',
    breaks: 'a batch that has read other records than the log has is not noticed',
    edits: [{ file: totals, find: 'digest !== null && digest !== row.digest', replace: 'digest !== digest' }],
    killedBy: unit('check/cheats.test.ts', 'two records have exchanged their values'),
  },
  {
    name: 'batches merged in an old ledger taken for pruned',
    breaks: 'two commits that the ledger shows as one are not noticed once the job is older than its ledger',
    edits: [{ file: 'src/check/chain.ts', find: 'if (oldest.every(', replace: 'if (!oldest.every(' }],
    killedBy: unit('check/chain.test.ts', 'two commits that the ledger shows as one'),
  },
  {
    name: 'committed records left out by the reader of the job',
    breaks:
      'what a producer commits after it has aborted is missing in the tables, and would be from a check that reads likewise',
    edits: [
      {
        file: 'src/source/kafka/visible-batches.ts',
        find: 'if (isAbortMarker(batch)) open.delete(producerIdOf(batch))',
        replace: 'if (isAbortMarker(batch)) open.add(producerIdOf(batch))',
      },
    ],
    killedBy: integration('verify.test.ts', 'a producer that aborts and then commits'),
  },
  {
    name: 'aborted transaction of the second reader never ended',
    breaks:
      'the check misses what a producer commits after it has aborted, and takes the job for one that counts twice',
    edits: [
      {
        file: 'src/source/kafka/second-reader/aborted-transactions.ts',
        find: 'this.#begun.get(producerId)?.shift()',
        replace: 'this.#begun.get(producerId)?.slice(1)',
      },
    ],
    killedBy: unit(
      'source/kafka/second-reader/reading.test.ts',
      'is every committed record of the range and no other',
    ),
  },
  {
    name: 'position after the last record of a batch',
    breaks: 'the check does not come past what compaction has left at the end of a batch',
    edits: [
      {
        file: 'src/source/kafka/second-reader/decode-batch.ts',
        find: 'const nextOffset = firstOffset + context.lastOffsetDelta + 1',
        replace: 'const nextOffset = firstOffset + Math.max(1, batch.readInt32BE(countAt))',
      },
    ],
    killedBy: unit('source/kafka/second-reader/reading.test.ts', 'goes past what compaction has left'),
  },
]
