import type { OffsetRange } from '../../model/offset-range.ts'

/**
 * States of a file, told by the end of its name:
 * `tmp` (being written) -> `handoff` (durable, to be loaded) -> `loaded` | `aside` | `rejected`, or it is removed.
 * - `loaded`: the database has its range;
 * - `aside`: its claim was replaced, so that its range is read again from Kafka;
 * - `rejected`: the database does not take it; its writer finds that out, claims again and writes smaller ones.
 */
export const fileStates = ['tmp', 'handoff', 'loaded', 'aside', 'rejected'] as const
export type FileState = (typeof fileStates)[number]

/** What the name of a file says of what is in it. */
export interface FileId extends OffsetRange {
  readonly epoch: bigint
  readonly claimId: string
}

/** Digits of the largest BIGINT: names sort as numbers do. */
const DIGITS = 19
const pattern = /^(\d{19})-(\d{19})-(\d{19})-([0-9a-f-]{36})\.(tmp|handoff|loaded|aside|rejected)$/

/** `epoch-from-until-claim.state`; topic and partition are its folder's. */
export function fileName({ epoch, from, until, claimId }: FileId, state: FileState): string {
  const [a, b, c] = [epoch, from, until].map((value) => value.toString().padStart(DIGITS, '0'))
  return `${a}-${b}-${c}-${claimId}.${state}`
}

/** Null for a name that {@link fileName} does not give. */
export function parseFileName(
  name: string,
): { readonly state: FileState; readonly id: Omit<FileId, 'topic' | 'partition'> } | null {
  const found = pattern.exec(name)
  if (!found) return null
  const [, epoch = '', from = '', until = '', claimId = '', state] = found
  return {
    state: state as FileState,
    id: { epoch: BigInt(epoch), from: BigInt(from), until: BigInt(until), claimId },
  }
}

/** The order in which a partition's files are loaded. */
export function compareFiles(a: FileId, b: FileId): number {
  if (a.epoch !== b.epoch) return a.epoch < b.epoch ? -1 : 1
  if (a.from === b.from) return 0
  return a.from < b.from ? -1 : 1
}
