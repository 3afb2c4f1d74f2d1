import { ExitCode as Exit, type ExitCode } from '../errors.ts'
import { loadJob } from '../job/load-job.ts'
import { inspect, requireStarted } from './inspect.ts'
import { type OutputFormat, printTable } from './output.ts'

/** `oncesink status`: what is stored, and how far the log is ahead of it. */
export async function status(file: string, format: OutputFormat): Promise<ExitCode> {
  const job = await loadJob(file)
  const rows = await inspect(job, async (inspection) => {
    requireStarted(job, inspection)
    const bounds = await inspection.source.watermarks(inspection.positions)
    return inspection.positions.map((position, i) => {
      const end = bounds[i]?.lastStable ?? position.nextOffset
      return {
        topic: position.topic,
        partition: position.partition,
        nextOffset: position.nextOffset,
        logEnd: end,
        lag: end > position.nextOffset ? end - position.nextOffset : 0n,
        batches: position.seq,
        epoch: position.epoch,
        owner: position.owner,
        updatedAt: position.updatedAt.toISOString(),
      }
    })
  })
  printTable(format, rows, '(no partitions)')
  return Exit.ok
}
