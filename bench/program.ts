import { spawn } from 'node:child_process'
import { join } from 'node:path'

const jiti = join(import.meta.dirname, '../node_modules/jiti/lib/jiti-cli.mjs')

/** Options of Node that make a process write its CPU profile, called `name`, into `profileDir`. */
export function profiling(profileDir: string | null, name: string): readonly string[] {
  if (profileDir === null) return []
  return ['--cpu-prof', `--cpu-prof-dir=${profileDir}`, `--cpu-prof-name=${name}.cpuprofile`]
}

/**
 * Runs a TypeScript program in a process of its own.
 * @returns the last line of its standard output, which is JSON
 * @throws Error with what it wrote to standard error, when it fails
 */
export async function runProgram<Result>(
  file: string,
  env: Readonly<Record<string, string>>,
  nodeArgs: readonly string[] = [],
): Promise<Result> {
  const child = spawn(process.execPath, [...nodeArgs, jiti, file], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let [out, problems] = ['', '']
  child.stdout.on('data', (bytes: Buffer) => {
    out += bytes.toString()
  })
  child.stderr.on('data', (bytes: Buffer) => {
    problems = (problems + bytes.toString()).slice(-4_000)
  })
  const code = await new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', resolve)
  })
  const last = out.trim().split('\n').at(-1)
  if (code !== 0 || !last) throw new Error(`${file} has ended with exit code ${code}:\n${problems}`)
  return JSON.parse(last) as Result
}
