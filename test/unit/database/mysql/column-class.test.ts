import { describe, expect, test } from 'vitest'
import {
  columnHolds,
  cureWords,
  shownType,
  type TypeFacts,
} from '../../../../src/database/mysql/column-class.ts'

const facts = (columnType: string, change: Partial<TypeFacts> = {}): TypeFacts => ({
  dataType: /^[a-z]+/.exec(columnType)?.[0] ?? '',
  columnType,
  characterSet: null,
  collation: null,
  noPad: false,
  maxCharacters: null,
  scale: null,
  precision: null,
  ...change,
})
const text = (columnType: string, collation: string, noPad: boolean, characterSet = 'utf8mb4') =>
  facts(columnType, { characterSet, collation, noPad, maxCharacters: 64 })

test.each<[TypeFacts, string]>([
  [text('varchar(64)', 'utf8mb4_0900_bin', true), 'text'],
  [text('text', 'utf8mb4_nopad_bin', true), 'text'],
  [text('varchar(64)', 'utf8mb4_bin', false), 'folded text'],
  [text('varchar(64)', 'utf8mb4_0900_as_cs', true), 'folded text'],
  [text('varchar(64)', 'utf8mb4_general_ci', false), 'folded text'],
  [text('varchar(64)', 'utf8mb3_bin', false, 'utf8mb3'), 'narrow text'],
  [text('longtext', 'latin1_nopad_bin', true, 'latin1'), 'narrow text'],
  [text('char(64)', 'utf8mb4_0900_bin', true), 'padded text'],
  [text("enum('a','b')", 'utf8mb4_0900_bin', true), 'folded text'],
  [text("set('a','b')", 'utf8mb4_0900_bin', true), 'folded text'],
  [facts('varbinary(64)'), 'binary text'],
  [facts('mediumblob'), 'binary text'],
  [facts('binary(16)'), 'bytes'],
  [facts('tinyint(1)'), 'boolean'],
  [facts('tinyint(4)'), 'integer'],
  [facts('tinyint unsigned'), 'integer'],
  [facts('int(11)'), 'integer'],
  [facts('bigint unsigned'), 'integer'],
  [facts('double'), 'double'],
  [facts('double(10,2)', { scale: 2 }), 'single'],
  [facts('float'), 'single'],
  [facts('date'), 'date'],
  [facts('uuid'), 'uuid'],
  [facts('json'), 'document'],
  [facts('bit(1)'), 'other'],
  [facts('year'), 'other'],
  [facts('time(3)', { precision: 3 }), 'other'],
  [facts('point'), 'other'],
  [facts('constructor'), 'other'],
])('%o is %s', (type, name) => {
  expect(columnHolds(type).class).toBe(name)
})

test('a decimal has a scale and never rounds; an instant has a step; a text has a length', () => {
  expect(columnHolds(facts('decimal(14,2) unsigned', { scale: 2 }))).toMatchObject({
    scale: 2,
    rounds: false,
  })
  expect(columnHolds(facts('datetime', { precision: 0 }))).toMatchObject({ class: 'instant', stepMs: 1000 })
  expect(columnHolds(facts('timestamp(6)', { precision: 6 }))).toMatchObject({
    class: 'instant',
    stepMs: 0.001,
  })
  expect(columnHolds(text('varchar(64)', 'utf8mb4_0900_bin', true)).maxLength).toBe(64)
  expect(columnHolds(text('text', 'utf8mb4_0900_bin', true)).maxLength).toBeNull()
})

describe('messages', () => {
  test('show the collation, and the character set where it is another one', () => {
    expect(shownType(text('varchar(64)', 'utf8mb4_bin', false))).toBe('varchar(64) collate utf8mb4_bin')
    expect(shownType(text('varchar(9)', 'latin1_bin', false, 'latin1'))).toBe(
      'varchar(9) character set latin1 collate latin1_bin',
    )
    expect(shownType(facts('int'))).toBe('int')
  })

  test('name the statement that keeps texts apart, with the length and NOT NULL that the column has', () => {
    const columns = new Map([
      ['k`1', { facts: text('varchar(64)', 'utf8mb4_bin', false), nullable: false }],
      ['c', { facts: text('char(64)', 'utf8mb4_bin', false), nullable: true }],
      ['n', { facts: facts('int'), nullable: false }],
    ])
    const words = cureWords('`d`.`t`', columns, 'utf8mb4_0900_bin')
    expect(words.exactText({ name: 'k`1', type: 'varchar(64)', class: 'folded text' })).toBe(
      'varchar(64) COLLATE utf8mb4_0900_bin (ALTER TABLE `d`.`t` MODIFY `k``1` varchar(64) CHARACTER SET utf8mb4 ' +
        'COLLATE utf8mb4_0900_bin NOT NULL)',
    )
    expect(words.exactText({ name: 'c', type: 'char(64)', class: 'padded text' })).toMatch(
      /MODIFY `c` varchar\(64\) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin\)$/,
    )
    expect(words.exactText({ name: 'n', type: 'int', class: 'integer' })).toMatch(/^varchar\(255\) COLLATE/)
  })
})
