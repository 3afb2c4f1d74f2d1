import type { Buffer } from 'node:buffer'
import type { Group, LatestRow, PartialResult, RowOrigin } from '../../aggregation/partial-result.ts'
import { plainRows } from '../../aggregation/plain-rows.ts'
import { invariant } from '../../errors.ts'
import type { DeadLetter } from '../../model/dead-letter.ts'
import type { TopicPartition } from '../../model/topic-partition.ts'
import { type FileHeader, headerLine, type PipelineHeader, parseHeader } from './file-header.ts'
import { gzipMembers, type Packing } from './gzip-members.ts'
import { decodePlain, encodePlain } from './plain-data.ts'

/** One partition's range with everything that its commit writes. */
export interface FileContent {
  readonly header: FileHeader
  readonly deadLetters: readonly DeadLetter[]
  /** In the order of the job's pipelines. */
  readonly partials: readonly PartialResult[]
}

/** @throws Error where a value is no plain data */
export function encodeFile(
  { header, deadLetters, partials }: FileContent,
  packing: Packing = gzipMembers,
): Promise<Buffer> {
  return packing.pack(linesOf(header, deadLetters, partials))
}

function* linesOf(
  header: FileHeader,
  deadLetters: readonly DeadLetter[],
  partials: readonly PartialResult[],
): Generator<string, void> {
  yield headerLine(header)
  for (const letter of deadLetters) yield JSON.stringify(encodePlain(letter, 'a dead letter'))
  for (const [i, partial] of partials.entries()) {
    const name = partials.length === 1 ? 'a row' : `a row of pipeline ${i + 1}`
    for (const row of rowsOf(partial)) {
      yield JSON.stringify(
        row.map((value) => encodePlain(value, partial.kind === 'reduced' ? 'the accumulator' : name)),
      )
    }
  }
}

/** What the header says of a pipeline's result. */
export function describePartial(
  partial: PartialResult,
): Pick<PipelineHeader, 'kind' | 'rows' | 'names' | 'origins'> {
  switch (partial.kind) {
    case 'groups':
      return { kind: 'groups', rows: partial.groups.size }
    case 'reduced':
      return { kind: 'reduced', rows: 1 }
    case 'rows':
      return { kind: 'rows', rows: partial.rows.length, origins: partial.metas !== null }
    case 'row text':
      return { kind: 'rows', rows: partial.text.rows, origins: partial.metas.length > 0 }
    case 'latest':
      return { kind: 'latest', rows: partial.latest.size, names: partial.names }
  }
}

/** One array per line. Topic and partition are the header's. */
function* rowsOf(partial: PartialResult): Generator<readonly unknown[], void> {
  switch (partial.kind) {
    case 'groups':
      for (const [text, { keys, states }] of partial.groups) yield [text, keys, states]
      return
    case 'reduced':
      yield [partial.value]
      return
    case 'rows':
      for (const [i, row] of partial.rows.entries()) {
        if (!partial.metas) yield [row]
        else {
          const { topic: _, partition: __, ...origin } = partial.metas[i] as RowOrigin
          yield [row, origin]
        }
      }
      return
    case 'row text':
      yield* rowsOf(plainRows(partial))
      return
    case 'latest':
      for (const [text, { keys, row }] of partial.latest) yield [text, keys, row]
      return
  }
}

/** @throws Error when the file is damaged, or is no such file */
export async function decodeFile(bytes: Buffer, packing: Packing = gzipMembers): Promise<FileContent> {
  const lines = packing.unpack(bytes)[Symbol.asyncIterator]()
  const next = async (): Promise<string> => {
    const { value, done } = await lines.next()
    if (done) throw new Error('it has fewer lines than its header says')
    return value
  }
  const header = parseHeader(await next())
  const read = async <T>(count: number): Promise<T[]> => {
    const rows: T[] = []
    for (let i = 0; i < count; i++) rows.push(decodePlain(JSON.parse(await next())) as T)
    return rows
  }
  const deadLetters = await read<DeadLetter>(header.deadLetters)
  const partials: PartialResult[] = []
  for (const pipeline of header.pipelines) {
    partials.push(partialOf(pipeline, await read<readonly unknown[]>(pipeline.rows), header))
  }
  if (!(await lines.next()).done) throw new Error('it has more lines than its header says')
  return { header, deadLetters, partials }
}

function partialOf(
  { kind, names, origins }: PipelineHeader,
  rows: readonly (readonly unknown[])[],
  { topic, partition }: TopicPartition,
): PartialResult {
  switch (kind) {
    case 'groups': {
      const entries = rows.map(([text, keys, states]) => [text, { keys, states }] as [string, Group])
      return { kind, groups: new Map(entries) }
    }
    case 'reduced':
      return { kind, value: rows[0]?.[0] }
    case 'rows': {
      const metas = rows.map(([, origin]) => ({ topic, partition, ...(origin as object) }) as RowOrigin)
      return { kind, rows: rows.map(([row]) => row), metas: origins ? metas : null }
    }
    case 'latest': {
      invariant(names, 'the last rows have names of their keys')
      const latest = rows.map(
        ([text, keys, row]) => [text, { keys, row, topic, partition }] as [string, LatestRow],
      )
      return { kind, names, latest: new Map(latest) }
    }
  }
}
