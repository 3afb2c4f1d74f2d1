import type { Buffer } from 'node:buffer'
import { type FileHandle, mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { asError, OncesinkError } from '../../errors.ts'
import { sortedByPartition, type TopicPartition } from '../../model/topic-partition.ts'
import type { Runtime } from '../../runtime/runtime.ts'
import type { HandoffStore } from './store.ts'

const FILE_MODE = 0o640
const FOLDER_MODE = 0o750

/** A file that cannot be written is reported with what to do about it. */
const cures: Readonly<Record<string, string>> = {
  ENOSPC: 'the disk is full: make room',
  EDQUOT: 'the quota of the disk is used up: make room',
  EACCES: 'this user may not write there: change owner or mode of the directory',
  EPERM: 'this user may not write there: change owner or mode of the directory',
  EROFS: 'the file system is read-only: mount it so that it can be written',
  EXDEV:
    'a folder in it is on another file system, so that files cannot be renamed atomically: use one file system',
  ENOTDIR: 'something on the way there is a file and no folder',
  EMFILE: 'this process has too many files open: raise its limit (ulimit -n)',
}

/**
 * Files in `directory/<job>/<topic>/<partition>/`. The job's name is percent-encoded where it could not be a folder's.
 */
export function createDiskStore(
  directory: string,
  job: string,
  runtime: Pick<Runtime, 'faultPoints' | 'random'>,
): HandoffStore {
  const { faultPoints, random } = runtime
  const root = jobFolder(directory, job)
  const folderOf = ({ topic, partition }: TopicPartition) => join(root, topic, String(partition))
  const pathOf = (tp: TopicPartition, name: string) => join(folderOf(tp), name)
  const known = new Set<string>()

  /** Makes the folder, and makes sure that it and those above it are there after a power failure. */
  const makeFolder = async (tp: TopicPartition) => {
    const folder = folderOf(tp)
    if (known.has(folder)) return
    await mkdir(folder, { recursive: true, mode: FOLDER_MODE })
    for (const above of [join(root, tp.topic), root, directory]) await syncFolder(above)
    known.add(folder)
  }

  return {
    pathOf,
    uniqueName: () => random.uuid(),
    prepare: () =>
      attempt(`prepare ${root}`, async () => {
        await mkdir(root, { recursive: true, mode: FOLDER_MODE })
        // Of this process alone, on whatever machine it is.
        const after = join(root, `.probe-${random.uuid()}`)
        const before = `${after}.tmp`
        try {
          await writeSynced(before, new Uint8Array([1]))
          await rename(before, after)
          await syncFolder(root)
        } finally {
          await rm(before, { force: true })
          await rm(after, { force: true })
        }
      }),
    partitions: () =>
      attempt(`list ${root}`, async () => {
        const found: TopicPartition[] = []
        for (const topic of await foldersIn(root)) {
          for (const partition of await foldersIn(join(root, topic))) {
            if (/^\d{1,10}$/.test(partition)) found.push({ topic, partition: Number(partition) })
          }
        }
        return sortedByPartition(found)
      }),
    list: (tp) =>
      attempt(`list ${folderOf(tp)}`, async () => {
        const entries = await orNull(readdir(folderOf(tp)))
        return entries?.sort() ?? []
      }),
    exists: (tp, name) =>
      attempt(`look for ${pathOf(tp, name)}`, async () => (await orNull(stat(pathOf(tp, name)))) !== null),
    read: (tp, name) =>
      attempt<Buffer | null>(`read ${pathOf(tp, name)}`, () => orNull(readFile(pathOf(tp, name)))),
    write: (tp, temporary, name, bytes) =>
      attempt(`write ${pathOf(tp, name)}`, async () => {
        await makeFolder(tp)
        try {
          await writeSynced(pathOf(tp, temporary), bytes)
          await faultPoints.reach('handoff.written')
          await rename(pathOf(tp, temporary), pathOf(tp, name))
        } catch (error) {
          await rm(pathOf(tp, temporary), { force: true }).catch(() => {})
          throw error
        }
        await faultPoints.reach('handoff.renamed')
        await syncFolder(folderOf(tp))
      }),
    rename: (tp, name, to) =>
      attempt(`rename ${pathOf(tp, name)}`, async () => {
        const was = (await orNull(rename(pathOf(tp, name), pathOf(tp, to)).then(() => true))) ?? false
        if (was) await syncFolder(folderOf(tp))
        return was
      }),
    remove: (tp, name) =>
      attempt(
        `remove ${pathOf(tp, name)}`,
        async () => (await orNull(rm(pathOf(tp, name)).then(() => true))) ?? false,
      ),
    // The time of status change: a file that is renamed keeps the one of its contents.
    changedAtMs: (tp, name) =>
      attempt(
        `look at ${pathOf(tp, name)}`,
        async () => (await orNull(stat(pathOf(tp, name))))?.ctimeMs ?? null,
      ),
  }
}

/** The folder of a job's files. */
export function jobFolder(directory: string, job: string): string {
  return join(directory, folderName(job))
}

function folderName(job: string): string {
  return encodeURIComponent(job).replace(
    /[.*]/g,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
  )
}

/**
 * @param what completes 'cannot ...'
 * @throws OncesinkError HANDOFF_DIRECTORY_UNUSABLE for what the file system says, with what to do about it
 */
export async function attempt<T>(what: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (thrown) {
    if (thrown instanceof OncesinkError) throw thrown
    const error = asError(thrown)
    const cure = cures[(error as NodeJS.ErrnoException).code ?? '']
    throw new OncesinkError(
      'HANDOFF_DIRECTORY_UNUSABLE',
      `cannot ${what}: ${error.message}${cure === undefined ? '' : `. It says that ${cure}`}. Nothing is lost: what is ` +
        'not in a file is read again from Kafka when the job starts.',
      { cause: error },
    )
  }
}

/** Null where there is no such file. */
export async function orNull<T>(work: Promise<T>): Promise<T | null> {
  try {
    return await work
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null
    throw error
  }
}

/** Names of the folders in a folder, links to folders among them. */
async function foldersIn(folder: string): Promise<string[]> {
  const entries = (await orNull(readdir(folder, { withFileTypes: true }))) ?? []
  const found: string[] = []
  for (const entry of entries) {
    const isLinked = async () => (await orNull(stat(join(folder, entry.name))))?.isDirectory() ?? false
    if (entry.isDirectory() || (entry.isSymbolicLink() && (await isLinked()))) found.push(entry.name)
  }
  return found
}

async function writeSynced(path: string, bytes: Uint8Array): Promise<void> {
  await withFile(path, 'w', async (file) => {
    await file.writeFile(bytes)
    await file.sync()
  })
}

async function syncFolder(folder: string): Promise<void> {
  await withFile(folder, 'r', (file) => file.sync())
}

async function withFile(
  path: string,
  flags: string,
  work: (file: FileHandle) => Promise<void>,
): Promise<void> {
  const file = await open(path, flags, FILE_MODE)
  try {
    await work(file)
  } finally {
    await file.close()
  }
}
