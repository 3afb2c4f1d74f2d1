import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmdirSync, statfsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { cleanUpAfterFile } from './engines.ts'

/** A file system of its own, in memory, that can be made too small and large again. */
export interface SmallDisk {
  /** What `start` starts has its temporary folders, and so its data, on this disk. */
  holds<T>(start: () => Promise<T>): Promise<T>
  /** From now on there is no room for another block. */
  fill(): void
  /** From now on there is. */
  makeRoom(): void
}

/** Null where this process may not mount one. It is gone after the test file. */
export function smallDisk(): SmallDisk | null {
  const folder = mkdtempSync(join(tmpdir(), 'oncesink-disk-'))
  const mount = (options: string) =>
    execFileSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', folder], { stdio: 'pipe' })
  try {
    mount('mode=1777,size=1g')
  } catch {
    rmdirSync(folder)
    return null
  }
  cleanUpAfterFile(async () => {
    execFileSync('umount', ['--lazy', folder])
    rmdirSync(folder)
  })
  return {
    async holds(start) {
      const before = process.env.TMPDIR
      process.env.TMPDIR = folder
      try {
        return await start()
      } finally {
        if (before === undefined) delete process.env.TMPDIR
        else process.env.TMPDIR = before
      }
    },
    fill() {
      const { blocks, bfree, bsize } = statfsSync(folder)
      mount(`remount,size=${(blocks - bfree) * bsize}`)
    },
    makeRoom: () => void mount('remount,size=1g'),
  }
}
