import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, rename, rm, stat } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'

/** A half-filled folder that old belongs to nobody any more. */
const abandonedAfterMs = 60 * 60_000

/** Where the folder `name` of this user's cache is, whether it is there or not. */
export function cachedFolder(name: string, env: NodeJS.ProcessEnv = process.env): string {
  return join(env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'oncesink', name)
}

/**
 * Makes the cache's folder `folder`, unless it is there. The folder is complete or absent: `fill` works in another one
 * and what it returns, a folder inside of that, is renamed. So a killed download and two at once do no harm.
 */
export async function fillOnce(folder: string, fill: (partial: string) => Promise<string>): Promise<void> {
  if (existsSync(folder)) return
  const cache = join(folder, '..')
  await mkdir(cache, { recursive: true })
  await removeAbandoned(cache)
  const partial = await mkdtemp(join(cache, 'partial-'))
  try {
    await rename(await fill(partial), folder)
  } catch (error) {
    // Another process was quicker: its folder is as good as ours.
    if (!existsSync(folder)) throw error
  } finally {
    await rm(partial, { recursive: true, force: true })
  }
}

async function removeAbandoned(cache: string): Promise<void> {
  for (const name of await readdir(cache)) {
    if (!name.startsWith('partial-')) continue
    const path = join(cache, name)
    const changed = await stat(path).catch(() => undefined) // another process may be removing it too
    if (changed && Date.now() - changed.mtimeMs > abandonedAfterMs) {
      await rm(path, { recursive: true, force: true })
    }
  }
}
