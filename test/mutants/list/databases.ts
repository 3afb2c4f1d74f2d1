import { integration, type Mutant, unit } from '../mutant.ts'

const postgres = 'src/database/postgres'
const mysql = 'src/database/mysql'
const postgresCas = `${postgres}/advance-ranges.ts`
const mysqlCas = `${mysql}/advance-ranges.ts`
const compared = 'AND o.next_offset = l.from_offset AND o.epoch = l.epoch AND o.claim_id = l.claim_id'
const wrong = 'compare-and-set a range with a wrong'

/** SQL text, and what is made of the databases' answers. */
export const databaseMutants: readonly Mutant[] = [
  {
    name: 'epoch only with remembered positions (PostgreSQL)',
    breaks: 'an owner whose database went back in time goes on from what it remembers',
    edits: [{ file: postgresCas, find: compared, replace: 'AND o.epoch = l.epoch' }],
    killedBy: integration('postgres-protocol.test.ts', `${wrong} next_offset`),
  },
  {
    name: 'epoch only with remembered positions (MySQL)',
    breaks: 'the same',
    edits: [
      {
        file: mysqlCas,
        find: 'WHERE o.next_offset = v.from_offset AND o.epoch = v.wanted_epoch\n       AND o.claim_id = v.wanted_claim',
        replace: 'WHERE o.epoch = v.wanted_epoch\n       AND v.wanted_claim = v.wanted_claim',
      },
    ],
    killedBy: integration('mysql-protocol.test.ts', `mysql ${wrong} next_offset`),
  },
  {
    name: 'claim_id not compared (PostgreSQL)',
    breaks: 'epochs that a database which went back in time hands out again let two owners commit',
    edits: [{ file: postgresCas, find: ' AND o.claim_id = l.claim_id', replace: '' }],
    killedBy: integration('postgres-protocol.test.ts', `${wrong} claim_id`),
  },
  {
    name: 'claim_id not compared (MySQL)',
    breaks: 'the same',
    edits: [
      {
        file: mysqlCas,
        find: 'WHERE o.next_offset = v.from_offset AND o.epoch = v.wanted_epoch\n       AND o.claim_id = v.wanted_claim',
        replace:
          'WHERE o.next_offset = v.from_offset AND o.epoch = v.wanted_epoch\n       AND v.wanted_claim = v.wanted_claim',
      },
    ],
    killedBy: integration('mysql-protocol.test.ts', `mysql ${wrong} claim_id`),
  },
  {
    name: 'epoch not compared (PostgreSQL)',
    breaks: 'a claim id alone decides',
    edits: [{ file: postgresCas, find: ' AND o.epoch = l.epoch', replace: '' }],
    killedBy: integration('postgres-protocol.test.ts', `${wrong} epoch`),
  },
  {
    name: 'partition not compared (PostgreSQL)',
    breaks: 'one range moves the positions of every partition that stands where it begins',
    edits: [
      {
        file: postgresCas,
        find: 'WHERE o.job = $1 AND o.topic = l.topic AND o.partition = l.partition\n         AND',
        replace: 'WHERE o.job = $1 AND o.topic = l.topic\n         AND',
      },
    ],
    killedBy: integration('simulation-fidelity.test.ts', 'on PostgreSQL: schedule'),
  },
  {
    name: 'COMMIT tag not looked at',
    breaks: 'a transaction that PostgreSQL has rolled back counts as committed',
    edits: [
      {
        file: `${postgres}/commit.ts`,
        find: "if (command === 'COMMIT') return",
        replace: 'if (command) return',
      },
    ],
    killedBy: integration(
      'postgres-commit.test.ts',
      'a transaction that has failed answers with the tag ROLLBACK',
    ),
  },
  {
    name: 'savepoint canary left out',
    breaks: 'a COMMIT hidden in a procedure stores positions without rows',
    edits: [
      {
        file: `${mysql}/transaction.ts`,
        find: 'if (canary && !(await canary.release())) throw',
        replace: 'if (canary && (await canary.release()) === null) throw',
      },
    ],
    killedBy: integration('mysql-commit.test.ts', 'mysql a transaction that ended before its COMMIT'),
  },
  {
    name: 'definite COMMIT error taken as ambiguous (PostgreSQL)',
    breaks: 'a row that a deferred constraint rejects is tried for ever, and never searched for',
    edits: [
      {
        file: `${postgres}/commit.ts`,
        find: 'if (isDefinite(error)) return',
        replace: "if (isDefinite(error) && session.target === '') return",
      },
    ],
    killedBy: unit('database/postgres/commit.test.ts', 'is definite, in whatever language'),
  },
  {
    name: 'definite COMMIT error taken as ambiguous (MySQL)',
    breaks: 'a batch that was rolled back counts as unknown',
    edits: [
      {
        file: `${mysql}/commit.ts`,
        find: 'if (isDefinite(error)) {',
        replace: "if (isDefinite(error) && session.target === '') {",
      },
    ],
    killedBy: unit('database/mysql/commit.test.ts', 'COMMIT'),
  },
  {
    name: 'ambiguous COMMIT error taken as definite (MySQL)',
    breaks: 'a batch that may have committed is run again as if it had not',
    edits: [
      {
        file: `${mysql}/commit.ts`,
        find: "if (server === null || server.sqlState === '40003') return false",
        replace: 'if (server === null) return false\n  if (server.errno === 1180) return true',
      },
    ],
    killedBy: unit('database/mysql/commit.test.ts', 'COMMIT'),
  },
  {
    name: 'connection reused after an ambiguous COMMIT (PostgreSQL)',
    breaks: 'the next transaction begins on a session of which nobody knows where it is',
    edits: [
      {
        file: `${postgres}/commit.ts`,
        find: 'session.destroy()\n    const message',
        replace: 'const message',
      },
    ],
    killedBy: integration(
      'postgres-commit.test.ts',
      'SQLSTATE 40003 there leaves it unknown, and the connection is not used again',
    ),
  },
  {
    name: 'connection reused after an ambiguous COMMIT (MySQL)',
    breaks: 'the same',
    edits: [
      {
        file: `${mysql}/commit.ts`,
        find: 'session.destroy()\n    const message',
        replace: 'const message',
      },
    ],
    killedBy: unit('database/mysql/commit.test.ts', 'leaves it unknown, and the connection is cut'),
  },
  {
    name: 'swallowed statement error',
    breaks: 'a statement that has failed inside of write is forgotten when the job catches its error',
    edits: [
      {
        file: 'src/database/user-code.ts',
        find: 'if (statements.poison) throw statements.poison\n',
        replace: '',
      },
    ],
    killedBy: integration(
      'job-failures.test.ts',
      'no ledger row behind: and is swallowed by the job’s own code',
    ),
  },
  {
    name: 'missing table taken for poison (PostgreSQL)',
    breaks: 'every record is set aside because the table is not there',
    edits: [
      {
        file: `${postgres}/errors.ts`,
        find: "  P0: 'ROWS_REJECTED',",
        replace: "  P0: 'ROWS_REJECTED',\n  '42P01': 'ROWS_REJECTED',",
      },
    ],
    killedBy: unit('database/postgres/errors.test.ts', '42P01'),
  },
  {
    name: 'missing table taken for poison (MySQL)',
    breaks: 'the same',
    edits: [
      {
        file: `${mysql}/errors.ts`,
        find: "  1118: 'ROWS_REJECTED',",
        replace: "  1146: 'ROWS_REJECTED',\n  1118: 'ROWS_REJECTED',",
      },
    ],
    killedBy: unit('database/mysql/errors.test.ts', '1146'),
  },
  {
    name: 'keys unsorted',
    breaks: 'transactions that write the same keys at once deadlock',
    edits: [
      {
        file: 'src/sink/rows.ts',
        find: '.sort((a, b) => compareKeys(a.keys, b.keys))',
        replace: '.sort(() => compareKeys([], []))',
      },
    ],
    killedBy: unit('sink/deliver.test.ts', 'hands over columns with their rules, and rows sorted by key'),
  },
  {
    name: 'handed-off file loaded under another claim',
    breaks: 'what an owner that was replaced has computed is written beside what its successor reads again',
    edits: [
      {
        file: 'src/strategy/file-handoff/load-file.ts',
        find: "await session.runtime.faultPoints.reach('handoff.loading')",
        replace:
          "await session.runtime.faultPoints.reach('handoff.loading')\n  const { row: now } = await positionOf(session, file)\n  if (now?.claimId) Object.assign(claim, { epoch: now.epoch, claimId: now.claimId })",
      },
    ],
    killedBy: integration(
      'file-handoff.test.ts',
      'on PostgreSQL: files of a job of an owner that is replaced while one is being loaded',
    ),
  },
]
