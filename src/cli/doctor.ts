import { stdout } from 'node:process'
import { ExitCode as Exit, type ExitCode, OncesinkError } from '../errors.ts'
import { diagnose } from '../job/doctor.ts'
import { type Finding, findingsOf, isProblem } from '../job/finding.ts'
import { loadJob } from '../job/load-job.ts'
import { systemRuntime } from '../runtime/runtime.ts'
import { EventBus, type JobEvents } from '../telemetry/events.ts'
import { createDialect, createSource, groupUseOf } from '../wire.ts'
import type { OutputFormat } from './output.ts'

/**
 * `oncesink doctor`: one line per check; a JSON array with `--format json`.
 * @returns ok when the job can run; usage when only its configuration is in the way; else failure
 */
export async function doctor(file: string, format: OutputFormat): Promise<ExitCode> {
  const findings: Finding[] = []
  for await (const finding of examine(file)) {
    findings.push(finding)
    if (format === 'table') stdout.write(lineOf(finding))
  }
  if (format === 'json') stdout.write(`${JSON.stringify(findings.map(forPrograms))}\n`)
  return exitCodeOf(findings)
}

async function* examine(file: string): AsyncGenerator<Finding, void> {
  const found = findingsOf('job file')
  const job = await loadJob(file).catch((error: unknown) => {
    if (error instanceof OncesinkError) return error
    throw error
  })
  if (job instanceof OncesinkError) {
    yield found.failed(job)
    return
  }
  yield found.ok(`defines job '${job.name}'`)
  yield* diagnose(job, {
    dialect: createDialect(job, systemRuntime),
    source: createSource(job, systemRuntime, new EventBus<JobEvents>()),
    runtime: systemRuntime,
    group: groupUseOf(job),
  })
}

function exitCodeOf(findings: readonly Finding[]): ExitCode {
  const problems = findings.filter(isProblem)
  if (problems.length === 0) return Exit.ok
  return problems.every(({ exitCode }) => exitCode === Exit.usage) ? Exit.usage : Exit.failure
}

/** The other lines of a message are indented below the first. */
function lineOf({ check, status, message }: Finding): string {
  return `${status.padEnd('problem'.length)}  ${check}: ${message.replaceAll('\n', `\n${' '.repeat(9)}`)}\n`
}

function forPrograms({ check, status, message }: Finding) {
  return { check, status, message }
}
