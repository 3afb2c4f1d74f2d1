import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { expect, onTestFinished, test } from 'vitest'
import { listMigrations } from '../../../../src/database/postgres/migrations.ts'

test('the packaged migrations are numbered from 1 and touch nothing outside the configured schema', async () => {
  const migrations = await listMigrations()
  expect(migrations.map((migration) => migration.version)).toEqual(migrations.map((_, i) => i + 1))
  for (const { file } of migrations) {
    const sql = await readFile(file, 'utf8')
    const targets = [...sql.matchAll(/(?:(?:CREATE|ALTER) TABLE|REFERENCES|INDEX \w+ ON)\s+(\S+)/g)].map(
      ([, name]) => name,
    )
    expect(targets.length).toBeGreaterThan(0)
    expect(targets.filter((name) => !name?.startsWith(':schema.oncesink_'))).toEqual([])
  }
})

test('a gap in the numbers is a broken package, and other files do not count', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'oncesink-migrations-'))
  onTestFinished(() => rm(directory, { recursive: true }))
  const url = pathToFileURL(`${directory}/`)
  await expect(listMigrations(url)).rejects.toMatchObject({ code: 'INVARIANT_VIOLATED' })
  await writeFile(join(directory, '0001_a.sql'), '')
  await writeFile(join(directory, 'README.md'), '')
  expect(await listMigrations(url)).toMatchObject([{ version: 1, name: '0001_a' }])
  await writeFile(join(directory, '0003_c.sql'), '')
  await expect(listMigrations(url)).rejects.toThrow('0003_c does not have the number 2')
})
