import { onTestFinished } from 'vitest'
import type { TestDatabase } from './postgres-service.ts'
import { uniqueName } from './unique.ts'

export interface TestRole {
  readonly role: string
  /** The database's URL as this role. */
  readonly url: string
}

/** A role that may log in and nothing else; gone after the test, with all it was granted in this database. */
export async function createRole(database: TestDatabase, attributes = ''): Promise<TestRole> {
  const role = uniqueName('role')
  const password = uniqueName('secret')
  await database.knex.raw(`CREATE ROLE ${role} LOGIN PASSWORD '${password}' ${attributes}`)
  onTestFinished(async () => {
    await database.knex.raw(`REASSIGN OWNED BY ${role} TO CURRENT_USER`)
    await database.knex.raw(`DROP OWNED BY ${role}`)
    await database.knex.raw(`DROP ROLE ${role}`)
  })
  const url = new URL(database.url)
  url.username = role
  url.password = password
  return { role, url: url.href }
}
