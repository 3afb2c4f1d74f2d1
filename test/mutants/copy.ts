import { cp, mkdir, mkdtemp, rm, symlink } from 'node:fs/promises'
import { join } from 'node:path'

export const repository = join(import.meta.dirname, '../..')

/** What tests read, besides the installed packages. */
const parts = ['src', 'test', 'sql', 'package.json', 'tsconfig.json', 'vitest.config.ts']

export interface Copy {
  readonly root: string
  remove(): Promise<void>
}

/** A copy of the project, in which its tests can be run; nothing of this one is ever changed. */
export async function copyProject(): Promise<Copy> {
  const cache = join(repository, '.cache')
  await mkdir(cache, { recursive: true })
  const root = await mkdtemp(join(cache, 'mutant-'))
  for (const part of parts) await cp(join(repository, part), join(root, part), { recursive: true })
  await symlink(join(repository, 'node_modules'), join(root, 'node_modules'))
  return { root, remove: () => rm(root, { recursive: true, force: true }) }
}
