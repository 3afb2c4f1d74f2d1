import type { ChildProcess } from 'node:child_process'
import process from 'node:process'

const living = new Set<ChildProcess>()

/**
 * Kills a process that leads a process group (`detached`), and the whole group, when this process ends in order; one that
 * is stopped would not notice that its standard input is closed.
 */
export function endsWithThisProcess(child: ChildProcess): void {
  if (living.size === 0) process.on('exit', killLiving)
  living.add(child)
  child.once('close', () => {
    living.delete(child)
    if (living.size === 0) process.off('exit', killLiving)
  })
}

function killLiving(): void {
  for (const { pid } of living) {
    try {
      if (pid !== undefined) process.kill(-pid, 'SIGKILL')
    } catch {
      // It has ended, which was not heard of yet.
    }
  }
}
