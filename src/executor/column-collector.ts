import { addExact, type ExactInteger } from '../aggregation/exact-integer.ts'
import type { Group } from '../aggregation/partial-result.ts'
import { PlainDecimal, type ScannedFields } from '../decode/scan/scanned-fields.ts'
import type { KeyValue } from '../model/values.ts'
import type { RecordSegment } from '../source/record-segment.ts'
import { ByteKeys, grown } from './byte-keys.ts'
import type { ColumnPlan } from './column-plan.ts'

/** Powers of ten by exponent. */
const powers = Array.from({ length: 31 }, (_, exponent) => 10 ** exponent)

/** As long as the term, times a power of ten, stays below this, the general way gives the same integer. */
const EXACT_BOUND = 1e15

/**
 * So many records may be refused in one range, and a quarter as many as were taken besides, before the rest of it goes the
 * general way at once: reading a record in vain costs a third of what that costs.
 */
const MAX_REFUSED = 64

/** What is kept between the ranges of one task: which keys stand for which bytes. */
export class ColumnState {
  readonly plan: ColumnPlan
  readonly keys: ByteKeys
  readonly decimal = new PlainDecimal()
  /** By entry of {@link keys}: the range that has seen it last, and which of its groups it was. */
  seenIn = new Int32Array(1 << 11)
  groupAt = new Int32Array(1 << 11)
  /** Ranges so far. */
  range = 0

  constructor(plan: ColumnPlan) {
    this.plan = plan
    this.keys = new ByteKeys(plan.keySlots)
    plan.access.scanner.hash(plan.keySlots)
  }
}

/**
 * Adds one range's records up straight from their bytes: no value is made of a record but the numbers that are added.
 *
 * Why that comes to the same as calling the job's functions for every record: they read one field each and nothing else
 * ({@link ColumnPlan}); a key is made by the field's own reader, once for all records with the same bytes; a number is
 * taken only where the general way gives exactly the integer that is added here; every other declared field is read as
 * well. A record of which any of this cannot be said is not taken, and nothing of it was added: it goes the general way,
 * into the same groups.
 */
export class ColumnCollector {
  readonly #state: ColumnState
  readonly #groupOf: (keys: readonly KeyValue[]) => Group
  /** Groups of this range, by the order in which their bytes came. One group may be there twice. */
  readonly #groups: Group[] = []
  /** By aggregate, then by group: what was added since it was last put into the group's states. */
  readonly #sums: Float64Array[]
  readonly #mantissas: Float64Array
  readonly #scales: Int32Array
  readonly #terms: Float64Array
  readonly #range: number
  #taken = 0
  #refused = 0

  /** @param groupOf the range's group of these keys, made if need be; throws when they cannot be keys */
  constructor(state: ColumnState, groupOf: (keys: readonly KeyValue[]) => Group) {
    this.#state = state
    this.#groupOf = groupOf
    const { terms, numbers } = state.plan
    // Small at first: a record that is tried alone has one group.
    this.#sums = terms.map(() => new Float64Array(1 << 4))
    this.#mantissas = new Float64Array(numbers.length)
    this.#scales = new Int32Array(numbers.length)
    this.#terms = new Float64Array(terms.length).fill(1)
    state.range += 1
    this.#range = state.range
  }

  get isWorthwhile(): boolean {
    return this.#refused <= MAX_REFUSED + this.#taken / 4
  }

  /** @returns whether the record was added; if not, it has to go the general way */
  add(segment: RecordSegment, i: number): boolean {
    const isTaken = this.#add(segment, i)
    if (isTaken) this.#taken += 1
    else this.#refused += 1
    return isTaken
  }

  #add(segment: RecordSegment, i: number): boolean {
    const { plan } = this.#state
    const found = plan.access.scanner.scanRecord(segment, i)
    if (found === null) return false
    const { others } = plan
    for (let n = 0; n < others.length; n++) {
      if (plan.access.read(found, others[n] as number) === undefined) return false
    }
    if (!this.#readTerms(found)) return false
    const at = this.#groupIndex(found)
    if (at === -1) return false
    for (let n = 0; n < this.#sums.length; n++) {
      const sums = this.#sums[n] as Float64Array
      const sum = (sums[at] as number) + (this.#terms[n] as number)
      if (Number.isSafeInteger(sum)) sums[at] = sum
      else {
        this.#settle(n, at)
        sums[at] = this.#terms[n] as number
      }
    }
    return true
  }

  /** Puts what was added into the groups' states. */
  finish(): void {
    for (let n = 0; n < this.#sums.length; n++) {
      for (let at = 0; at < this.#groups.length; at++) this.#settle(n, at)
    }
    this.#groups.length = 0
  }

  #settle(n: number, at: number): void {
    const { states } = this.#groups[at] as Group
    states[n] = addExact(states[n] as ExactInteger, (this.#sums[n] as Float64Array)[at] as number)
  }

  /** Reads the numbers of the record into `#terms`. */
  #readTerms(found: ScannedFields): boolean {
    const { plan, decimal } = this.#state
    const { numbers, terms } = plan
    for (let n = 0; n < numbers.length; n++) {
      const number = numbers[n] as ColumnPlan['numbers'][number]
      // Kind.number, written out for the compiler's sake.
      if (found.kinds[found.at + number.slot] !== 4 || !decimal.readFrom(found, number.slot)) return false
      const missing = number.scale - decimal.scale
      if (missing < 0) return false
      const whole = decimal.mantissa * (powers[missing] as number)
      if (whole >= number.bound || whole <= -number.bound) return false
      this.#mantissas[n] = decimal.mantissa
      this.#scales[n] = decimal.scale
    }
    for (let n = 0; n < terms.length; n++) {
      const term = terms[n]
      if (!term) continue
      const missing = term.scale - (this.#scales[term.number] as number)
      if (missing < 0) return false
      const value = (this.#mantissas[term.number] as number) * (powers[missing] as number)
      if (value >= EXACT_BOUND || value <= -EXACT_BOUND) return false
      this.#terms[n] = value
    }
    return true
  }

  /** The group of the record's keys; -1 when they are left to the general way. */
  #groupIndex(found: ScannedFields): number {
    const state = this.#state
    const { keys } = state
    let entry = keys.find(found)
    if (entry === -1) {
      const values = this.#keyValues(found)
      if (values === null) return -1
      entry = keys.add(found, values)
      // A table that was emptied begins anew; what this range knows of its entries is void.
      if (entry === 0) state.seenIn.fill(0)
      if (entry >= state.seenIn.length) {
        state.seenIn = grown(state.seenIn)
        state.groupAt = grown(state.groupAt)
      }
    }
    if (state.seenIn[entry] === this.#range) return state.groupAt[entry] as number
    return this.#open(entry)
  }

  /** Null where a key is not one. */
  #keyValues(found: ScannedFields): readonly KeyValue[] | null {
    const { keySlots, access } = this.#state.plan
    const values: unknown[] = []
    for (const slot of keySlots) {
      const value = access.read(found, slot)
      if (value === undefined || value === null) return null
      values.push(value)
    }
    return values as KeyValue[]
  }

  /** The first record of an entry in this range. */
  #open(entry: number): number {
    const state = this.#state
    let group: Group
    try {
      group = this.#groupOf(state.keys.valuesOf(entry))
    } catch {
      return -1
    }
    const at = this.#groups.length
    this.#groups.push(group)
    for (let n = 0; n < this.#sums.length; n++) {
      const sums = this.#sums[n] as Float64Array
      if (at < sums.length) continue
      const longer = new Float64Array(sums.length * 2)
      longer.set(sums)
      this.#sums[n] = longer
    }
    state.seenIn[entry] = this.#range
    state.groupAt[entry] = at
    return at
  }
}
