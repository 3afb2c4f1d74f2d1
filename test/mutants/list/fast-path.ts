import { integration, type Mutant, unit } from '../mutant.ts'

/** Where bytes are not decoded record by record, or rows not sent one by one. */
export const fastPathMutants: readonly Mutant[] = [
  {
    name: 'hash equality taken for key equality',
    breaks: 'groups whose keys have one hash are added up together',
    edits: [
      {
        file: 'src/executor/byte-keys.ts',
        find: 'this.#hashes[entry] === hash && this.#isEntry(entry, found)',
        replace: 'this.#hashes[entry] === hash',
      },
    ],
    killedBy: unit('executor/columns.test.ts', 'keys of one hash'),
  },
  {
    name: 'field scanner accepts what JSON.parse refuses',
    breaks: 'a record that is no JSON counts',
    edits: [
      {
        file: 'src/decode/scan/json-bytes.ts',
        find: '  if (buffer[p] === 48) p += 1\n  else {',
        replace: '  {',
      },
    ],
    killedBy: unit('decode/scan/field-scanner.test.ts', 'is refused'),
  },
  {
    name: 'json: a missing key read as empty text',
    breaks: 'a record without the key counts, and so does one of a name that every object has',
    edits: [
      {
        file: 'src/decode/json.ts',
        find: 'read: scannedReader(false, (value) => value) }',
        replace: "read: (...where) => scannedReader(false, (value) => value)(...where) ?? '' }",
      },
    ],
    killedBy: unit('executor/columns-json.test.ts', 'a key that is missing'),
  },
  {
    name: 'json: numbers found in bytes although others can fail the record',
    breaks: "a record counts that json({ numbers: 'exact' }) refuses",
    edits: [{ file: 'src/decode/json.ts', find: '!exact && { accessTo }', replace: '{ accessTo }' }],
    killedBy: unit('executor/columns-json.test.ts', 'which pipelines are added up from bytes'),
  },
  {
    name: 'json: numbers as keys taken for text',
    breaks: 'the number 1 counts for the text "1", where the job has to stop',
    edits: [
      {
        file: 'src/executor/column-collector.ts',
        find: 'this.#groupOf(state.keys.valuesOf(entry))',
        replace: 'this.#groupOf(state.keys.valuesOf(entry).map(String))',
      },
    ],
    killedBy: unit('executor/columns-json.test.ts', 'text and numbers as keys of one column'),
  },
  {
    name: 'json: records read in vain without end',
    breaks: 'a topic of which nothing is added up from bytes takes longer than it would without',
    edits: [
      {
        file: 'src/executor/column-collector.ts',
        find: 'return this.#refused <= MAX_REFUSED + this.#taken / 4',
        replace: 'return this.#refused >= 0',
      },
    ],
    killedBy: unit('executor/columns-json.test.ts', 'a block of a range at most'),
  },
  {
    name: 'json: functions that do more than read a field',
    breaks: 'what a function makes of a field is not what is counted',
    edits: [
      {
        file: 'src/executor/column-plan.ts',
        find: 'if (name === null) return null\n    names.add(name)',
        replace: 'if (name !== null) names.add(name)',
      },
      {
        file: 'src/executor/column-plan.ts',
        find: 'name === plainRead(select))',
        replace: 'String(select).includes(name))',
      },
    ],
    killedBy: unit('executor/columns-json.test.ts', 'which pipelines are added up from bytes'),
  },
  {
    name: 'json: too many digits after the point cut off',
    breaks: 'an amount that the sum refuses is added with another value',
    edits: [
      {
        file: 'src/executor/column-collector.ts',
        find: 'const missing = term.scale - (this.#scales[term.number] as number)\n      if (missing < 0) return false',
        replace: 'const missing = Math.max(0, term.scale - (this.#scales[term.number] as number))',
      },
    ],
    killedBy: unit('executor/columns-json.test.ts', 'amounts that fail'),
  },
  {
    name: 'block scanner takes control characters in strings',
    breaks: 'a record that is no JSON counts, where it comes among records that are',
    edits: [
      {
        file: 'src/decode/scan/block/kernel.ts',
        find: 'belowBytes(bytes.get, splat(i32(32)))',
        replace: 'belowBytes(bytes.get, splat(i32(0)))',
      },
    ],
    killedBy: unit('decode/scan/block/block-scanner.test.ts', 'a string ends at the first byte'),
  },
  {
    name: 'block scanner does not ask where a record ends',
    breaks: 'a record that is cut off is read on in the bytes of the next one',
    edits: [
      {
        file: 'src/decode/scan/block/kernel.ts',
        find: 'body.push(equal(p.get, end.get))',
        replace: 'body.push(i32(1))',
      },
    ],
    killedBy: unit('decode/scan/block/block-scanner.test.ts', 'of two records that touch'),
  },
  {
    name: 'block scanner learns a layout with one name twice',
    breaks: 'of two values with one name the first one may count as well',
    edits: [
      {
        file: 'src/decode/scan/block/layout.ts',
        find: 'names.has(name) || ',
        replace: '',
      },
    ],
    killedBy: unit('decode/scan/block/block-scanner.test.ts', 'other layouts are learned'),
  },
  {
    name: 'block scanner keeps what it knew of the block before',
    breaks: 'records that nobody has scanned have the values of others',
    edits: [
      {
        file: 'src/decode/scan/block/block-scanner.ts',
        find: '    this.#done.fill(0)\n',
        replace: '',
      },
    ],
    killedBy: unit('decode/scan/block/block-scanner.test.ts', 'of two records that touch'),
  },
  {
    name: 'block scanner adds digits up beyond what a double holds',
    breaks: 'a number of more than 15 digits is added as another one',
    edits: [
      {
        file: 'src/decode/scan/block/kernel.ts',
        find: 'aboveUnsigned(add(digits.get, scale.get), i32(MAX_DIGITS))',
        replace: 'aboveUnsigned(digits.get, i32(MAX_DIGITS))',
      },
    ],
    killedBy: unit('decode/scan/block/block-scanner.test.ts', 'numbers are the decimals'),
  },
  {
    name: 'COPY escape left out',
    breaks: 'a tab or backslash in a value is read as the end of its field',
    edits: [
      {
        file: 'src/database/postgres/copy-text.ts',
        find: 'escapes[character] ?? character',
        replace: 'character',
      },
    ],
    killedBy: unit(
      'database/postgres/text.test.ts',
      'a field has no bare separator and reads back as it was',
    ),
  },
  {
    name: 'row text without escapes',
    breaks: 'a tab or backslash in a value ends its field, for COPY and LOAD DATA alike',
    edits: [
      {
        file: 'src/executor/row-text-writer.ts',
        find: '(character) => escapes[character] ?? character)',
        replace: '(character) => character)',
      },
    ],
    killedBy: unit('executor/row-text.test.ts', 'one field at a time'),
  },
  {
    name: 'row text keeps zeros at the end of a number',
    breaks: 'a numeric column without a scale holds 1.50 where the value was 1.5',
    edits: [
      {
        file: 'src/executor/row-text-collector.ts',
        find: 'left > 0 && buffer[until - 1] === 48',
        replace: 'left > digits',
      },
    ],
    killedBy: unit('executor/row-text.test.ts', 'one field at a time'),
  },
  {
    name: 'row text without room for what a row holds',
    breaks: 'a long text is written past the end of the memory, and is lost',
    edits: [
      {
        file: 'src/executor/row-text-collector.ts',
        find: 'room += FIELD_BYTES + Math.max(0, (ends[at + slot] as number) - (starts[at + slot] as number))',
        replace: 'room += FIELD_BYTES',
      },
    ],
    killedBy: unit('executor/row-text.test.ts', 'a long text after one'),
  },
  {
    name: 'row text copied into a column that is too narrow for it',
    breaks: 'spaces at the end of a text are cut, and nobody is told',
    edits: [
      {
        file: 'src/database/postgres/append-text.ts',
        find: '(holds.maxLength === null || longest <= holds.maxLength)',
        replace: 'longest >= 0',
      },
    ],
    killedBy: unit('executor/row-text.test.ts', 'only where the column takes every value'),
  },
  {
    name: 'days that there are not, as text',
    breaks: 'a record with 30 February reaches the database, which refuses the batch',
    edits: [
      {
        file: 'src/executor/moment-bytes.ts',
        find: 'day <= daysIn(year, month)',
        replace: 'day <= 31',
      },
    ],
    killedBy: unit('executor/row-text.test.ts', 'a moment is on a day that there is'),
  },
  {
    name: 'warnings of LOAD DATA LOCAL ignored',
    breaks: 'a number out of range is clipped, and committed',
    edits: [
      {
        file: 'src/database/mysql/load-data.ts',
        find: 'session.localInfile && warnings === 0 && taken',
        replace: 'session.localInfile && taken',
      },
      {
        file: 'src/database/mysql/load-data.ts',
        find: 'if (warnings > 0 || !session.localInfile) break',
        replace: 'if (!session.localInfile) break',
      },
    ],
    killedBy: integration('append-text.test.ts', 'a number out of range'),
  },
  {
    name: 'LOAD DATA LOCAL of all rows but none by INSERT',
    breaks: 'MySQL fills a column that must have a value with 0, and says nothing',
    edits: [
      {
        file: 'src/database/mysql/load-data.ts',
        find: 'await appendRows(session, tables, faultPoints, { ...write, rows: rowTextValues(first) })',
        replace: 'void first; Object.assign(rest, write.text)',
      },
    ],
    killedBy: integration('append-text.test.ts', 'nothing where there must be something'),
  },
]
