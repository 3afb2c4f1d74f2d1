import { formatReport } from '../../src/check/report.ts'
import { verifyJob } from '../../src/check/verify-job.ts'
import type { Job } from '../../src/job/job.ts'
import { systemRuntime } from '../../src/runtime/runtime.ts'
import { createDialect, createLogToCheck } from '../../src/wire.ts'

/** What `oncesink verify` finds, and its text. */
export async function verified(job: Job) {
  const report = await verifyJob({
    job,
    dialect: createDialect(job, systemRuntime),
    source: createLogToCheck(job, systemRuntime),
    runtime: systemRuntime,
    onProgress: () => {},
  })
  return { ...report, text: formatReport(report) }
}
