import type { Connection } from '../database/dialect.ts'
import { checkSinkTable } from '../sink/check-table.ts'
import { declaredTable } from '../sink/declare-table.ts'
import { type Finding, findingsOf } from './finding.ts'
import type { Job } from './job.ts'

/*
 * Whether the tables that a job needs are there, fit, and open to its role. Looks only. The start of a job and
 * `oncesink doctor` both ask here.
 */

/** oncesink's own tables. A start with `migrate: 'auto'` creates those that are missing, where its role may. */
export async function checkOwnTables(job: Job, connection: Connection): Promise<Finding[]> {
  const found = findingsOf("oncesink's tables")
  const toUse = await connection.missingGrants('use')
  if (toUse.length > 0) return [found.problem(`this role may not use oncesink's tables: ${toUse.join('; ')}`)]
  const pending = (await connection.pendingMigrations()).join(', ')
  if (pending === '') return [found.ok(`version ${await connection.schemaVersion()}`)]
  if (job.migrate === 'check') {
    return [
      found.problem(
        `oncesink's tables lack ${pending}, and with migrate: 'check' a start creates nothing: run ` +
          '`oncesink migrate <job file>` as a role that may create them, or apply what `oncesink migrate <job file> ' +
          '--print-sql` prints',
      ),
    ]
  }
  const toCreate = await connection.missingGrants('create')
  if (toCreate.length === 0) return [found.ok(`${pending} not applied yet: the start of the job does`)]
  return [
    found.problem(
      `this role may not create oncesink's tables (${pending}): ${toCreate.join('; ')}, or run ` +
        '`oncesink migrate <job file>` as a role that may',
    ),
  ]
}

/** Every table that a sink declares, in the order of the pipelines. */
export async function checkSinkTables(job: Job, connection: Connection): Promise<Finding[]> {
  const findings: Finding[] = []
  for (const pipeline of job.pipelines) {
    if (!('table' in pipeline.sink)) continue
    const { table: name } = pipeline.sink
    const found = findingsOf(`sink table ${name}`)
    const table = await connection.describeTable(name)
    const missing = table ? null : declaredTable(pipeline)
    if (missing) {
      findings.push(
        job.migrate === 'auto'
          ? found.ok('does not exist yet: the start of the job creates it')
          : found.problem(
              `table ${name} does not exist, and with migrate: 'check' a start creates nothing: run \`oncesink migrate ` +
                '<job file>` as a role that may create it, or apply what `oncesink migrate <job file> --print-sql` prints',
            ),
      )
      continue
    }
    const problems = checkSinkTable(pipeline, table).map(found.problem)
    const warnings = (table?.warnings ?? []).map(found.warning)
    const slow = pipeline.sink.kind === 'append' && table?.slowAppend ? `, ${table.slowAppend}` : ''
    const fit = found.ok(`${table?.qualifiedName} can hold what ${pipeline.sink.kind} writes${slow}`)
    findings.push(...problems, ...warnings, ...(problems.length === 0 ? [fit] : []))
  }
  return findings
}
