import type { DatabaseOptions, NativeDatabase } from '../../src/services/index.ts'
import { createDatabaseOn, ownServer, postgresEngine, type TestDatabase } from './engines.ts'

export { cleanUpAfterFile, type TestDatabase } from './engines.ts'

/** Where the PostgreSQL of this run is: the URL of its maintenance database, as a superuser. */
export function postgresService(): { readonly url: string } {
  return { url: postgresEngine.url }
}

/** A server that belongs to the test alone, for tests that kill it; it ends after the test file. */
export function ownPostgres(options: DatabaseOptions = {}): Promise<NativeDatabase> {
  return ownServer(postgresEngine, options)
}

/** Creates an empty database of PostgreSQL with a unique name that begins with `stem`; dropped after the test file. */
export function createDatabase(stem?: string, serverUrl?: string): Promise<TestDatabase> {
  return createDatabaseOn(postgresEngine, stem, serverUrl)
}
