import type { RecordMeta } from '../model/record-meta.ts'
import { recordHeaders, recordKey, recordOffset } from '../source/record-fields.ts'
import type { RecordSegment } from '../source/record-segment.ts'

/** A record's meta data, read from its segment when somebody asks. */
export class SegmentMeta implements RecordMeta {
  readonly #segment: RecordSegment
  readonly #index: number

  constructor(segment: RecordSegment, index: number) {
    this.#segment = segment
    this.#index = index
  }

  get topic(): string {
    return this.#segment.topic
  }

  get partition(): number {
    return this.#segment.partition
  }

  get offset(): bigint {
    return BigInt(recordOffset(this.#segment, this.#index))
  }

  get timestampMs(): number {
    return this.#segment.timestamps[this.#index] ?? 0
  }

  get key(): Uint8Array | null {
    return recordKey(this.#segment, this.#index)
  }

  get headers(): ReadonlyMap<string, Uint8Array | null> {
    return recordHeaders(this.#segment, this.#index)
  }
}
