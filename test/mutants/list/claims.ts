import { integration, type Mutant, simulation, unit } from '../mutant.ts'

const file = 'src/database/protocol/claim.ts'
const assignment = 'src/driver/assignment.ts'
const starts = 'src/database/protocol/starts.ts'

/** Who owns a partition, and where it is read from. */
export const claimMutants: readonly Mutant[] = [
  {
    name: 'claim used before its COMMIT was acknowledged',
    breaks: 'an owner commits under a claim that was never stored',
    edits: [
      {
        file,
        find: "if (committed.kind !== 'committed') throw unacknowledged(session.job, committed)",
        replace: "if (committed.kind === 'aborted') throw unacknowledged(session.job, committed)",
      },
    ],
    killedBy: simulation(),
  },
  {
    name: 'claim without confirming membership',
    breaks: 'who was stopped while partitions moved fences their new owner',
    edits: [
      {
        file,
        find: 'if (confirm && !(await confirm())) return await undone(null)',
        replace: '',
      },
    ],
    killedBy: simulation(300),
  },
  {
    name: 'claim again without confirming membership',
    breaks: 'who has lost its connection claims what others were given meanwhile',
    edits: [
      {
        file: assignment,
        find: 'if (ownership.claims().length === 0) return\n      if (!(await membership.confirm())) return this.#takeChanges()',
        replace: 'if (ownership.claims().length === 0) return',
      },
    ],
    killedBy: unit(
      'driver/assignment.test.ts',
      'who is no member any more claims nothing again after a lost connection, and lets go of everything',
    ),
  },
  {
    name: 'claim again what somebody else has claimed',
    breaks: 'an owner that was replaced fences its successor after a lost connection',
    edits: [
      {
        file,
        find: 'held: [], ownOnly: true, confirm: null',
        replace: 'held: [], ownOnly: false, confirm: null',
      },
    ],
    killedBy: integration(
      'job-claims.test.ts',
      'on PostgreSQL: after a restore, a row that carries an unknown claim',
    ),
  },
  {
    name: 'files taken up without confirming membership',
    breaks: 'who was stopped while partitions moved ends sessions of their new owner',
    edits: [{ file: assignment, find: '!membership.isShared || (await confirm())', replace: 'true' }],
    killedBy: unit('driver/assignment.test.ts', 'who is no member any more does not touch files'),
  },
  {
    name: 'files of a successor taken up',
    breaks: 'who was replaced ends the session in which its successor loads, and does its work',
    edits: [
      {
        file: 'src/strategy/file-handoff/take-up.ts',
        find: '!claimId || ownIds?.has(claimId) === false',
        replace: '!claimId',
      },
    ],
    killedBy: unit('strategy/file-handoff/take-up.test.ts', 'who was replaced leaves its successor'),
  },
  {
    name: 'kept partitions claimed again',
    breaks: 'ranges in flight of partitions that stay are fenced by their own process',
    edits: [
      {
        file: assignment,
        find: 'claimer.takeOver(gained, ownership.claims(), membership',
        replace: 'claimer.takeOver([...gained, ...ownership.claims()], ownership.claims(), membership',
      },
    ],
    killedBy: simulation(),
  },
  {
    name: 'claims not read again under the lock',
    breaks: 'what a claim knows of others is older than the lock of the job',
    edits: [
      {
        file,
        find: 'const rows = await trx.readPositions(session.job)\n      const lost',
        replace: 'const rows = seen\n      const lost',
      },
    ],
    killedBy: simulation(4_000),
  },
  {
    name: 'seek skipped after a claim',
    breaks: 'reading goes on where memory is, not where the database is',
    edits: [
      {
        file: assignment,
        find: 'await executor.seek(claims)',
        replace:
          'await executor.seek(claims.filter((claim) => !executor.progress().some((read) => read.topic === claim.topic && read.partition === claim.partition)))',
      },
    ],
    killedBy: simulation(),
  },
  {
    name: "seek to the Kafka group's offset",
    breaks: 'the position of the database is not where reading begins',
    edits: [
      {
        file,
        find: 'claims: claimed.map((row) => ({ ...row, claimId })),',
        replace:
          'claims: await Promise.all(claimed.map(async (row) => ({ ...row, claimId, nextOffset: (await source.groupOffsets(session.job, [row]))[0] ?? row.nextOffset }))),',
      },
    ],
    killedBy: integration('job-resume.test.ts', 'on PostgreSQL: a job that has positions resumes from them'),
  },
  {
    name: 'startFrom wins over SQL',
    breaks: 'a restart begins at startFrom again',
    edits: [
      {
        file,
        find: 'claims: claimed.map((row) => ({ ...row, claimId })),',
        replace:
          'claims: await Promise.all(claimed.map(async (row) => ({ ...row, claimId, nextOffset: (await source.startOffsets([row], this.#deps.startFrom))[0] ?? row.nextOffset }))),',
      },
    ],
    killedBy: simulation(),
  },
  {
    name: 'start decided per claim',
    breaks: 'records between the first start and a later claim are skipped',
    edits: [
      {
        file: starts,
        find: "seq === 0n && startReason === 'earliest' && incarnation === 0",
        replace: 'seq === 0n && incarnation === 0',
      },
      {
        file: starts,
        find: 'row.nextOffset >= bound.low && row.nextOffset <= bound.high',
        replace:
          "row.startReason === 'earliest' && row.nextOffset >= bound.low && row.nextOffset <= bound.high",
      },
      {
        file: starts,
        find: 'const nextOffset = bound.low',
        replace: "const nextOffset = row.startReason === 'latest' ? bound.high : bound.low",
      },
    ],
    killedBy: integration(
      'job-positions.test.ts',
      'on PostgreSQL: a start before anything was committed latest: records',
    ),
  },
]
