import knexFactory, { type Knex } from 'knex'
import { afterAll, inject } from 'vitest'
import { type DatabaseOptions, type NativeDatabase, startNativeDatabase } from '../../src/services/index.ts'
import { uniqueName } from './unique.ts'

/** Where the PostgreSQL of this run is: the URL of its maintenance database, as a superuser. */
export function postgresService(): { readonly url: string } {
  return { url: inject('postgresUrl') }
}

/** A server that belongs to the test alone, for tests that kill it; it ends after the test file. */
export async function ownPostgres(options: DatabaseOptions = {}): Promise<NativeDatabase> {
  const postgres = await startNativeDatabase('postgres', options)
  cleanUp.push(() => postgres.stop())
  return postgres
}

export interface TestDatabase {
  readonly url: string
  readonly name: string
  /** A pool for what a test does from outside. */
  readonly knex: Knex
}

/** Creates an empty database with a unique name that begins with `stem`; dropped after the test file. */
export async function createDatabase(
  stem = 'test',
  serverUrl: string = postgresService().url,
): Promise<TestDatabase> {
  const name = uniqueName(stem)
  const url = new URL(serverUrl)
  url.pathname = `/${name}`
  const server = connect(serverUrl)
  await server.raw('CREATE DATABASE ??', [name])
  const knex = connect(url.href)
  cleanUp.push(async () => {
    await knex.destroy()
    // A server of a test's own may be down by now, and takes its databases along.
    if (serverUrl === postgresService().url) await server.raw('DROP DATABASE ?? WITH (FORCE)', [name])
    await server.destroy()
  })
  return { url: url.href, name, knex }
}

const cleanUp: (() => Promise<unknown>)[] = []

/** Runs after the test file, before what was given earlier. */
export function cleanUpAfterFile(step: () => Promise<unknown>): void {
  cleanUp.push(step)
}

/** What a query fails with is in its rejection; of a server that a test kills knex would print every lost connection. */
const silent = { error: () => {}, warn: () => {} }

function connect(connectionString: string): Knex {
  const pool = { min: 0, max: 4 }
  return knexFactory({ client: 'pg', connection: { connectionString }, pool, log: silent })
}

afterAll(async () => {
  // Databases before the servers that they are on.
  for (const step of cleanUp.splice(0).reverse()) await step()
})
