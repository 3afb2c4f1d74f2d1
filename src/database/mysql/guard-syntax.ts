import type { GuardSyntax, RefusedBecause } from '../statement-guard.ts'

const words: Record<RefusedBecause, readonly string[]> = {
  // A prepared statement may be a COMMIT. MariaDB runs compound statements outside of procedures, and what stands in
  // them is not looked at.
  transaction: [
    ...['BEGIN', 'START', 'COMMIT', 'ROLLBACK', 'SAVEPOINT', 'RELEASE', 'XA'],
    ...['PREPARE', 'EXECUTE', 'DEALLOCATE'],
    ...['IF', 'CASE', 'LOOP', 'REPEAT', 'WHILE', 'FOR', 'DECLARE'],
    ...['LOCK', 'UNLOCK'],
  ],
  // Each of them commits before it begins.
  ddl: [
    ...['CREATE', 'ALTER', 'DROP', 'TRUNCATE', 'RENAME', 'GRANT', 'REVOKE'],
    ...[
      'ANALYZE',
      'OPTIMIZE',
      'REPAIR',
      'CHECK',
      'CACHE',
      'IMPORT',
      'INSTALL',
      'UNINSTALL',
      'BACKUP',
      'CLONE',
    ],
  ],
  session: [
    ...['USE', 'RESET', 'FLUSH', 'PURGE', 'STOP', 'CHANGE', 'KILL', 'SHUTDOWN', 'RESTART', 'BINLOG'],
    'HANDLER',
  ],
  // LOAD DATA LOCAL takes what does not fit without an error.
  bulk: ['LOAD'],
}

/** No form of SET ends with the transaction; MariaDB's SET STATEMENT runs another statement. */
export const mysqlGuard: GuardSyntax = {
  nestedComments: false,
  hashComments: true,
  executableComments: true,
  lineEnds: '\n',
  refused: new Map(
    (Object.keys(words) as RefusedBecause[]).flatMap((because) =>
      words[because].map((word) => [word, because] as const),
    ),
  ),
  allowedAfterSet: new Set(),
}
