import { integration, type Mutant, unit } from '../mutant.ts'

const buffer = 'src/source/kafka/partition-buffer.ts'
const visible = 'src/source/kafka/visible-batches.ts'
const anyTakes = unit(
  'source/kafka/partition-buffer.test.ts',
  'any sequence of takes returns every visible record',
)
const transactions = unit(
  'source/kafka/visible-batches.test.ts',
  'shows exactly the records of committed transactions',
)

/** What is read of Kafka's log, and as which range. */
export const readingMutants: readonly Mutant[] = [
  {
    name: 'response with an old seek counter accepted',
    breaks: 'records from before a change of leader are taken for those after it',
    edits: [
      {
        file: 'src/source/kafka/leader-loop.ts',
        find: "return partition.state === 'reading' && partition.seekCounter === seekCounter",
        replace: "return partition.state === 'reading' && partition.seekCounter >= seekCounter",
      },
    ],
    killedBy: unit(
      'source/kafka/leader-loop.test.ts',
      'a partition that was given a new leader epoch does not wait',
    ),
  },
  {
    name: 'ranges recorded too long by one',
    breaks: 'the record after every range is skipped',
    edits: [
      { file: buffer, find: 'until: BigInt(taken.until) }', replace: 'until: BigInt(taken.until + 1) }' },
    ],
    killedBy: anyTakes,
  },
  {
    name: 'ranges recorded too short by one',
    breaks: 'the last record of every range counts twice',
    edits: [
      { file: buffer, find: 'until: BigInt(taken.until) }', replace: 'until: BigInt(taken.until - 1) }' },
    ],
    killedBy: anyTakes,
  },
  {
    name: 'last offset instead of next offset',
    breaks: 'the last record that was taken is read again',
    edits: [
      { file: buffer, find: 'recordOffset(segment, end - 1) + 1', replace: 'recordOffset(segment, end - 1)' },
    ],
    killedBy: unit(
      'source/kafka/partition-buffer.test.ts',
      'a cut inside a batch ends right after the last record taken',
    ),
  },
  {
    name: 'compacted gap taken for loss',
    breaks: 'a topic that is compacted cannot be read',
    edits: [
      {
        file: buffer,
        find: 'batch.baseOffset >= this.#fetchedUntil',
        replace: 'batch.baseOffset === this.#fetchedUntil',
      },
    ],
    killedBy: anyTakes,
  },
  {
    name: 'read_committed filter off',
    breaks: 'records of aborted transactions count',
    edits: [
      {
        file: 'src/source/kafka/accept-fetched.ts',
        find: "isolation === 'read_committed' ? committedBatches(batches, fetched.aborted) : dataBatches(batches)",
        replace:
          'fetched.aborted === null ? committedBatches(batches, fetched.aborted) : dataBatches(batches)',
      },
    ],
    killedBy: integration(
      'source-transactions.test.ts',
      'only committed records are seen, from every starting offset',
    ),
  },
  {
    name: 'aborted state kept across fetches',
    breaks: 'committed records are swallowed after a seek',
    edits: [
      { file: visible, find: 'const open = new Set<bigint>()', replace: 'const open = kept' },
      {
        file: visible,
        find: '/** Without the control batches, which are no records to anybody. */',
        replace: 'const kept = new Set<bigint>()\n',
      },
    ],
    killedBy: transactions,
  },
  {
    name: 'abort marker handled before activation',
    breaks: 'an aborted transaction stays open, and swallows what its producer commits next',
    edits: [
      {
        file: visible,
        find: 'for (const batch of batches) {\n',
        replace:
          'for (const batch of batches) {\n    if (isControl(batch) && isAbortMarker(batch)) open.delete(producerIdOf(batch))\n',
      },
      {
        file: visible,
        find: 'if (isAbortMarker(batch)) open.delete(producerIdOf(batch))\n    } else',
        replace: '} else',
      },
    ],
    killedBy: unit(
      'source/kafka/visible-batches.test.ts',
      'a response that begins with the abort marker ends the transaction',
    ),
  },
  {
    name: 'topic id not compared by a seek',
    breaks: 'offsets of a topic that was deleted are used in another one of its name',
    edits: [
      {
        file: 'src/source/kafka/position-check.ts',
        find: 'metadata !== undefined && metadata.topicId !== topicId',
        replace: 'metadata !== undefined && metadata.topicId === null',
      },
    ],
    killedBy: integration(
      'source-positions.test.ts',
      'the position of a topic that was created again is refused',
    ),
  },
  {
    name: 'truncated log not noticed',
    breaks: 'records that replaced those that were read are never read',
    edits: [
      {
        file: 'src/source/kafka/position-check.ts',
        find: 'epochEnd !== null && epochEnd >= 0n && epochEnd < nextOffset',
        replace: 'epochEnd !== null && epochEnd < 0n && epochEnd > nextOffset',
      },
    ],
    killedBy: integration(
      'source-broker-failures.test.ts',
      'loses the end of its log: a position past the end',
    ),
  },
]
