import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'

/**
 * The command `name` of the PATH, or undefined.
 * @param folders where it is looked for besides, after the PATH
 */
export function onPath(
  name: string,
  env: NodeJS.ProcessEnv = process.env,
  folders: readonly string[] = [],
): string | undefined {
  const path = (env.PATH ?? '').split(delimiter).filter(Boolean)
  return [...path, ...folders]
    .map((folder) => executable(join(folder, name)))
    .find((found) => found !== undefined)
}

/** `path` itself where this user may run it, else undefined. */
export function executable(path: string): string | undefined {
  try {
    accessSync(path, constants.X_OK)
    return path
  } catch {
    return undefined
  }
}

/** What a command that failed has said, in a few lines; its own message where it has said nothing. */
export function whatItSaid(error: unknown, lines = 5): string {
  const { stdout = '', stderr = '', message = '' } = error as Record<string, string | undefined>
  const said = `${stdout}${stderr}`.trim() || message
  return said.split('\n').slice(0, lines).join('\n    ')
}
