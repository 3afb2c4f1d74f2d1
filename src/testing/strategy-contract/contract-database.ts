import { systemRandom } from '../../runtime/random.ts'
import type { Engine } from '../../services/index.ts'
import { createDatabase, dropDatabase, runStatements } from '../../services/statements.ts'

/** A database of a scenario's own, with the tables of contract-job.ts. */
export interface ContractDatabase {
  readonly url: string
  drop(): Promise<void>
}

/** Text of which every two values differ, and that may be part of a key. */
const keyText = {
  postgres: 'text',
  mysql: 'varchar(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin',
  mariadb: 'varchar(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin',
} as const

/** @param serverUrl of a user who may create databases */
export async function createContractDatabase(engine: Engine, serverUrl: string): Promise<ContractDatabase> {
  const name = `oncesink_contract_${systemRandom.uuid().slice(0, 8)}`
  const url = await createDatabase(engine, serverUrl, name)
  await runStatements(engine, url, tables(engine))
  return { url, drop: () => dropDatabase(engine, serverUrl, name) }
}

function tables(engine: Engine): string {
  return `
    CREATE TABLE witness (part int NOT NULL, pos bigint NOT NULL, v bigint NOT NULL CHECK (v >= 0),
      padding text NOT NULL);
    CREATE TABLE totals (k ${keyText[engine]} NOT NULL PRIMARY KEY, records bigint NOT NULL, total bigint NOT NULL);
    CREATE TABLE latest (k ${keyText[engine]} NOT NULL PRIMARY KEY, v bigint NOT NULL);
    CREATE TABLE noted (part int NOT NULL, pos bigint NOT NULL);
    CREATE TABLE sums (records bigint NOT NULL, total bigint NOT NULL, told bigint NOT NULL)`
}
