import type { Runtime } from '../../runtime/runtime.ts'
import type { Dialect } from '../dialect.ts'
import { createTableText } from './create-table.ts'
import { migrationScript } from './migrations.ts'
import type { PostgresPlan } from './options.ts'

/** PostgreSQL 12 or newer behind the dialect port. */
export function createPostgresDialect(plan: PostgresPlan, runtime: Runtime): Dialect {
  return {
    engine: 'postgres',
    connect: async (name) => {
      // A process loads the driver of the engine that it connects to, and no other: each takes a tenth of a start.
      const { openConnection } = await import('./open-connection.ts')
      return openConnection(plan, name, runtime)
    },
    createTableText,
    migrationScript: () => migrationScript(plan.schema),
  }
}
