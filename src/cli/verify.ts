import { stderr, stdout } from 'node:process'
import { formatReport, reportAsJson } from '../check/report.ts'
import { verifyJob } from '../check/verify-job.ts'
import type { ExitCode } from '../errors.ts'
import { loadJob } from '../job/load-job.ts'
import { systemRuntime } from '../runtime/runtime.ts'
import { createDialect, createLogToCheck } from '../wire.ts'
import type { OutputFormat } from './output.ts'

/** `oncesink verify`: the tables against the log, and the chain of the ledger, on a live system. Read-only. */
export async function verify(
  file: string,
  options: { readonly chain: boolean },
  format: OutputFormat,
): Promise<ExitCode> {
  const job = await loadJob(file)
  const report = await verifyJob({
    job,
    dialect: createDialect(job, systemRuntime),
    source: createLogToCheck(job, systemRuntime),
    runtime: systemRuntime,
    chainOnly: options.chain,
    onProgress: (message) => void stderr.write(`${message}\n`),
  })
  stdout.write(format === 'json' ? `${JSON.stringify(reportAsJson(report))}\n` : `${formatReport(report)}\n`)
  return report.exitCode
}
