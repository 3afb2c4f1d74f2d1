import type { Runtime } from '../../runtime/runtime.ts'
import type { Dialect } from '../dialect.ts'
import { openSession } from './connect.ts'
import { MysqlConnection } from './connection.ts'
import { createTableText } from './create-table.ts'
import { COLLATION_OF_EITHER, migrationScript } from './migrations.ts'
import type { MysqlPlan } from './options.ts'

/** MySQL 8.0.19 or newer, or MariaDB 10.6 or newer, behind the dialect port: the server says which it is. */
export function createMysqlDialect(plan: MysqlPlan, runtime: Runtime): Dialect {
  return {
    engine: 'mysql',
    connect: async (name) => {
      const { session, facts } = await openSession(plan, name, runtime)
      return new MysqlConnection({ plan, runtime, session, facts })
    },
    createTableText: (table) => createTableText(table, COLLATION_OF_EITHER),
    migrationScript: () => migrationScript(plan.schema),
  }
}
