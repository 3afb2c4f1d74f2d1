/*
 * What oncesink relies on in a session. It holds for one transaction (SET LOCAL) and is set in each, never for the
 * session: behind a pooler in transaction mode the next transaction may run in another session, and what was set in
 * this one would surprise the next client that is given it.
 */

/**
 * How often the server looks whether its client is still there while it runs a statement. Without it a claim waits
 * for the running statement of an owner that was killed.
 */
export const CONNECTION_CHECK_INTERVAL_MS = 500

/** How values are written and read: whatever server, database or role have as their defaults. */
const format: Readonly<Record<string, string>> = {
  TimeZone: "'UTC'",
  DateStyle: "'ISO, MDY'",
  IntervalStyle: "'postgres'",
  bytea_output: "'hex'",
  extra_float_digits: '1',
  standard_conforming_strings: 'on',
}

export interface Bounds {
  readonly statementTimeoutMs: number
  readonly lockTimeoutMs: number
  readonly idleInTransactionTimeoutMs: number
}

/** The statements that follow BEGIN. */
export function transactionSettings(bounds: Bounds, checksConnections: boolean): string[] {
  const settings = {
    statement_timeout: String(bounds.statementTimeoutMs),
    lock_timeout: String(bounds.lockTimeoutMs),
    idle_in_transaction_session_timeout: String(bounds.idleInTransactionTimeoutMs),
    ...format,
    ...(checksConnections && { client_connection_check_interval: String(CONNECTION_CHECK_INTERVAL_MS) }),
  }
  return Object.entries(settings).map(([name, value]) => `SET LOCAL ${name} = ${value}`)
}

/** A session's start as text that names the same moment under any settings. */
export const startedAt = `to_char(backend_start AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US') || '+00'`
