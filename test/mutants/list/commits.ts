import { type Mutant, simulation } from '../mutant.ts'

const file = 'src/database/protocol/commit-batch.ts'
const result = 'const result = await trx.commit()'

/** The batch transaction, and what is made of the answer to its COMMIT. */
export const commitMutants: readonly Mutant[] = [
  {
    name: 'no compare-and-set',
    breaks: 'rows are written although the positions did not match',
    edits: [{ file, find: 'if (matched !== ranges.length) {', replace: 'if (matched > ranges.length) {' }],
    killedBy: simulation(),
  },
  {
    name: 'offsets in a second transaction',
    breaks: 'a crash between the two loses the rows of a range that counts as done',
    edits: [
      {
        file,
        find: 'const written = await writeRows(trx)',
        replace:
          "await trx.commit()\n    trx = await connection.begin('batch')\n    const written = await writeRows(trx)",
      },
    ],
    killedBy: simulation(),
  },
  {
    name: 'error of the rows swallowed',
    breaks: 'positions and ledger commit without rows',
    edits: [
      {
        file: 'src/strategy/collect-then-commit.ts',
        find: 'rows: await deliverPartials(trx, pipelines, collected, info),',
        replace: 'rows: await deliverPartials(trx, pipelines, collected, info).catch(() => 0),',
      },
    ],
    killedBy: simulation(),
  },
  {
    name: 'lost answer assumed committed',
    breaks: 'a batch that never arrived is never written',
    edits: [
      {
        file,
        find: result,
        replace:
          "const answer = await trx.commit()\n  const result = answer.kind === 'unknown' ? ({ kind: 'committed' } as const) : answer",
      },
    ],
    killedBy: simulation(),
  },
  {
    name: 'lost answer assumed aborted',
    breaks: 'a batch that has committed is announced as one that has not',
    edits: [
      {
        file,
        find: result,
        replace:
          "const answer = await trx.commit()\n  const result = answer.kind === 'unknown' ? ({ ...answer, kind: 'aborted' } as const) : answer",
      },
    ],
    killedBy: simulation(),
  },
  {
    name: 'retry inside the transaction',
    breaks: 'part of the rows is written twice, or to a transaction that has ended',
    edits: [
      {
        file,
        find: 'const written = await writeRows(trx)',
        replace: 'const open = trx\n    const written = await writeRows(trx).catch(() => writeRows(open))',
      },
    ],
    killedBy: simulation(),
  },
  {
    name: 'ledger left out',
    breaks: 'nobody can tell which ranges were written',
    edits: [
      {
        file,
        find: 'read.map((entry) => toLedger(entry, batchId)),',
        replace: 'read.slice(1).map((entry) => toLedger(entry, batchId)),',
      },
    ],
    killedBy: simulation(),
  },
  {
    name: 'dead letter outside the transaction',
    breaks: 'a batch that is rolled back leaves its dead letters behind',
    edits: [
      {
        file,
        find: 'await setAside(session, trx, batchId, read, deadLetterLimit)',
        replace:
          "await session.beside(async (other) => {\n      const outside = await other.begin('batch')\n      await setAside(session, outside, batchId, read, deadLetterLimit)\n      await outside.commit()\n    })",
      },
    ],
    killedBy: simulation(),
  },
  {
    name: "two partitions' offsets swapped",
    breaks: 'each of two partitions moves to where the other one is',
    edits: [
      {
        file,
        find: 'ranges.map(toAdvance))',
        replace:
          'ranges.map(toAdvance).map((advance, i, all) => ({ ...advance, range: { ...advance.range, until: (all[all.length - 1 - i] ?? advance).range.until } })))',
      },
    ],
    killedBy: simulation(),
  },
  {
    name: 'partial results merged twice',
    breaks: 'groups that several partitions have count double',
    edits: [
      {
        file: 'src/aggregation/collect.ts',
        find: 'for (const { groups } of rest) {',
        replace: 'for (const { groups } of [...rest, ...rest]) {',
      },
    ],
    killedBy: simulation(),
  },
]
