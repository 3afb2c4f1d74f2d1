import type { Runtime } from '../../runtime/runtime.ts'
import type { Dialect } from '../dialect.ts'
import { openSession } from './connect.ts'
import { PostgresConnection } from './connection.ts'
import { createTableText } from './create-table.ts'
import { migrationScript } from './migrations.ts'
import type { PostgresPlan } from './options.ts'

/** PostgreSQL 12 or newer behind the dialect port. */
export function createPostgresDialect(plan: PostgresPlan, runtime: Runtime): Dialect {
  return {
    engine: 'postgres',
    connect: async (name) => {
      const { session, facts } = await openSession(plan, name, runtime)
      return new PostgresConnection({ plan, runtime, session, facts })
    },
    createTableText,
    migrationScript: () => migrationScript(plan.schema),
  }
}
