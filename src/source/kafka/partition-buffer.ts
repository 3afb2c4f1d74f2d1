import { invariant } from '../../errors.ts'
import type { TopicPartition } from '../../model/topic-partition.ts'
import { recordOffset } from '../record-fields.ts'
import type { RecordSegment, SegmentSlice } from '../record-segment.ts'
import type { FetchedRange } from '../source.ts'
import { decodeRecords } from './decode-records.ts'
import { codecOf, type RecordBatch } from './record-batch.ts'

/** Record batches of one segment are closed at this many records, so that decoding can pause between segments. */
const recordsPerSegment = 8192

/** Visible batches that become one segment when they are needed. */
interface Run {
  readonly batches: RecordBatch[]
  readonly leaderEpoch: number
  bytes: number
  nextOffset: number
  /** Records in it, before the position or not. */
  count: number
  /** `null` until it is decoded. */
  segment: RecordSegment | null
  /** Index of the next record to take, once it is decoded. */
  cursor: number
}

/** A stretch without visible records: transaction markers, aborted records, compacted tails. */
interface Gap {
  leaderEpoch: number
  bytes: number
  nextOffset: number
}

type Entry = Run | Gap

const isRun = (entry: Entry): entry is Run => 'batches' in entry

/**
 * What was fetched of one partition and not taken yet: entries in offset order that cover everything from
 * `position` to `fetchedUntil` without a hole.
 *
 * Batches stay raw until they are about to be taken: raw bytes are what the buffer's limit counts, and decoding
 * then costs nothing to a fetch that is being answered.
 */
export class PartitionBuffer {
  readonly #where: TopicPartition
  #entries: Entry[] = []
  #position: number
  #positionEpoch: number
  #fetchedUntil: number
  #fetchedEpoch: number
  #bytes = 0
  #records = 0

  constructor(where: TopicPartition, position: number, leaderEpoch: number) {
    this.#where = where
    this.#position = position
    this.#fetchedUntil = position
    this.#positionEpoch = leaderEpoch
    this.#fetchedEpoch = leaderEpoch
  }

  /** Next offset to take. */
  get position(): number {
    return this.#position
  }

  /** Leader epoch of the batch before {@link position}, or -1 when unknown. */
  get positionEpoch(): number {
    return this.#positionEpoch
  }

  /** Next offset to fetch: the end of the last batch. */
  get fetchedUntil(): number {
    return this.#fetchedUntil
  }

  /** Leader epoch of the last batch fetched, or that of the position. */
  get fetchedEpoch(): number {
    return this.#fetchedEpoch
  }

  /** Bytes of buffered batches with visible records. */
  get bytes(): number {
    return this.#bytes
  }

  /** Visible records buffered; a few too many while the first batch begins before the position. */
  get records(): number {
    return this.#records
  }

  /**
   * Adds what a fetch at {@link fetchedUntil} has returned.
   * @param batches all of them, in offset order
   * @param visible those of `batches` whose records are visible
   */
  append(batches: readonly RecordBatch[], visible: readonly RecordBatch[]): void {
    let nextVisible = 0
    for (const batch of batches) {
      const isVisible = visible[nextVisible] === batch
      if (isVisible) nextVisible += 1
      // A batch that the position lies past has been taken already; brokers do not send one, the cut is cheap.
      if (batch.nextOffset <= this.#fetchedUntil) continue
      const isFirst = this.#fetchedUntil === this.#position && this.#entries.length === 0
      invariant(
        isFirst || batch.baseOffset >= this.#fetchedUntil,
        `record batch ${batch.baseOffset} of ${this.#where.topic}/${this.#where.partition} begins before ` +
          `${this.#fetchedUntil}, where the previous one ended`,
      )
      if (isVisible && batch.count > 0) this.#appendVisible(batch)
      else this.#appendGap(batch)
      this.#fetchedUntil = batch.nextOffset
      this.#fetchedEpoch = batch.leaderEpoch
    }
    invariant(nextVisible === visible.length, 'visible record batches are a subsequence of those fetched')
  }

  #appendVisible(batch: RecordBatch): void {
    const last = this.#entries.at(-1)
    this.#bytes += batch.size
    this.#records += batch.count
    if (last !== undefined && isRun(last) && joins(last, batch)) {
      last.batches.push(batch)
      last.nextOffset = batch.nextOffset
      last.count += batch.count
      last.bytes += batch.size
      return
    }
    this.#entries.push({
      batches: [batch],
      leaderEpoch: batch.leaderEpoch,
      bytes: batch.size,
      nextOffset: batch.nextOffset,
      count: batch.count,
      segment: null,
      cursor: 0,
    })
  }

  #appendGap(batch: RecordBatch): void {
    const last = this.#entries.at(-1)
    const { leaderEpoch, nextOffset, size } = batch
    if (last === undefined || isRun(last)) {
      this.#entries.push({ leaderEpoch, nextOffset, bytes: size })
      return
    }
    last.leaderEpoch = leaderEpoch
    last.nextOffset = nextOffset
    last.bytes += size
  }

  /**
   * Decodes the next undecoded run that {@link take} would need for `maxRecords` below `bound`.
   * @returns whether there was one
   * @throws OncesinkError RECORD_BATCH_CORRUPT
   */
  decodeNext(maxRecords: number, bound: number): boolean {
    let ready = 0
    for (const entry of this.#entries) {
      if (ready >= maxRecords) return false
      if (!isRun(entry)) continue
      if (entry.segment === null) {
        if ((entry.batches[0]?.baseOffset ?? bound) >= bound) return false
        entry.segment = decodeRecords(entry.batches, this.#where)
        entry.cursor = firstIndexAt(entry.segment, this.#position)
        this.#records -= entry.cursor
        return true
      }
      ready += entry.count - entry.cursor
    }
    return false
  }

  /** How many records {@link take} could return below `bound`; exact once they are decoded, else at most that. */
  available(bound: number): number {
    let records = 0
    for (const { run, end } of this.#takeable(bound)) records += end - run.cursor
    return records
  }

  /**
   * Bytes of the next `records` records below `bound`, as fetched. The records of one batch of the log count in equal
   * parts; exact once they are decoded.
   */
  bytesOf(records: number, bound: number): number {
    let left = records
    let bytes = 0
    for (const { run, end } of this.#takeable(bound)) {
      if (left === 0) break
      const until = Math.min(end, run.cursor + left)
      bytes += bytesBefore(run, until) - bytesBefore(run, run.cursor)
      left -= until - run.cursor
    }
    return bytes
  }

  /** How many of the next records below `bound` have at most so many bytes; see {@link bytesOf}. */
  recordsWithin(bytes: number, bound: number): number {
    let left = bytes
    let records = 0
    for (const { run, end } of this.#takeable(bound)) {
      const before = bytesBefore(run, run.cursor)
      const until = Math.min(end, indexWithin(run, before + left))
      if (until > run.cursor) records += until - run.cursor
      if (until < end) break
      left -= bytesBefore(run, end) - before
    }
    return records
  }

  /** The runs that {@link take} would cut below `bound`, each with the index of its first record past it. */
  *#takeable(bound: number): Generator<{ readonly run: Run; readonly end: number }> {
    for (const entry of this.#entries) {
      if (!isRun(entry)) continue
      if ((entry.batches[0]?.baseOffset ?? bound) >= bound) return
      const end =
        entry.segment === null || entry.nextOffset <= bound ? entry.count : firstIndexAt(entry.segment, bound)
      if (end > entry.cursor) yield { run: entry, end }
    }
  }

  /**
   * Takes up to `maxRecords` decoded records below `bound`, with the stretches without visible records before and
   * after them. Nothing is taken, and null returned, when no offset would be passed, or no visible record while
   * `allowEmpty` is false.
   */
  take(maxRecords: number, bound: number, allowEmpty: boolean): FetchedRange | null {
    const { taken, consumed, partial } = this.#wouldTake(maxRecords, bound)
    if (taken.until === this.#position || (taken.records === 0 && !allowEmpty)) return null
    return this.#commit(taken, consumed, partial)
  }

  /** Whether a stretch without visible records could be taken below `bound`, and no record with it. */
  beginsWithGap(bound: number): boolean {
    return this.#wouldTake(0, bound).taken.until > this.#position
  }

  #wouldTake(maxRecords: number, bound: number) {
    const taken = new Taken(this.#position, this.#positionEpoch)
    let consumed = 0
    let partial: { readonly run: Run; readonly cursor: number } | null = null
    for (const entry of this.#entries) {
      if (taken.until >= bound) break
      if (!isRun(entry)) {
        if (entry.nextOffset > bound) {
          taken.pass(bound, entry.leaderEpoch, 0)
          break
        }
        taken.pass(entry.nextOffset, entry.leaderEpoch, entry.bytes)
        consumed += 1
        continue
      }
      if (entry.segment === null) {
        // Compaction may have emptied everything up to a batch at or past the bound.
        if ((entry.batches[0]?.baseOffset ?? 0) >= bound) taken.pass(bound, taken.leaderEpoch, 0)
        break
      }
      const inBound = entry.nextOffset <= bound ? entry.count : firstIndexAt(entry.segment, bound)
      const end = Math.min(inBound, entry.cursor + maxRecords - taken.records)
      taken.slice(entry, entry.segment, end)
      if (end === entry.count) {
        // A compacted tail of the batch may reach past the bound.
        taken.pass(Math.min(entry.nextOffset, bound), entry.leaderEpoch, 0)
        if (entry.nextOffset <= bound) consumed += 1
        else partial = { run: entry, cursor: end }
        continue
      }
      // A bound before the run lies in what compaction left empty, after batches of the epoch before it.
      const begun = bound > (entry.batches[0]?.baseOffset ?? bound)
      if (end === inBound) taken.pass(bound, begun ? entry.leaderEpoch : taken.leaderEpoch, 0)
      partial = { run: entry, cursor: end }
      break
    }
    return { taken, consumed, partial }
  }

  #commit(
    taken: Taken,
    consumed: number,
    partial: { readonly run: Run; readonly cursor: number } | null,
  ): FetchedRange {
    const { topic, partition } = this.#where
    const range = { topic, partition, from: BigInt(this.#position), until: BigInt(taken.until) }
    for (const entry of this.#entries.splice(0, consumed)) if (isRun(entry)) this.#bytes -= entry.bytes
    if (partial !== null) partial.run.cursor = partial.cursor
    this.#records -= taken.records
    this.#position = taken.until
    this.#positionEpoch = taken.leaderEpoch
    invariant(
      this.#position <= this.#fetchedUntil || this.#entries.length === 0,
      `${topic}/${partition} was taken up to ${this.#position} but fetched up to ${this.#fetchedUntil}`,
    )
    return {
      range,
      records: taken.records,
      bytes: taken.bytes,
      slices: taken.slices,
      leaderEpoch: taken.leaderEpoch,
    }
  }
}

/** What a take would return, before it is certain that it does. */
class Taken {
  readonly slices: SegmentSlice[] = []
  records = 0
  bytes = 0
  until: number
  leaderEpoch: number

  constructor(from: number, leaderEpoch: number) {
    this.until = from
    this.leaderEpoch = leaderEpoch
  }

  slice(run: Run, segment: RecordSegment, end: number): void {
    if (end <= run.cursor) return
    this.slices.push({ segment, begin: run.cursor, end })
    this.records += end - run.cursor
    // Differences of one sum: the parts of a cut run add up to the whole.
    this.bytes += bytesBefore(run, end) - bytesBefore(run, run.cursor)
    this.pass(recordOffset(segment, end - 1) + 1, run.leaderEpoch, 0)
  }

  pass(until: number, leaderEpoch: number, bytes: number): void {
    this.until = Math.max(this.until, until)
    this.leaderEpoch = leaderEpoch
    this.bytes += bytes
  }
}

/** Bytes of the first `records` records of a run; those of one batch count in equal parts. */
function bytesBefore(run: Run, records: number): number {
  if (records === run.count) return run.bytes
  let left = records
  let bytes = 0
  for (const { count, size } of run.batches) {
    if (left < count) return bytes + Math.floor((size * left) / count)
    left -= count
    bytes += size
  }
  return bytes
}

/** The most records at the beginning of a run whose {@link bytesBefore} are at most `bytes`. */
function indexWithin(run: Run, bytes: number): number {
  if (run.bytes <= bytes) return run.count
  let left = bytes
  let records = 0
  for (const { count, size } of run.batches) {
    if (left < size) return records + Math.floor((left * count) / size)
    left -= size
    records += count
  }
  return records
}

function joins(run: Run, batch: RecordBatch): boolean {
  const [first] = run.batches
  return (
    first !== undefined &&
    run.segment === null &&
    run.count < recordsPerSegment &&
    run.leaderEpoch === batch.leaderEpoch &&
    first.buffer === batch.buffer &&
    codecOf(first) === 0 &&
    codecOf(batch) === 0 &&
    batch.nextOffset - first.baseOffset < 2 ** 31
  )
}

/** Index of the first record at or past `offset`, by bisection. */
function firstIndexAt(segment: RecordSegment, offset: number): number {
  let low = 0
  let high = segment.count
  while (low < high) {
    const middle = (low + high) >>> 1
    if (recordOffset(segment, middle) < offset) low = middle + 1
    else high = middle
  }
  return low
}
