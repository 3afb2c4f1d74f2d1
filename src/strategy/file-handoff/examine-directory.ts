import { access, constants, readdir } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { Runtime } from '../../runtime/runtime.ts'
import { attempt, createDiskStore, jobFolder, orNull } from './disk-store.ts'
import { filesIn } from './file-moves.ts'

/**
 * Whether a job can have its files in the directory, as far as looking at it tells; nothing is written.
 * @returns what there is, for people
 * @throws OncesinkError HANDOFF_DIRECTORY_UNUSABLE
 */
export async function examineDirectory(directory: string, job: string, runtime: Runtime): Promise<string> {
  const folder = jobFolder(directory, job)
  const found = await attempt(`use ${folder}`, async () => {
    const nearest = await nearestFolder(folder)
    await access(nearest, constants.R_OK | constants.W_OK | constants.X_OK)
    return nearest
  })
  if (found !== folder) return `${folder} is not there yet: the first start creates it`
  const store = createDiskStore(directory, job, runtime)
  let waiting = 0
  for (const tp of await store.partitions()) waiting += (await filesIn(store, tp, 'handoff')).length
  return waiting === 0 ? `${folder}: no file waits` : `${folder}: ${waiting} files wait to be loaded`
}

/** The folder itself, or the nearest one above it that is there. */
async function nearestFolder(folder: string): Promise<string> {
  const entries = await orNull(readdir(folder))
  return entries || dirname(folder) === folder ? folder : nearestFolder(dirname(folder))
}
