import { diagnose } from '../../src/job/doctor.ts'
import type { Finding } from '../../src/job/finding.ts'
import type { Job } from '../../src/job/job.ts'
import { type Runtime, systemRuntime } from '../../src/runtime/runtime.ts'
import { EventBus, type JobEvents } from '../../src/telemetry/events.ts'
import { createDialect, createSource, groupUseOf } from '../../src/wire.ts'

/** Everything that `oncesink doctor` finds of a job. */
export async function examined(
  job: Job,
  { runtime = systemRuntime, nodeVersion }: { runtime?: Runtime; nodeVersion?: string } = {},
): Promise<Finding[]> {
  const findings: Finding[] = []
  const deps = {
    dialect: createDialect(job, runtime),
    source: createSource(job, runtime, new EventBus<JobEvents>()),
    group: groupUseOf(job),
    runtime,
    ...(nodeVersion !== undefined && { nodeVersion }),
  }
  for await (const finding of diagnose(job, deps)) findings.push(finding)
  return findings
}

/** `status check: message` of every finding that is not ok. */
export function complaints(findings: readonly Finding[]): string[] {
  return findings
    .filter(({ status }) => status !== 'ok')
    .map(({ check, status, message }) => `${status} ${check}: ${message}`)
}
