import { stderr } from 'node:process'
import { collectPartials } from '../aggregation/collect.ts'
import type { PartialResult } from '../aggregation/partial-result.ts'
import { ExitCode as Exit, type ExitCode } from '../errors.ts'
import { runWithDeadLetters } from '../executor/dead-letters.ts'
import { compilePartitionTask } from '../executor/partition-task.ts'
import type { Job } from '../job/job.ts'
import { loadJob } from '../job/load-job.ts'
import type { DeadLetter } from '../model/dead-letter.ts'
import { printable } from '../model/excerpt.ts'
import { formatRange } from '../model/offset-range.ts'
import { topicPartitionKey } from '../model/topic-partition.ts'
import { systemRuntime } from '../runtime/runtime.ts'
import { rowObjects } from '../sink/rows.ts'
import { partitionsToRead, type SeekPosition } from '../source/source.ts'
import { type Inspection, inspect } from './inspect.ts'
import { type OutputFormat, printTable } from './output.ts'

export interface PeekLimits {
  readonly records: number
  readonly rows: number
}

/** `oncesink peek`: one batch from the stored positions (or the start), computed and printed. */
export async function peek(file: string, limits: PeekLimits, format: OutputFormat): Promise<ExitCode> {
  const job = await loadJob(file)
  await inspect(job, async (inspection) => {
    await inspection.source.seek(await resumePositions(job, inspection))
    const task = compilePartitionTask(job.root, job.pipelines, systemRuntime.clock)
    const never = new AbortController().signal
    const fetched = await inspection.source.take(
      { maxRecords: limits.records, maxWaitMs: 5_000, includeEmptyRanges: false, order: 'fair' },
      never,
    )
    const results = []
    for (const range of fetched) {
      results.push(
        job.poison.kind === 'fail'
          ? await task.run(range, never)
          : await runWithDeadLetters(task, range, never, job.poison, undefined),
      )
    }
    stderr.write(
      `${results.map((r) => `${formatRange(r.range)}: ${r.records} records`).join('\n') || 'no records within 5 s'}\n`,
    )
    sayWhatIsLeftOut(results.flatMap((result) => result.deadLetters))
    for (const [i, pipeline] of job.pipelines.entries()) {
      const partials = results.flatMap((result) => result.partials[i] ?? [])
      const collected = collectPartials(pipeline.terminal, partials)
      if (job.pipelines.length > 1) stderr.write(`pipeline ${i + 1} into ${target(pipeline.sink)}\n`)
      printResult(collected, rowObjects(pipeline, collected), limits.rows, format)
    }
  })
  return Exit.ok
}

/** Records of which nothing is in the rows that follow. */
function sayWhatIsLeftOut(letters: readonly DeadLetter[]): void {
  if (letters.length === 0) return
  const [count, are] =
    letters.length === 1 ? ['1 record', 'a dead letter'] : [`${letters.length} records`, 'dead letters']
  const lines = letters.map(
    ({ topic, partition, offset, cause }) =>
      `  ${topic}/${partition}/${offset}: ${printable(`${cause.stage} failed: ${cause.message}`)}\n`,
  )
  stderr.write(`${count} would be left out of all rows, as ${are}:\n${lines.join('')}`)
}

function printResult(
  collected: PartialResult,
  rows: readonly Readonly<Record<string, unknown>>[],
  maxRows: number,
  format: OutputFormat,
): void {
  if (collected.kind === 'reduced') {
    printTable(format, [{ result: cell(collected.value) }], '')
    return
  }
  const shown = rows.slice(0, maxRows)
  printTable(
    format,
    shown.map((row) => Object.fromEntries(Object.entries(row).map(([name, value]) => [name, cell(value)]))),
    '(no rows)',
  )
  if (rows.length > shown.length) stderr.write(`... and ${rows.length - shown.length} more rows (--rows)\n`)
}

function cell(value: unknown): string | number | bigint | boolean | null {
  if (value === null || value === undefined) return null
  if (value instanceof Date) return value.toISOString()
  if (typeof value === 'object' && 'json' in value && typeof value.json === 'string') return value.json
  if (typeof value === 'object')
    return JSON.stringify(value, (_, v) => (typeof v === 'bigint' ? v.toString() : v))
  return typeof value === 'number' || typeof value === 'bigint' || typeof value === 'boolean'
    ? value
    : String(value)
}

function target(sink: Job['pipelines'][number]['sink']): string {
  return 'table' in sink ? sink.table : `${sink.kind}()`
}

/** The stored positions; where there are none, the configured start of every partition. */
async function resumePositions(
  job: Job,
  { source, positions }: Inspection,
): Promise<readonly SeekPosition[]> {
  const described = await source.describe()
  const known = new Map(positions.map((position) => [topicPartitionKey(position), position]))
  const read = described.topics.flatMap((topic) =>
    partitionsToRead(topic).map((partition) => ({ topic: topic.topic, topicId: topic.topicId, partition })),
  )
  const missing = read.filter((tp) => !known.has(topicPartitionKey(tp)))
  const starts = await source.startOffsets(missing, job.root.source.startFrom)
  return [
    ...read.flatMap((tp) => known.get(topicPartitionKey(tp)) ?? []),
    ...missing.map((tp, i) => ({ ...tp, nextOffset: starts[i] ?? 0n, leaderEpoch: -1 })),
  ]
}
