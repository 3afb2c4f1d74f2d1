import { readdir } from 'node:fs/promises'
import { invariant } from '../errors.ts'

export interface Migration {
  readonly version: number
  readonly name: string
  readonly file: URL
}

/** The numbered files of a directory, ascending and without gaps; other files do not count. */
export async function migrationFiles(directory: URL): Promise<Migration[]> {
  const migrations = (await readdir(directory)).sort().flatMap((name): Migration[] => {
    const [, digits] = /^(\d{4})_.+\.sql$/.exec(name) ?? []
    return digits
      ? [{ version: Number(digits), name: name.slice(0, -4), file: new URL(name, directory) }]
      : []
  })
  for (const [i, { version, name }] of migrations.entries()) {
    invariant(version === i + 1, `migration ${name} does not have the number ${i + 1}`)
  }
  invariant(migrations.length > 0, `there are no migrations in ${directory.href}`)
  return migrations
}
