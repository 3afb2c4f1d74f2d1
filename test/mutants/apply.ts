import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Edit, Mutant } from './mutant.ts'

/**
 * The text with one edit made.
 * @throws Error when what is to be replaced is not there, or more than once: the mutant has to be brought up to date
 */
export function edited(text: string, { file, find, replace }: Edit): string {
  const times = text.split(find).length - 1
  if (times !== 1) throw new Error(`the text to be replaced occurs ${times} times in ${file}: ${find}`)
  if (find === replace) throw new Error(`the replacement is what is there already in ${file}: ${find}`)
  const at = text.indexOf(find)
  return text.slice(0, at) + replace + text.slice(at + find.length)
}

/**
 * Every file of a mutant as it is then, by its name.
 * @param root where the files are read
 * @throws Error as {@link edited} does
 */
export async function mutatedFiles(root: string, { edits }: Mutant): Promise<Map<string, string>> {
  const files = new Map<string, string>()
  for (const edit of edits) {
    const text = files.get(edit.file) ?? (await readFile(join(root, edit.file), 'utf8'))
    files.set(edit.file, edited(text, edit))
  }
  return files
}

/**
 * Makes a mutant of a copy.
 * @returns takes it back
 */
export async function applyMutant(root: string, mutant: Mutant): Promise<() => Promise<void>> {
  const files = await mutatedFiles(root, mutant)
  const before = new Map<string, string>()
  for (const file of files.keys()) before.set(file, await readFile(join(root, file), 'utf8'))
  const write = async (texts: ReadonlyMap<string, string>) => {
    for (const [file, text] of texts) await writeFile(join(root, file), text)
  }
  await write(files)
  return () => write(before)
}
