import { type ChildProcess, spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'

const root = join(import.meta.dirname, '..', '..')

export interface ParentProgram {
  readonly process: ChildProcess
  /** The first line that it printed, as JSON. */
  readonly said: unknown
}

/**
 * Runs a TypeScript program in a process (and a process group) of its own, and waits for the first line it prints.
 * `imports` are paths from the repository's root, by the name that the program uses. It may be sent messages.
 */
export async function runParent(
  imports: Readonly<Record<string, string>>,
  body: string,
  env: NodeJS.ProcessEnv = process.env,
): Promise<ParentProgram> {
  mkdirSync(join(root, '.cache'), { recursive: true })
  const folder = mkdtempSync(join(root, '.cache', 'parent-'))
  const file = join(folder, 'parent.ts')
  const lines = Object.entries(imports).map(
    ([name, path]) => `import { ${name} } from ${JSON.stringify(join(root, path))}`,
  )
  writeFileSync(file, [...lines, body].join('\n'))
  const child = spawn(process.execPath, ['--import', 'jiti/register', file], {
    cwd: root,
    detached: true,
    env,
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
  })
  onTestFinished(() => {
    child.kill('SIGKILL')
    rmSync(folder, { recursive: true })
  })
  const line = await new Promise<string>((resolve, reject) => {
    let output = ''
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      output += text
      if (output.includes('\n')) resolve(output)
    })
    child.once('exit', (code, signal) =>
      reject(new Error(`the program ended (${signal ?? code}): ${output}`)),
    )
  })
  return { process: child, said: JSON.parse(line.split('\n')[0] ?? '') }
}
