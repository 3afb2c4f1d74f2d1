import type { TopicPartition } from '../../model/topic-partition.ts'
import { sortedByPartition } from '../../model/topic-partition.ts'

/** Columns beside topic and partition, with their types. */
export type ExtraColumns = Readonly<Record<string, 'bigint' | 'int' | 'char(36)' | 'varchar(300)'>>

/**
 * A list of partitions as a table of SQL, named `v`: one parameter, of {@link partitionsJson}. Rows come out in the
 * order of the list, which a STRAIGHT_JOIN keeps: so rows are locked in that order.
 */
export function partitionTable(extra: ExtraColumns = {}): string {
  const columns = Object.entries({ topic: 'varchar(249)', part: 'int', ...extra }).map(
    ([name, type], i) => `${name} ${type} PATH '$[${i}]'`,
  )
  return `JSON_TABLE(?, '$[*]' COLUMNS (${columns.join(', ')})) v`
}

/** Numbers beyond 2^53 as text, which SQL reads as the integers that they are. */
export function partitionsJson<T extends TopicPartition>(
  partitions: readonly T[],
  extra: (item: T) => readonly (string | number | bigint)[] = () => [],
): string {
  return JSON.stringify(
    sortedByPartition(partitions).map((item) => [
      item.topic,
      item.partition,
      ...extra(item).map((value) => (typeof value === 'bigint' ? String(value) : value)),
    ]),
  )
}

/** How a row of `v` finds its position `o`, by the whole primary key and nothing else. */
export function ofPartition(collation: string): string {
  return `o.job = ? AND o.topic = v.topic COLLATE ${collation} AND o.\`partition\` = v.part`
}
