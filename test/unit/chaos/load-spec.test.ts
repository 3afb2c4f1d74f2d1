import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { checkedSpec, loadSpec, tableFile } from '../../../src/chaos/load-spec.ts'
import { SeededRandom } from '../../../src/runtime/seeded-random.ts'

const examples = join(import.meta.dirname, '..', '..', '..', 'examples', 'orders')
const job = join(examples, 'job.ts')

describe('the chaos spec of a job', () => {
  test('is the file beside it, and its tables are those of the engine', async () => {
    const loaded = await loadSpec(job, null)
    expect(loaded.file).toBe(join(examples, 'job.chaos.ts'))
    expect(loaded.spec.records?.(0, new SeededRandom(1)).value).toMatchObject({ item: expect.any(String) })
    expect(tableFile(job, loaded, 'mariadb')).toBe(join(examples, 'tables.mariadb.sql'))
  })

  test('is empty where there is no file, and a file that was named must be there', async () => {
    expect(await loadSpec('/nowhere/job.ts', null)).toEqual({ spec: {}, file: null })
    await expect(loadSpec(job, '/nowhere/spec.ts')).rejects.toMatchObject({
      code: 'CONFIGURATION_INVALID',
      message: 'chaos spec /nowhere/spec.ts does not exist; give the path of a chaos spec',
    })
  })

  test.each<[unknown, RegExp]>([
    [() => {}, /must have an object as its default export/],
    [{ record: () => {} }, /has 'record', which is no part of a chaos spec: it may have records, /],
    [{ records: {} }, /records must be a function \(n, random\) => record/],
    [{ partitions: 0 }, /partitions must be a whole number from 1/],
  ])('is refused when it is wrong: %o', (spec, message) => {
    expect(() => checkedSpec(spec, 'spec.ts')).toThrow(message)
  })

  test('names an SQL file that must be there', () => {
    const loaded = { spec: { tables: { postgres: 'none.sql' } }, file: job }
    expect(() => tableFile(job, loaded, 'postgres')).toThrow(/none\.sql as the SQL file.*no such file/)
    expect(tableFile('/nowhere/job.ts', { spec: {}, file: null }, 'postgres')).toBeNull()
  })
})
