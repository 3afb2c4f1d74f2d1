import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'

/** Whether a process of that id runs. A zombie, which waits only for its parent to ask how it ended, does not. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
  } catch (error) {
    // EPERM: it is there, but belongs to somebody else.
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
  if (process.platform !== 'linux') return true
  const state = stateOf(pid)
  // It may have ended between the two questions.
  return state !== undefined && state !== 'Z'
}

/** What the process does, as the kernel tells it: `R` (runs), `S` (sleeps), `T` (is stopped) ...; undefined where it does not. */
export function stateOf(pid: number): string | undefined {
  try {
    return stateAndParent(readFileSync(`/proc/${pid}/stat`, 'utf8')).state
  } catch {
    return undefined
  }
}

/** Ids of the processes whose parent is `pid`. */
export async function childrenOf(pid: number): Promise<number[]> {
  if (process.platform === 'linux') {
    const ids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number)
    const parents = await Promise.all(ids.map(parentOf))
    return ids.filter((_, index) => parents[index] === pid)
  }
  const { stdout } = await promisify(execFile)('ps', ['-A', '-o', 'pid=,ppid='])
  return stdout
    .split('\n')
    .map((line) => line.trim().split(/\s+/).map(Number))
    .filter(([, parent]) => parent === pid)
    .map(([id]) => Number(id))
}

/** Resolves when none of them is alive; false when one still is after `timeoutMs`. */
export async function allGone(pids: readonly number[], timeoutMs: number): Promise<boolean> {
  for (let waitedMs = 0; pids.some(isAlive); waitedMs += 20) {
    if (waitedMs >= timeoutMs) return false
    await sleep(20)
  }
  return true
}

/** Sends `signal`; that the process has ended already is no error. */
export function signalIfAlive(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

async function parentOf(pid: number): Promise<number | undefined> {
  try {
    return stateAndParent(await readFile(`/proc/${pid}/stat`, 'utf8')).parent
  } catch {
    return undefined // it has ended since the directory was read
  }
}

/** `pid (name) state parent ...`, where the name may itself hold spaces and parentheses. */
function stateAndParent(stat: string): { state: string | undefined; parent: number } {
  const [state, parent] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return { state, parent: Number(parent) }
}
