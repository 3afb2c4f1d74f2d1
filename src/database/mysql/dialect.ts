import type { Runtime } from '../../runtime/runtime.ts'
import type { Dialect } from '../dialect.ts'
import { createTableText } from './create-table.ts'
import { COLLATION_OF_EITHER, migrationScript } from './migrations.ts'
import type { MysqlPlan } from './options.ts'

/** MySQL 8.0.19 or newer, or MariaDB 10.6 or newer, behind the dialect port: the server says which it is. */
export function createMysqlDialect(plan: MysqlPlan, runtime: Runtime): Dialect {
  return {
    engine: 'mysql',
    connect: async (name) => {
      // A process loads the driver of the engine that it connects to, and no other: each takes a tenth of a start.
      const { openConnection } = await import('./open-connection.ts')
      return openConnection(plan, name, runtime)
    },
    createTableText: (table) => createTableText(table, COLLATION_OF_EITHER),
    migrationScript: () => migrationScript(plan.schema),
  }
}
