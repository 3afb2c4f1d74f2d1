import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { edited, mutatedFiles } from '../../mutants/apply.ts'
import { repository } from '../../mutants/copy.ts'
import { mutants } from '../../mutants/mutants.ts'

/** What must be broken at least, one mutant or several for each; what is in brackets in a name tells these apart. */
const required = [
  'no compare-and-set',
  'epoch only with remembered positions',
  'claim_id not compared',
  'claim used before its COMMIT was acknowledged',
  'claim again without confirming membership',
  'kept partitions claimed again',
  'offsets in a second transaction',
  'swallowed statement error',
  'COMMIT tag not looked at',
  'savepoint canary left out',
  'lost answer assumed committed',
  'lost answer assumed aborted',
  'definite COMMIT error taken as ambiguous',
  'retry inside the transaction',
  'seek skipped after a claim',
  "seek to the Kafka group's offset",
  'startFrom wins over SQL',
  'start decided per claim',
  'response with an old seek counter accepted',
  'ranges recorded too long by one',
  'ranges recorded too short by one',
  'last offset instead of next offset',
  'compacted gap taken for loss',
  'read_committed filter off',
  'aborted state kept across fetches',
  'abort marker handled before activation',
  'dead letter outside the transaction',
  'missing table taken for poison',
  'bisect loses the tail',
  "two partitions' offsets swapped",
  'keys unsorted',
  'connection reused after an ambiguous COMMIT',
  'partial results merged twice',
  'result of an abandoned batch accepted',
  'topic id not compared',
  'handed-off file loaded under another claim',
  'hash equality taken for key equality',
  'field scanner accepts what JSON.parse refuses',
  'COPY escape left out',
]

describe('the mutants', () => {
  test.each(mutants)('$name: what it replaces is there exactly once', async (mutant) => {
    const files = await mutatedFiles(repository, mutant)
    for (const file of files.keys()) expect(file).toMatch(/^src\//)
  })

  test.each(mutants)('$name: what kills it is there', ({ killedBy }) => {
    if (killedBy.kind === 'simulation') return expect(killedBy.seeds).toBeGreaterThan(0)
    expect(existsSync(join(repository, killedBy.file))).toBe(true)
  })

  test.each(required)('%s is one of them', (name) => {
    expect(mutants.filter((mutant) => mutant.name.startsWith(name))).not.toEqual([])
  })

  test('have names of their own', () => {
    const names = mutants.map(({ name }) => name)
    expect(new Set(names).size).toBe(names.length)
  })
})

describe('an edit', () => {
  const file = 'package.json'
  const text = readFileSync(join(repository, file), 'utf8')

  test('replaces what is there once, literally', () => {
    expect(edited('a.b$&c', { file, find: '.b$&', replace: '$&' })).toBe('a$&c')
  })

  test.each([
    ['is not there', 'not to be found here', 'x', 'occurs 0 times'],
    ['is there more than once', '"', 'x', 'times'],
    ['is replaced by itself', '"name": "oncesink"', '"name": "oncesink"', 'is what is there already'],
  ])('of which the text %s is refused', (_, find, replace, message) => {
    expect(() => edited(text, { file, find, replace })).toThrow(message)
  })
})
