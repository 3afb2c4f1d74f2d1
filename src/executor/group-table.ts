import type { AggregateFunction } from '../aggregation/aggregate-function.ts'
import { groupText, type KeyColumns, keyTypeOf } from '../aggregation/group-key.ts'
import type { Group } from '../aggregation/partial-result.ts'

type Level = Map<unknown, Level | Group>

/**
 * The groups of one range, found by their key values.
 *
 * Every record looks a group up, few make one. So the look-up goes from key to key through maps of plain values, and
 * the text that names a group beyond this range is only made for new groups. Maps of plain values are right because
 * all values of one key column are of one type, which every look-up checks.
 */
export class GroupTable {
  readonly groups = new Map<string, Group>()
  /** The key that was looked at last: the one to name when a look-up fails. */
  column = 0
  readonly #root: Level = new Map()
  readonly #columns: KeyColumns
  readonly #fns: readonly AggregateFunction[]

  constructor(columns: KeyColumns, fns: readonly AggregateFunction[]) {
    this.#columns = columns
    this.#fns = fns
  }

  /**
   * The group of `values`, one per key, made if need be.
   * @throws Error with the reason why the value of {@link column} cannot be a key
   */
  groupOf(values: readonly unknown[]): Group {
    let level: Level | Group | undefined = this.#root
    for (let i = 0; i < values.length; i++) {
      this.column = i
      const identity = this.#identity(values[i], i)
      level = (level as Level).get(identity)
      if (level === undefined) return this.#create(values)
    }
    return level as Group
  }

  #identity(value: unknown, column: number): unknown {
    const type = keyTypeOf(value)
    if (type !== this.#columns.typeOf(column)) this.#columns.accept(value, column)
    return type === 'date' ? (value as Date).getTime() : value
  }

  #create(values: readonly unknown[]): Group {
    const keys = values.map((value, i) => {
      this.column = i
      return this.#columns.accept(value, i)
    })
    const group = { keys, states: this.#fns.map((fn) => fn.zero()) }
    this.groups.set(groupText(keys), group)
    const last = keys.length - 1
    let level = this.#root
    for (const [i, key] of keys.entries()) {
      const identity = this.#identity(key, i)
      if (i === last) level.set(identity, group)
      else {
        const next = (level.get(identity) as Level | undefined) ?? new Map()
        level.set(identity, next)
        level = next
      }
    }
    return group
  }
}
