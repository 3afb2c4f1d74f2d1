import { stdout } from 'node:process'
import { ExitCode as Exit, type ExitCode } from '../errors.ts'
import { createSinkTables } from '../job/create-tables.ts'
import { loadJob } from '../job/load-job.ts'
import { requireWritable } from '../job/preflight.ts'
import { systemRuntime } from '../runtime/runtime.ts'
import { declaredTable } from '../sink/declare-table.ts'
import { createDialect } from '../wire.ts'
import type { OutputFormat } from './output.ts'

/** `oncesink migrate`: creates what is missing, and says what it did. Applied again it changes nothing. */
export async function migrate(file: string, format: OutputFormat): Promise<ExitCode> {
  const job = await loadJob(file)
  const connection = await createDialect(job, systemRuntime).connect({ job: job.name, owner: 'migrate' })
  try {
    await requireWritable(connection)
    const applied = await connection.migrate()
    const created = await createSinkTables(job, connection)
    const version = await connection.schemaVersion()
    stdout.write(
      format === 'json'
        ? `${JSON.stringify({ server: connection.serverVersion, version, applied, created })}\n`
        : `${applied.map((name) => `applied ${name}\n`).join('')}${created.map((table) => `created table ${table}\n`).join('')}oncesink's tables have version ${version} (${connection.serverVersion})\n`,
    )
  } finally {
    await connection.close()
  }
  return Exit.ok
}

/** `oncesink migrate --print-sql`: what `migrate` would send to an empty database. Connects nowhere. */
export async function printSql(file: string): Promise<ExitCode> {
  const job = await loadJob(file)
  const dialect = createDialect(job, systemRuntime)
  const declared = job.pipelines.flatMap((pipeline) => declaredTable(pipeline) ?? [])
  const tables = declared.map((table) => `${dialect.createTableText(table)};\n`)
  stdout.write([await dialect.migrationScript(), ...tables].join('\n'))
  return Exit.ok
}
