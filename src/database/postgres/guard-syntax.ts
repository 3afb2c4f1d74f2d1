import type { GuardSyntax, RefusedBecause } from '../statement-guard.ts'

const words: Record<RefusedBecause, readonly string[]> = {
  // PREPARE TRANSACTION ends the transaction; PREPARE of a statement outlives it.
  transaction: [
    'BEGIN',
    'START',
    'COMMIT',
    'END',
    'ROLLBACK',
    'ABORT',
    'SAVEPOINT',
    'RELEASE',
    'PREPARE',
    'DEALLOCATE',
  ],
  ddl: [
    'CREATE',
    'ALTER',
    'DROP',
    'TRUNCATE',
    'GRANT',
    'REVOKE',
    'COMMENT',
    'SECURITY',
    'REINDEX',
    'VACUUM',
    'CLUSTER',
    'ANALYZE',
    'ANALYSE',
    'REFRESH',
    'REASSIGN',
    'IMPORT',
    'CHECKPOINT',
    'LOAD',
    'REPACK',
  ],
  session: ['RESET', 'DISCARD', 'LISTEN', 'UNLISTEN'],
  // By the extended protocol both sides would wait for each other.
  bulk: ['COPY'],
}

/** SET LOCAL and SET CONSTRAINTS end with the transaction. */
export const postgresGuard: GuardSyntax = {
  nestedComments: true,
  hashComments: false,
  executableComments: false,
  lineEnds: '\n\r',
  refused: new Map(
    (Object.keys(words) as RefusedBecause[]).flatMap((because) =>
      words[because].map((word) => [word, because] as const),
    ),
  ),
  allowedAfterSet: new Set(['LOCAL', 'CONSTRAINTS']),
}
