import { type Mutant, unit } from '../mutant.ts'

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
]
