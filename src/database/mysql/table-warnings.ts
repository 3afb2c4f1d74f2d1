import type { Session } from './session.ts'

interface Trigger {
  readonly [column: string]: string | null
  readonly name: string
  readonly event: string
  readonly body: string
}

interface Table {
  readonly [column: string]: string | null
  readonly name: string
  readonly engine: string
}

/**
 * What makes a table's rows differ from what is written to it, or brings other tables in: its triggers, and whether
 * they name a table whose rows stay when the transaction is rolled back.
 */
export async function tableWarnings(session: Session, database: string, table: string): Promise<string[]> {
  const purpose = { scope: 'own', doing: `look for triggers of ${table}` } as const
  const triggers = (await session.query<Trigger>(triggersOf, [database, table], purpose)).rows
  if (triggers.length === 0) return []
  const lasting = (await session.query<Table>(lastingTables, [database], purpose)).rows
  return triggers.flatMap(({ name, event, body }) => {
    const trigger = `trigger ${name} on ${table}`
    return [
      `${trigger} runs with every ${event}: it may change rows`,
      ...lasting
        .filter((other) => names(body, other.name))
        .map(
          (other) =>
            `${trigger} names ${other.name}, a table of ${other.engine}: what is written there stays when the batch is ` +
            'rolled back, and is written again',
        ),
    ]
  })
}

/** Whether a body of SQL has the name as a word, in whatever case. */
function names(body: string, name: string): boolean {
  const escaped = name.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
  return new RegExp(`(?<![\\w$])${escaped}(?![\\w$])`, 'iu').test(body)
}

const triggersOf = `
  SELECT trigger_name AS name, event_manipulation AS event, action_statement AS body
  FROM information_schema.triggers WHERE event_object_schema = ? AND event_object_table = ?
    AND event_manipulation IN ('INSERT', 'UPDATE', 'DELETE')
  ORDER BY action_timing, event_manipulation, trigger_name`

const lastingTables = `
  SELECT table_name AS name, engine AS engine FROM information_schema.tables
  WHERE table_schema = ? AND table_type = 'BASE TABLE' AND engine <> 'InnoDB'`
