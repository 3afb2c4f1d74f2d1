import { asServerError } from './errors.ts'
import { quoteIdentifier } from './identifiers.ts'
import type { Session } from './session.ts'

/** No privilege on the table (1142), on a column of it (1143), on the database (1044). */
const denied: ReadonlySet<number> = new Set([1_142, 1_143, 1_044])

/**
 * The privileges that this user lacks, of SELECT, INSERT, UPDATE and DELETE. The server is asked to explain a statement
 * of each kind, for which it wants the same privilege as to run it: its grant tables tell less (roles, wildcards).
 * @param table quoted
 * @param columns names of those that can be written
 */
export async function missingPrivileges(
  session: Session,
  table: string,
  columns: readonly string[],
): Promise<string[]> {
  const names = columns.map(quoteIdentifier)
  const [first] = names
  // A table of generated columns only is no sink.
  if (first === undefined) return []
  const probes = {
    SELECT: `SELECT ${names.join(', ')} FROM ${table}`,
    INSERT: `INSERT INTO ${table} (${names.join(', ')}) VALUES (${names.map(() => 'NULL').join(', ')})`,
    UPDATE: `UPDATE ${table} SET ${names.map((name) => `${name} = NULL`).join(', ')}`,
    DELETE: `DELETE FROM ${table}`,
  }
  const missing: string[] = []
  for (const [privilege, statement] of Object.entries(probes)) {
    try {
      await session.send(`EXPLAIN ${statement}`, [])
    } catch (error) {
      const server = asServerError(error)
      if (server && denied.has(server.errno)) missing.push(privilege)
      // Whatever else is wrong with the statement, the privilege is there.
      else if (!server || session.broken) {
        throw session.classify(error, { scope: 'own', doing: `look for privileges on ${table}` })
      }
    }
  }
  return missing
}
