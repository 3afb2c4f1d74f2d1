import type { Runtime } from '../../runtime/runtime.ts'
import type { SessionName } from '../dialect.ts'
import { openSession } from './connect.ts'
import { PostgresConnection } from './connection.ts'
import type { PostgresPlan } from './options.ts'

/**
 * Everything of this engine that a connection takes, the driver among it: loaded by the dialect with the first one.
 * @throws OncesinkError DATABASE_UNAVAILABLE, DATABASE_REFUSED
 */
export async function openConnection(
  plan: PostgresPlan,
  name: SessionName,
  runtime: Runtime,
): Promise<PostgresConnection> {
  const { session, facts } = await openSession(plan, name, runtime)
  return new PostgresConnection({ plan, runtime, session, facts })
}
