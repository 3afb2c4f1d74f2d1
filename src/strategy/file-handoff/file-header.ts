import { isPlainObject } from '../../model/plain-object.ts'
import { digestText } from '../../source/range-digest.ts'
import type { FileId } from './file-name.ts'

/** Changes with whatever an older loader could not read. */
const FORMAT_VERSION = 1
const FORMAT = 'oncesink-handoff'

/** What a file says of itself: whose it is, and under which claim its range may be committed. */
export interface FileHeader extends FileId {
  readonly job: string
  readonly clusterId: string
  /** SHA-256 of the job's shape, in hexadecimal digits. */
  readonly shape: string
  readonly topicId: string
  readonly incarnation: number
  readonly leaderEpoch: number
  readonly batchId: string
  /** Visible records of the range, dead letters included. */
  readonly records: number
  /** Offset of the last of them, or null. */
  readonly lastOffset: bigint | null
  readonly deadLetters: number
  /** Of the records, see `RangeDigest`; null where none was made. */
  readonly digest: bigint | null
  /** One for each pipeline of the job, in its order. */
  readonly pipelines: readonly PipelineHeader[]
}

export interface PipelineHeader {
  /** Kind of the sink, for people. */
  readonly sink: string
  /** Table of the sink, for people; null where statements of the user's decide. */
  readonly table: string | null
  readonly kind: 'groups' | 'reduced' | 'rows' | 'latest'
  /** Lines. */
  readonly rows: number
  /** Of `latest`: names of the key columns. */
  readonly names?: readonly string[]
  /** Of `rows`: whether each comes with the coordinates of its record. */
  readonly origins?: boolean
}

/** Offsets and epochs are text: as numbers of JSON not every reader takes them exactly. */
export function headerLine({ epoch, from, until, lastOffset, digest, ...rest }: FileHeader): string {
  return JSON.stringify({
    format: FORMAT,
    version: FORMAT_VERSION,
    ...rest,
    epoch: epoch.toString(),
    from: from.toString(),
    until: until.toString(),
    lastOffset: lastOffset?.toString() ?? null,
    digest: digest === null ? null : digestText(digest),
  })
}

/** @throws OtherVersion; Error where it is no header */
export function parseHeader(line: string): FileHeader {
  const json: unknown = JSON.parse(line)
  if (!isPlainObject(json) || json.format !== FORMAT) throw new Error(`its first line is no ${FORMAT} header`)
  const { format: _, version, ...fields } = json
  if (version !== FORMAT_VERSION) {
    throw new OtherVersion(
      `its format is version ${String(version)}, and this is an oncesink that knows version ${FORMAT_VERSION}`,
    )
  }
  const { epoch, from, until, lastOffset, digest } = fields as Record<string, string | null | undefined>
  return {
    ...(fields as unknown as FileHeader),
    epoch: BigInt(epoch as string),
    from: BigInt(from as string),
    until: BigInt(until as string),
    lastOffset: lastOffset === null || lastOffset === undefined ? null : BigInt(lastOffset),
    // Files of an older oncesink do not have it.
    digest: digest === null || digest === undefined ? null : BigInt(`0x${digest}`),
  }
}

/** A file of a format that this version does not know. */
export class OtherVersion extends Error {}
