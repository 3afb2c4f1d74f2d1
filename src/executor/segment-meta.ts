import type { RawKey, RecordMeta } from '../model/record-meta.ts'
import { recordHeaders, recordKey, recordOffset } from '../source/record-fields.ts'
import type { RecordSegment } from '../source/record-segment.ts'

/** A record's meta data, read from its segment when somebody asks. */
export class SegmentMeta<Key = RawKey> implements RecordMeta<Key> {
  readonly #segment: RecordSegment
  readonly #index: number
  readonly #key: Key | undefined

  /** @param key what the job's key decoder has made of the key; undefined leaves it as bytes */
  constructor(segment: RecordSegment, index: number, key?: Key) {
    this.#segment = segment
    this.#index = index
    this.#key = key
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

  get key(): Key {
    return this.#key === undefined ? (recordKey(this.#segment, this.#index) as Key) : this.#key
  }

  get headers(): ReadonlyMap<string, Uint8Array | null> {
    return recordHeaders(this.#segment, this.#index)
  }
}
