import type { MysqlPlan } from './options.ts'
import type { Flavour } from './server-version.ts'

/**
 * Strict, whatever the server says: a value that does not fit is an error and never cut, a zero is a zero. Backslashes
 * escape (the driver's literals rely on it), double quotes enclose text.
 */
const SQL_MODE = [
  'STRICT_ALL_TABLES',
  'STRICT_TRANS_TABLES',
  'NO_ZERO_IN_DATE',
  'NO_ZERO_DATE',
  'ERROR_FOR_DIVISION_BY_ZERO',
  'NO_ENGINE_SUBSTITUTION',
  'NO_AUTO_VALUE_ON_ZERO',
].join(',')

/**
 * What every session sets, whatever the server's defaults are, as the items of one SET SESSION.
 *
 * Statements are bounded twice: by the clock here (see Session), and by the server itself as far as it can
 * (MariaDB everything, MySQL what only reads), for the case that this process is stopped.
 */
export function settingsOf(plan: MysqlPlan, flavour: Flavour): string[] {
  const { statementTimeoutMs, lockTimeoutSeconds, idleInTransactionTimeoutSeconds: idle } = plan
  return [
    `sql_mode = '${SQL_MODE}'`,
    `time_zone = '+00:00'`,
    'autocommit = 1',
    // COMMIT AND CHAIN, or RELEASE, would be what COMMIT means.
    `completion_type = 'NO_CHAIN'`,
    'foreign_key_checks = 1',
    'unique_checks = 1',
    // Without it the server would not count what it has changed with no more than a note, see sendRows.
    'sql_notes = 1',
    'sql_safe_updates = 0',
    'sql_big_selects = 1',
    'sql_select_limit = 18446744073709551615',
    `innodb_lock_wait_timeout = ${lockTimeoutSeconds}`,
    // Of tables that are being altered.
    `lock_wait_timeout = ${lockTimeoutSeconds}`,
    ...(flavour === 'mariadb'
      ? [
          `max_statement_time = ${statementTimeoutMs / 1_000}`,
          `idle_transaction_timeout = ${idle}`,
          'check_constraint_checks = 1',
        ]
      : // MySQL does not tell idle in a transaction from idle. A process looks at its positions every few seconds.
        [`max_execution_time = ${statementTimeoutMs}`, `wait_timeout = ${idle}`]),
  ]
}

/** Why a server with these settings cannot be used, or null. */
export function unfitReason(variables: ReadonlyMap<string, string>): string | null {
  const [logs, format] = [variables.get('log_bin') ?? 'OFF', variables.get('binlog_format') ?? 'ROW']
  if (logs.toUpperCase() === 'ON' && format.toUpperCase() === 'STATEMENT') {
    return (
      'its binary log is written with binlog_format=STATEMENT, and InnoDB refuses to write rows at READ COMMITTED ' +
      'then. Set binlog_format to ROW (or MIXED) at the server'
    )
  }
  return null
}
